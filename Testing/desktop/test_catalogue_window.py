"""A listener's catalogue in the review window: filled by a real listener, looked at, never changed."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("sqlalchemy")
if shutil.which("storescu") is None:
    pytest.skip("dcmtk is not installed", allow_module_level=True)

from qtpy.QtCore import Qt  # noqa: E402
from sqlalchemy import select  # noqa: E402

from listening import Listener, running, wait_for  # noqa: E402
from miqanet_core import read_series  # noqa: E402
from miqanet_core.cli.review import worker_command  # noqa: E402
from miqanet_core.desktop.reviewed import State  # noqa: E402
from miqanet_core.desktop.window import ReviewWindow  # noqa: E402
from miqanet_core.listener.catalogue import Catalogue, Result, Series, StackResult  # noqa: E402
from miqanet_core.listener.retention import let_go  # noqa: E402
from miqanet_core.listener.settings import Settings, load  # noqa: E402
from miqanet_core.presenter import verdict_text  # noqa: E402
from miqanet_core.quality import Verdict  # noqa: E402
from patience import PATIENCE  # noqa: E402
from readers.dicom_maker import mr_image, noise, save  # noqa: E402

FOLDERS = ("dicom_GE_fMRI_nih", "pelvis_prostate_PX0000_T2sag")
BRAIN, PELVIS, SCOUT = "Axial EPI-FMRI (Interleaved I to S)", "t2_tse_sag", "scout"  # series descriptions


@pytest.fixture(scope="module")
def received(tmp_path_factory, shared, small_model) -> Path:
    """The folder of a listener that has received and scored two real series and left out a localiser."""
    scoring = {"workers": 1, "model": str(small_model), "device": "cpu"}
    sections = {"scoring": scoring, "receiver": {"processes": 1}, "completion": {"quiet_seconds": 0.5}}
    folder = tmp_path_factory.mktemp("listener")
    tags = {"SeriesInstanceUID": "1.2.9", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesDescription": SCOUT}
    save(mr_image(noise(0), **tags), folder / "scout.dcm")
    with running(folder, **sections) as listener:
        for path in (folder / "scout.dcm", *(shared / "data" / "mri" / name for name in FOLDERS)):
            assert listener.store(path).returncode == 0
        wait_for(lambda: sorted(states(listener)) == ["left-out", "scored", "scored"], what="the verdicts")
        listener.stop()
    return folder


def states(listener: Listener) -> list[str]:
    with listener.catalogue().read() as session:
        return list(session.scalars(select(Series.state)))


class Site:
    """A copy of that folder, to be spoiled."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "miqanet.toml"
        self.settings: Settings = load(self.config)
        self.catalogue = Catalogue(self.settings.database_url)

    def series(self, description: str) -> Series:
        with self.catalogue.read() as session:
            found = session.scalars(select(Series).where(Series.description == description)).one()
            _ = found.objects, [result.stacks for result in found.results]
            return found

    def fingerprint(self) -> dict[str, str]:
        """Every file but SQLite's own bookkeeping beside the catalogue."""
        files = [p for p in self.settings.storage.folder.rglob("*") if p.is_file() and not p.name.endswith(("-shm", "-wal"))]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def site(received: Path, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    shutil.copytree(received, folder)
    config = folder / "miqanet.toml"
    config.write_text(config.read_text(encoding="utf-8").replace(str(received), str(folder)), encoding="utf-8")
    made = Site(folder)
    yield made
    made.catalogue.close()


@pytest.fixture
def look(open_window, small_model, qtbot) -> Callable[[Site], ReviewWindow]:
    """The window with the catalogue's list in it."""

    def opened(site: Site) -> ReviewWindow:
        command = worker_command(str(small_model), "cpu", config=site.config)
        window = open_window(command=command, catalogue=True)
        window.show_catalogue()
        qtbot.waitUntil(lambda: not window.catalogue._lister.running, timeout=PATIENCE)
        return window

    return opened


def rows(window: ReviewWindow) -> list[list[str]]:
    table = window.catalogue.table
    return [[table.item(row, column).text() for column in range(table.columnCount())] for row in range(table.rowCount())]


def choose(window: ReviewWindow, qtbot, *descriptions: str) -> None:
    """Select rows, press Open, and wait until all is read and, where that follows, scored."""
    table = window.catalogue.table
    table.clearSelection()
    table.setSelectionMode(table.SelectionMode.MultiSelection)
    for row in range(table.rowCount()):
        if table.item(row, 1).text() in descriptions:
            table.selectRow(row)
    qtbot.mouseClick(window.catalogue.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not (window.session._reader.running or window.session.scoring), timeout=PATIENCE)


def test_the_list_has_every_series_with_its_stored_verdict_newest_or_worst_first(site, look, qtbot):
    window = look(site)
    assert [row[1] for row in rows(window)] == [PELVIS, BRAIN, SCOUT]
    assert rows(window)[2][2:4] == ["it is a localiser", ""]
    results = {name: site.series(name).results[-1] for name in (BRAIN, PELVIS)}
    for row in rows(window)[:2]:
        result = results[row[1]]
        assert row[2:4] == [verdict_text(Verdict(result.verdict)), f"{result.score:.1f}"]
    assert "ProstateX-0000" in rows(window)[0][4]
    window.catalogue.order.setCurrentIndex(1)
    qtbot.waitUntil(lambda: not window.catalogue._lister.running, timeout=PATIENCE)
    assert [row[1] for row in rows(window)] == [*sorted(results, key=lambda name: results[name].score), SCOUT]
    assert window.catalogue.said.text() == "3 series"


def test_a_series_opens_with_its_images_its_stored_result_and_map_and_nothing_is_written(site, look, qtbot, shared, tmp_path):
    before = site.fingerprint()
    window = look(site)
    window.open([shared / "data" / "mri" / FOLDERS[1]])
    qtbot.waitUntil(lambda: window.list.count() == 1, timeout=PATIENCE)
    choose(window, qtbot, BRAIN)
    assert window.complaints == []
    assert [one.name for one in window.session.all] == [PELVIS, BRAIN] and window.current.number == 1, (
        "beside the file that is open, and shown"
    )
    one, stored = window.current, site.series(BRAIN).results[-1]
    assert one.state is State.SCORED
    assert one.quality.to_dict() == stored.stacks[0].quality.to_dict()
    source = read_series(shared / "data" / "mri" / FOLDERS[0])
    np.testing.assert_array_equal(one.series.voxels, source.voxels)
    assert one.series.geometry == source.geometry
    with np.load(site.settings.storage.results / stored.stacks[0].map_file) as values:
        np.testing.assert_array_equal(one.map, values["map"])
    assert re.fullmatch(r"The listener's result of [\d: -]{16}, version 1\.", unescape(window.panel.origin.text()))
    assert window._map_row.isVisible()
    window.go_to_next_worst()
    assert window.index == min((s.score, s.index) for s in one.slices if s.score is not None)[1]
    assert {path.suffix for path in window.export(tmp_path)} == {".html", ".csv", ".json", ".gz"}
    assert site.fingerprint() == before


def test_without_its_map_or_with_images_that_came_since_it_is_scored_again(site, look, qtbot):
    for path in (site.settings.storage.results / "maps").rglob("*.npz"):
        path.unlink()
    with site.catalogue.write() as session:  # as if the result were of the images before the last
        stack = session.scalars(select(StackResult).join(Result).join(Series).where(Series.description == PELVIS)).one()
        stack.instance_uids = stack.instance_uids[:-1]
    window = look(site)
    choose(window, qtbot, BRAIN, PELVIS)
    assert window.complaints == []
    for one in window.session.all:
        assert one.state is State.SCORED and one.map is not None
        assert one.quality.score == pytest.approx(site.series(one.name).results[-1].score, abs=1e-3)
        assert one.origin == "", "a result of one's own"


def test_why_it_is_scored_again_is_said_while_it_is(site, small_model):
    from miqanet_core.cli.review_catalogue import kept

    with site.catalogue.write() as session:
        stack = session.scalars(select(StackResult).join(Result).join(Series).where(Series.description == PELVIS)).one()
        stack.instance_uids = stack.instance_uids[:-1]
    (site.settings.storage.results / site.series(BRAIN).results[-1].stacks[0].map_file).unlink()
    said = [list(kept(site.settings, site.series(name).id))[0].origin for name in (PELVIS, BRAIN)]
    assert said[0].startswith("Images have come since the listener's result of ")
    assert said[1].endswith(" is no longer kept.")


def test_what_retention_took_or_was_never_there_is_said_plainly(site, look, qtbot):
    storage = site.settings.storage.model_copy(update={"keep_days": 1e-9})
    site.settings.storage.spool.joinpath(site.series(PELVIS).objects[0].file).unlink()
    window = look(site)
    choose(window, qtbot, PELVIS)
    assert "t2_tse_sag: 1 of its 4 images are missing" in window.complaints.pop()
    assert let_go(site.catalogue, storage) == 3
    choose(window, qtbot, BRAIN)
    (message,) = window.complaints
    assert message.startswith(f"{BRAIN}: its images are no longer kept (until ")
    assert "fetch it from the archive" in message
    window.complaints.clear()
    choose(window, qtbot, SCOUT)
    assert window.complaints == [f"{SCOUT}: holds nothing to score: it is a localiser; choose another"]
    assert window.list.count() == 0
    window.catalogue.ask(1)
    qtbot.waitUntil(lambda: not window.catalogue._lister.running, timeout=PATIENCE)
    verdict = verdict_text(Verdict(site.series(BRAIN).results[-1].verdict))
    assert rows(window)[1][2] == verdict, "the verdict stays"
    assert "no longer kept" in window.catalogue.table.item(1, 0).toolTip()


def test_a_catalogue_that_is_not_there_is_said_in_the_list(site, look):
    site.catalogue.close()
    site.settings.storage.folder.joinpath("catalogue.sqlite").unlink()
    window = look(site)
    assert "the catalogue cannot be opened" in window.catalogue.said.text()
    assert not site.settings.storage.folder.joinpath("catalogue.sqlite").exists()
