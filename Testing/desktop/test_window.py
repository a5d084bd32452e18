"""The review window as a person uses it: open, step, see the map, go to the worst slices, score, cancel, export."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QGuiApplication, QWheelEvent

from miqanet_core import Scorer, SeriesQuality, presenter, read_series
from miqanet_core.desktop.reviewed import State
from miqanet_core.policy import Policy
from patience import PATIENCE

GOOD, LIMITED = "good", "limited"  # of cli_stand_ins.CONTENTS: scores 80, 70, none, 90; and 80, 30, 85


def colour_at(widget, place: QPointF) -> list[int]:
    colour = widget.grab().toImage().pixelColor(place.toPoint())
    return [colour.red(), colour.green(), colour.blue()]


def test_an_empty_window_says_how_to_begin_and_offers_nothing_else(open_window):
    window = open_window()
    assert "Open a scan" in window.panel.meaning.text()
    assert not any(action.isEnabled() for action in (window.score_action, window.cancel_action, window.export_action))
    window.step(1)
    window.go_to_next_worst()


def test_a_real_scan_opens_in_its_middle_as_radiologists_hang_it(open_window, shared, real_command):
    folder = shared / "data" / "mri" / "pelvis_prostate_PX0000_T2tra"
    window = open_window(folder, command=real_command)
    expected = read_series(folder)
    assert (window.list.count(), window.index) == (1, 4)
    shown = window.current.series
    np.testing.assert_array_equal(shown.voxels, expected.voxels)
    for name in ("geometry", "facts", "identity", "sources", "notes", "description"):
        assert getattr(shown, name) == getattr(expected, name)
    row, column = np.unravel_index(np.argmax(expected.voxels[4]), expected.voxels[4].shape)
    assert min(colour_at(window.view, window.view.place_of(row, column))) > 200  # the brightest voxel, where it belongs


def test_keys_and_wheel_step_and_stop_at_the_ends(open_window, qtbot):
    window = open_window(GOOD)
    window.view.setFocus()
    assert window.index == 2
    seen = []
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Home, Qt.Key.Key_Left, Qt.Key.Key_End):
        qtbot.keyClick(window.view, key)
        seen.append(window.index)
    assert seen == [3, 3, 2, 0, 0, 3]
    for turned, expected in ((120, 2), (-120, 3), (60, 3), (60, 2)):  # a touchpad sends half notches
        wheel = QWheelEvent(QPointF(50, 50), QPointF(50, 50), QPoint(), QPoint(0, turned), Qt.MouseButton.NoButton,
                            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
        window.view.wheelEvent(wheel)
        assert window.index == expected


def test_dragging_sets_window_and_level_and_a_double_click_sets_them_back(open_window, qtbot):
    window = open_window(GOOD)
    view = window.view
    first = view.window_level
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    qtbot.mouseMove(view, QPoint(160, 70))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton)
    width, level = view.window_level
    assert width > first[0]
    assert level < first[1]
    view.set_window_level(-5.0, 20.0)
    assert view.window_level[0] > 0
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    assert view.window_level == pytest.approx(first)


def test_scoring_fills_list_result_table_and_curve(open_window, score_and_wait):
    window = open_window(LIMITED)
    assert window.panel.score_button.isVisible()
    score_and_wait(window)
    assert window.complaints == []
    assert window.current.tag == "65.0  ! Limited"
    panel = window.panel
    assert (panel.headline.text(), panel.verdict.text()) == ("65.0 / 100", "! Limited")
    assert "1 of 3 slices scores below 50 (slice 2)" in panel.reasons.text()
    assert "has not been measured" in panel.doubts.text()
    assert "2 slices are missing" in panel.notes.text()
    assert [row.score for row in panel.table.slices.rows] == [80.0, 30.0, 85.0]
    assert not panel.score_button.isVisible()
    assert window.curve.isVisible()


def test_a_real_scan_is_scored_by_the_real_worker_as_by_the_library(
    open_window, score_and_wait, shared, real_command, small_model
):
    file = shared / "data" / "mri" / "dicom_GE_fMRI_nih"
    window = open_window(file, command=real_command)
    score_and_wait(window)
    assert window.complaints == []
    expected = Scorer(small_model, "cpu").score(window.current.series)
    assert [s.score for s in window.current.slices] == pytest.approx([s.score for s in expected.slices], abs=1e-3)
    np.testing.assert_allclose(window.current.map, expected.map, atol=1e-2)
    assert window.current.map.shape == window.current.series.voxels.shape
    window.jump(2)
    window.opacity.setValue(100)
    row, column = np.unravel_index(np.nanargmax(expected.map[2]), expected.map[2].shape)
    shown = colour_at(window.view, window.view.place_of(row, column))
    np.testing.assert_allclose(
        shown, presenter.colour_of(float(expected.map[2, row, column])), atol=6
    )  # smoothed on the screen


def test_overlay_has_the_colours_of_the_map_where_it_was_scored_only(open_window, score_and_wait):
    window = open_window(LIMITED)
    score_and_wait(window)
    window.jump(1)
    view = window.view
    inside, outside = view.place_of(6, 8), view.place_of(0, 0)
    low, high = view._range
    for opacity in (0, 50, 100):
        window.opacity.setValue(opacity)
        grey = np.array([[np.clip((30 - low) / (high - low), 0, 1), 0.0]])
        expected = presenter.paint(grey, np.array([[30.0, np.nan]]), opacity / 100)[0]
        np.testing.assert_allclose(colour_at(view, inside), expected[0], atol=2)
        np.testing.assert_allclose(colour_at(view, outside), expected[1], atol=2)
    assert colour_at(view, inside) == list(presenter.colour_of(30.0))
    window.show_map.setChecked(False)
    red, green, blue = colour_at(view, inside)
    assert red == green == blue


def test_n_and_p_walk_the_worst_slices_wherever_one_has_strayed(open_window, score_and_wait, qtbot):
    window = open_window(GOOD)  # scores 80, 70, none, 90
    qtbot.keyClick(window, Qt.Key.Key_N)
    assert window.index == 2  # nothing is scored yet
    score_and_wait(window)
    seen = []
    for key in "NNPNNNP":
        qtbot.keyClick(window, getattr(Qt.Key, f"Key_{key}"))
        seen.append(window.index)
        window.step(1)
    assert seen[:5] == [1, 0, 1, 0, 3]
    assert "higher" in window.statusBar().currentMessage() or seen[6] == 0
    assert seen[6] == 0


def test_curve_and_table_go_to_the_slice(open_window, score_and_wait, qtbot):
    window = open_window(LIMITED)
    score_and_wait(window)
    qtbot.mouseClick(window.curve, Qt.MouseButton.LeftButton, pos=window.curve.place_of(2, 40).toPoint())
    assert window.index == 2
    table = window.panel.table
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert [row.number for row in table.slices.rows] == [2, 1, 3]
    assert table.currentIndex().row() == 2  # the selection has gone along with its slice
    table.setCurrentIndex(table.slices.index(0, 0))
    assert window.index == 1
    assert "▲ flagged" in window.panel.slice_line.text()
    window.step(-1)
    assert table.currentIndex().row() == 1


def test_several_series_each_keep_their_own_result(open_window, score_and_wait):
    window = open_window(GOOD, LIMITED)
    window.list.setCurrentRow(1)
    window.open([])
    score_and_wait(window)
    assert [one.tag for one in window.session.all] == ["80.0  ✓ Diagnostic", "65.0  ! Limited"]
    assert "Bild für Ärzte 脳" in window.panel.title.text()
    window.list.setCurrentRow(0)
    assert window.panel.headline.text() == "80.0 / 100"
    assert window.index == 2


def test_a_series_that_is_not_assessed_shows_neither_number_nor_map(open_window, score_and_wait):
    window = open_window("ct")
    score_and_wait(window)
    assert window.panel.headline.text() == ""
    assert window.panel.verdict.text() == "\N{EN DASH} Not assessed"
    assert "no MR series" in window.panel.reasons.text()
    assert not window._map_row.isVisible()


def test_one_bad_series_or_file_does_not_stop_the_others(open_window, score_and_wait):
    window = open_window("one bad", "absent", "empty")
    assert window.list.count() == 1
    assert [re.search(r"is cut short|does not exist|holds no image", text)[0] for text in window.complaints] == [
        "is cut short", "does not exist", "holds no image",
    ]  # fmt: skip
    window.complaints.clear()
    other = open_window("mixed")  # the second is refused by the scorer, the third ends its process
    score_and_wait(other)
    assert [one.state for one in other.session.all] == [State.SCORED, State.FAILED, State.FAILED]
    assert "is constant" in other.complaints[0]
    assert "crashed" in other.complaints[1]
    assert len(other.complaints) == 2
    other.list.setCurrentRow(1)
    assert "is constant" in other.panel.meaning.text()


def test_a_fault_of_ours_is_told_once(open_window, score_and_wait):
    window = open_window("broken")
    score_and_wait(window)
    assert len(window.complaints) == 1
    assert "a fault of ours" in window.complaints[0]


def test_cancel_ends_the_process_and_what_it_started_and_the_window_goes_on(open_window, qtbot):
    window = open_window("slow")
    window.score_current()
    qtbot.waitUntil(lambda: window.current.state is State.SCORING, timeout=PATIENCE)
    process = psutil.Process(int(window.session._scorer._process.processId()))
    family = [process, *process.children(recursive=True)]
    with qtbot.waitSignal(window.session.busy, timeout=1000):
        window.cancel_action.trigger()
    assert psutil.wait_procs(family, timeout=1)[1] == []
    assert window.current.state is State.OPENED
    assert window.complaints == []
    assert window.score_action.isEnabled()


def test_closing_ends_the_process_and_removes_the_files(open_window, qtbot):
    window = open_window("slow")
    window.score_current()
    qtbot.waitUntil(lambda: window.current.state is State.SCORING, timeout=PATIENCE)
    process = psutil.Process(int(window.session._scorer._process.processId()))
    folder = window.session._folder
    assert folder.stat().st_mode & 0o077 == 0
    window.close()
    assert psutil.wait_procs([process], timeout=5)[1] == []
    assert not folder.exists()


def test_export_gives_the_files_of_the_command_and_overwrites_none(open_window, score_and_wait, tmp_path):
    window = open_window(LIMITED)
    score_and_wait(window)
    names = {path.name for path in window.export(tmp_path)}
    assert names == {f"Bild_für_Ärzte_脳{kind}" for kind in (".html", ".csv", ".json", ".nii.gz")}
    quality = SeriesQuality.from_json((tmp_path / "Bild_für_Ärzte_脳.json").read_text(encoding="utf-8"))
    assert quality.score == 65.0
    assert "identity" not in json.loads((tmp_path / "Bild_für_Ärzte_脳.json").read_text(encoding="utf-8"))["series"]
    rows = list(csv.DictReader((tmp_path / "Bild_für_Ärzte_脳.csv").open(encoding="utf-8")))
    assert [row["score"] for row in rows] == ["80.0000", "30.0000", "85.0000"]
    assert {path.name for path in window.export(tmp_path)} == {name.replace(".", "-2.", 1) for name in names}
    (tmp_path / "file").write_text("")
    window._complain = window.complaints.append
    assert window.export(tmp_path / "file") == []
    assert "cannot be written" in window.complaints[0]


def test_the_summary_goes_to_the_clipboard(open_window, score_and_wait):
    window = open_window(LIMITED)
    score_and_wait(window)
    window.copy_action.trigger()
    assert QGuiApplication.clipboard().text() == presenter.plain_summary(window.current.quality, Policy.default())


def test_what_is_dropped_is_opened(open_window, qtbot, tmp_path):
    window = open_window()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "good")), QUrl("https://example.org/x")])
    drop = QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    with qtbot.waitSignal(window.session.opened, timeout=PATIENCE):
        window.dropEvent(drop)
    qtbot.waitUntil(lambda: window.list.count() == 1)


def test_the_window_comes_back_where_it_was(open_window):
    first = open_window()
    first.resize(1, 633)  # as narrow as it goes: Qt puts what does not fit the screen back on it
    first.splitter.setSizes([240, 200, 360])
    width, sizes = first.width(), first.splitter.sizes()
    first.close()
    again = open_window()
    again._restore()
    assert (again.width(), again.height()) == (width, 633)
    assert again.splitter.sizes() == sizes


def test_hostile_names_are_text(open_window, score_and_wait):
    window = open_window("hostile")
    score_and_wait(window)
    assert "[bold]second" not in window.panel.title.text()
    assert window.panel.headline.text() == "80.0 / 100"
