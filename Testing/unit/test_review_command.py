"""``miqanet review`` before there is a window: what it is told, and what it says when there can be none."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

import cli_stand_ins
from miqanet_core.cli import review


@pytest.fixture
def miqanet(monkeypatch, capfd, tmp_path):
    """Run the command in an empty folder; gives its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(cli_stand_ins.run, capfd)


@pytest.fixture
def shown(monkeypatch) -> list:
    """What would be shown, in the place of a window: paths, command, whether there is a catalogue."""
    calls: list = []
    stand_in = ModuleType("miqanet_core.desktop.app")
    stand_in.run = lambda paths, command, policy, catalogue: calls.append((paths, command, policy, catalogue)) or 0
    monkeypatch.setitem(sys.modules, "miqanet_core.desktop.app", stand_in)
    monkeypatch.setattr("miqanet_core.desktop.app", stand_in, raising=False)
    monkeypatch.setattr(review, "why_no_window", lambda: None)
    return calls


@pytest.fixture
def qt_says(monkeypatch, tmp_path):
    """Put in Qt's place something that says ``text`` and fails, for the process that tries it; nobody has named a display."""

    def put(text: str, display: str = "") -> None:
        (tmp_path / "qt" / "qtpy").mkdir(parents=True)
        (tmp_path / "qt" / "qtpy" / "__init__.py").write_text(f"raise SystemExit({text!r})")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "qt"))
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv("DISPLAY", display)

    return put


@pytest.mark.parametrize(
    ("said", "display", "expected"),
    [
        ("ModuleNotFoundError: No module named 'qtpy'", "", "pip install 'miqanet_core[review]'"),
        ("qtpy.QtBindingsNotFoundError: No Qt bindings could be found", ":0", "pip install 'miqanet_core[review]'"),
        ("ImportError: libEGL.so.1: cannot open shared object file: No such file", ":0", "apt-get install libegl1"),
        ("qt.qpa.xcb: could not connect to display", "", "there is no display to show a window on; start it on a desktop"),
        ("qt.qpa.xcb: could not connect to display remote:10", "remote:10", "the display 'remote:10' cannot be reached"),
        ("xcb-cursor0 or libxcb-cursor0 is needed to load the Qt xcb plugin", ":0", "apt-get install libxcb-cursor0"),
        ("something else", ":0", "Qt cannot start (something else); try: pip install --force-reinstall"),
        ("", ":0", "Qt cannot start (it said nothing)"),
    ],
)
def test_why_there_can_be_no_window_is_said_with_the_cure(miqanet, qt_says, said, display, expected):
    qt_says(said or "\n", display)
    status, out, error = miqanet("review")
    assert (status, out) == (1, "")
    assert len(error.splitlines()) == 1
    assert expected in error


def test_help_names_the_extra(miqanet):
    assert "pip install 'miqanet_core[review]'" in miqanet("review", "--help")[1]


def test_where_qt_starts_there_is_nothing_to_say(monkeypatch):
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert review.why_no_window() is None


def test_a_bad_path_or_file_is_told_before_there_is_a_window(miqanet, shown, tmp_path):
    (tmp_path / "policy.toml").write_text("diagnostic = many")
    for arguments, expected in (
        (["absent.dcm"], "absent.dcm: does not exist; check the path for a typing error"),
        (["--policy", "policy.toml"], "policy.toml"),
        (["--baseline", "absent.json"], "absent.json"),
        (["--config", "absent.toml"], "absent.toml: no such file or directory; write one with: miqanet listen --init"),
    ):
        status, _, error = miqanet("review", *arguments)
        assert status in (1, 2)
        assert len(error.splitlines()) == 1
        assert expected in error
    assert shown == []


def test_options_reach_the_process_that_scores(miqanet, shown, tmp_path):
    (tmp_path / "scan").mkdir()
    (tmp_path / "policy.toml").write_text("slice_flag = 10\ndiagnostic = 20\nnon_diagnostic = 5")
    assert miqanet("review", "scan", "--device", "cpu", "--policy", "policy.toml")[0] == 0
    ((paths, command, policy, catalogue),) = shown
    assert (paths, policy.diagnostic, catalogue) == ([Path("scan")], 20, False)
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert options == {
        "--model": "default", "--device": "cpu", "--precision": "auto", "--policy": str(tmp_path / "policy.toml")
    }  # fmt: skip


@pytest.fixture
def config(tmp_path) -> Path:
    """The settings of a listener that has not run yet."""
    pytest.importorskip("sqlalchemy")
    (tmp_path / "strict.toml").write_text("slice_flag = 11\ndiagnostic = 21\nnon_diagnostic = 6")
    file = tmp_path / "miqanet.toml"
    file.write_text(
        '[storage]\nfolder = "data"\n[scoring]\nmodel = "miqanet_tiny"\ndevice = "cuda:1"\npolicy = "strict.toml"\n'
    )
    return file


def test_the_catalogue_is_scored_as_the_listener_does_but_for_what_is_given(miqanet, shown, config, tmp_path):
    from miqanet_core.listener.catalogue import Catalogue

    (tmp_path / "data").mkdir()
    Catalogue.in_folder(tmp_path / "data").create().close()
    status, _, error = miqanet("review", "--config", config, "--device", "cpu")
    assert (status, error) == (0, "")
    ((paths, command, policy, catalogue),) = shown
    assert (paths, policy.diagnostic, catalogue) == ([], 21, True)
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert (options["--model"], options["--device"], options["--precision"]) == ("miqanet_tiny", "cpu", "auto")
    assert options["--config"] == str(config)


def test_a_listener_that_never_ran_has_no_catalogue_and_gets_none(miqanet, shown, config, tmp_path):
    status, _, error = miqanet("review", "--config", config)
    assert status == 2
    assert "the catalogue cannot be opened (unable to open database file)" in error
    assert shown == [] and not (tmp_path / "data").exists()


def test_without_the_listeners_libraries_the_extra_is_named(miqanet, shown, config, monkeypatch):
    monkeypatch.delitem(sys.modules, "miqanet_core.cli.review_catalogue", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    status, _, error = miqanet("review", "--config", config)
    assert status == 2
    assert "--config needs sqlalchemy; pip install 'miqanet_core[listener]'" in error
