"""``miqanet web`` as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import web_samples
from miqanet_core.cli import listen, web
from miqanet_core.cli.guard import UsageError
from miqanet_core.listener import settings
from miqanet_core.listener.catalogue import Catalogue, User
from miqanet_core.web.passwords import is_right


def miqanet(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from miqanet_core.cli import main; main()", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(program, input=stdin, capture_output=True, text=True, timeout=300, env=environment, check=False)


def test_a_person_is_let_in_with_a_password_from_stdin(tmp_path: Path) -> None:
    config = tmp_path / "miqanet.toml"
    config.write_text(settings.example(tmp_path / "data"))
    for password, said in ((web_samples.PASSWORD, "anna may log in\n"), ("short", "a password has 12 to 1024 characters")):
        done = miqanet("web", "--config", str(config), "--add-user", "anna", stdin=f"{password}\n")
        assert said in done.stderr
        assert (done.returncode == 0) == (password != "short")
    with Catalogue.in_folder(tmp_path / "data").read() as session:
        assert is_right(session.get(User, "anna"), web_samples.PASSWORD)


def test_somebody_is_shut_out_and_let_in_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "miqanet.toml"
    config.write_text(settings.example(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    catalogue = Catalogue.in_folder(tmp_path / "data").create()
    with catalogue.write() as session:
        session.add_all([User(name=name, password_hash="-") for name in ("anna", "otto")])
    assert miqanet("web", "--config", str(config), "--disable-user", "anna").returncode == 0
    web.show(catalogue)
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].startswith("anna, disabled 2")
    assert listed[1:] == ["otto"]
    web.enable(catalogue, "anna")
    assert capsys.readouterr().err == "anna may log in again, with the password of before\n"
    with pytest.raises(ValueError, match="there is no user 'nobody'; miqanet web --users lists them"):
        web.disable(catalogue, "nobody")
    catalogue.close()
    with pytest.raises(UsageError, match="at a time"):
        listen.web(config, add="anna", disable=None, enable=None, show=True)


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    done = miqanet("web", "--config", str(tmp_path / "absent.toml"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "miqanet listen --init" in done.stderr
