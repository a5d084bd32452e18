"""The listener's TOML file: the example is true, and mistakes are named."""

import re
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from miqanet_core.cli import listen  # noqa: E402
from miqanet_core.cli.guard import UsageError  # noqa: E402
from miqanet_core.errors import InputError  # noqa: E402
from miqanet_core.listener import settings  # noqa: E402
from miqanet_core.listener.settings import Settings, Storage  # noqa: E402


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "miqanet.toml"
    path.write_text(text)
    return path


def test_the_example_as_it_is_lets_nobody_in(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, settings.example(tmp_path / "data")))
    assert loaded.receiver.calling_ae_titles == []
    assert loaded.receiver.address == "127.0.0.1"
    assert loaded.storage.spool == tmp_path / "data" / "spool"


def test_the_example_shows_every_default_and_every_setting(tmp_path: Path) -> None:
    text = settings.example(tmp_path)
    uncommented = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    full = settings.load(written(tmp_path, uncommented))
    for name in ("completion", "storage", "receiver", "scoring", "web"):
        section, default = getattr(full, name), getattr(Settings(storage=Storage(folder=tmp_path)), name)
        for field in type(section).model_fields:
            assert re.search(rf"^(# )?(\[{name}\.)?{field}\b", text, re.MULTILINE), f"{name}.{field} is not explained"
            if not isinstance(getattr(section, field), Path | settings.TLS) and field != "calling_addresses":
                assert getattr(section, field) == getattr(default, field), f"{name}.{field}"
    assert full.destinations[0].name == "archive"
    assert full.notifications.email is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[storage]\nfolder = 'x'\n[receiver]\nprot = 1", "receiver.prot"),
        ("[storage]\nfolder = 'x'\n[receiver]\nae_titles = ['SEVENTEEN_LETTERS']", "receiver.ae_titles"),
        ("[storage]\nfolder = 'x'\n[receiver]\ncalling_addresses = ['10.0.0.1/8']", "receiver.calling_addresses"),
        ("[storage]\nfolder = 'x'\n[web]\nuser_header = 'X-User'", "proxy_addresses"),
        ("[storage]\nfolder = 'x'\n[[destinations]]\nname = 'a'", "needs address"),
        (
            "[storage]\nfolder = 'x'\n"
            + "".join(f"[[destinations]]\nname = '{name}'\naddress = 'h'\nae_title = 'PACS'\n" for name in "ab"),
            "two destinations with storage_commitment have the ae_title 'PACS'",
        ),
        ("[receiver]\nport = 1", "storage"),
        ("storage = [", "is not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        settings.load(written(tmp_path, text))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="miqanet listen --init"):
        settings.load(tmp_path / "none.toml")


def test_init_lets_the_named_senders_in(tmp_path: Path) -> None:
    config = tmp_path / "miqanet.toml"
    with pytest.raises(InputError, match="receiver.calling_ae_titles.1"):
        listen.init(config, None, ["SCANNER", "SEVENTEEN_LETTERS"])
    assert not config.exists()
    listen.init(config, None, ["SCANNER", "AR CHIVE"])
    assert settings.load(config).receiver.calling_ae_titles == ["SCANNER", "AR CHIVE"]
    before = config.read_bytes()
    with pytest.raises(UsageError, match="is there already; name OTHER in its calling_ae_titles"):
        listen.init(config, None, ["OTHER"])
    listen.init(config, None, [])
    assert config.read_bytes() == before
