"""The three commands of the README's listener section, from nothing to a flagged series."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("pynetdicom", "sqlalchemy", "fastapi"):
    pytest.importorskip(needed)

from listening import ENVIRONMENT, PATIENCE, free_port, wait_for  # noqa: E402
from spoiled_series import spoiled  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="dcmtk is not installed")
README = Path(__file__).parents[2] / "README.md"


def commands() -> list[list[str]]:
    """Without the installation, which has happened, and with this interpreter in the place of the installed script."""
    section = README.read_text(encoding="utf-8").partition("\n## Listen\n")[2].partition("\n## ")[0]
    lines = [line.strip() for line in re.findall(r"(?m)^    .*$", section)]
    assert lines[0].startswith("pip install '.[listener]' && ")
    lines[0] = lines[0].partition(" && ")[2]
    program = [sys.executable, "-c", "from miqanet_core.cli import main; main()"]
    split = [shlex.split(line, comments=True) for line in lines]
    return [program + words[1:] if words[0] == "miqanet" else words for words in split]


def test_three_commands_lead_to_a_flagged_series(shared: Path, tmp_path: Path) -> None:
    spoiled(shared, tmp_path / "study")
    init, listen, send = commands()
    subprocess.run(init, cwd=tmp_path, env=ENVIRONMENT, check=True, timeout=PATIENCE)
    # Ports that are free here, whatever else the machine is doing.
    settings = tmp_path / "miqanet.toml"
    text = settings.read_text(encoding="utf-8")
    ports = {"11112": str(free_port()), "8042": str(free_port())}
    for port, other in ports.items():
        assert f"port = {port}\n" in text
        text = re.sub(rf"(?m)^(# )?port = {port}$", f"port = {other}", text)
    settings.write_text(text, encoding="utf-8")
    send = [ports.get(word, word) for word in send]

    log = tmp_path / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(listen, cwd=tmp_path, env=ENVIRONMENT, stderr=file)
    try:
        wait_for(lambda: "listening on 127.0.0.1" in log.read_text(), what="the listener")
        sent = subprocess.run(
            send, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert sent.returncode == 0, sent.stderr
        wait_for(lambda: "series 1, version 1: " in log.read_text(), 2 * PATIENCE, what="the verdict")
        assert re.search(r"series 1, version 1: (limited|non-diagnostic), flagged", log.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
