"""The review window: series on the left, the slice and its curve in the middle, the result on the right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from qtpy.QtCore import QSettings, Qt, QTimer
from qtpy.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeySequence
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QProgressBar,
    QSizePolicy,
    QSlider,
    QSplitter,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from miqanet_core.desktop.catalogue import CatalogueDialog
from miqanet_core.desktop.colour_bar import ColourBar
from miqanet_core.desktop.curve_view import CurveView
from miqanet_core.desktop.export import export_result
from miqanet_core.desktop.result_panel import ResultPanel
from miqanet_core.desktop.reviewed import ReviewedSeries, State
from miqanet_core.desktop.series_list import SeriesList
from miqanet_core.desktop.session import Session
from miqanet_core.desktop.slice_view import SliceView
from miqanet_core.errors import InputError
from miqanet_core.policy import Policy, format_score
from miqanet_core.presenter import NOTICE, next_worst, plain_summary, previous_worst, score_curve
from miqanet_core.quality import SliceQuality

_SUFFIXES = "*.dcm *.ima *.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.png *.jpg *.jpeg"
_REFRESH_MS = 60  # slices that come faster than this are shown together


class ReviewWindow(QMainWindow):
    """``command`` and ``policy`` as for :class:`Session`; ``settings`` keeps the window's geometry.

    ``catalogue``: the command knows a listener's catalogue, which can be looked through.
    """

    def __init__(self, command: Sequence[str], policy: Policy, settings: QSettings, *, catalogue: bool = False) -> None:
        super().__init__()
        self.setWindowTitle("MIQA review")
        self.setAcceptDrops(True)
        self._policy, self._settings = policy, settings
        self._index = 0
        self._jumped: int | None = None
        self._changed: set[int] = set()
        self.session = Session(command, policy, self)
        self.catalogue = CatalogueDialog(command, self) if catalogue else None
        self.list, self.view, self.curve, self.panel = SeriesList(), SliceView(), CurveView(), ResultPanel(policy)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.show_map = QCheckBox("Quality map")
        self.progress = QProgressBar()
        self._refresh = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._lay_out()
        self._make_actions()
        self._connect()
        self._restore()
        self._show_series()

    # Parts

    def _lay_out(self) -> None:
        self.opacity.setRange(0, 100)
        self.opacity.setValue(50)
        self.opacity.setFixedWidth(130)
        self.opacity.setAccessibleName("Opacity of the quality map")
        self.show_map.setChecked(True)
        for widget in (self.opacity, self.show_map):
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click must not take the arrow keys from the slices
        row = QHBoxLayout()
        row.addWidget(self.show_map)
        row.addWidget(self.opacity)
        row.addWidget(ColourBar())
        row.addStretch()
        self._map_row = QWidget()
        self._map_row.setLayout(row)
        row.setContentsMargins(4, 2, 4, 2)
        self.middle = QWidget()
        column = QVBoxLayout(self.middle)
        column.setContentsMargins(0, 8, 0, 8)
        column.addWidget(self.view, 1)
        column.addWidget(self._map_row)
        column.addWidget(self.curve)
        self.curve.setFixedHeight(190)
        left = QWidget()
        margin = QVBoxLayout(left)
        margin.setContentsMargins(8, 8, 0, 8)
        margin.addWidget(self.list)
        self.splitter = QSplitter()
        for part, share in ((left, 0), (self.middle, 1), (self.panel, 0)):
            self.splitter.addWidget(part)
            self.splitter.setStretchFactor(self.splitter.indexOf(part), share)
        self.splitter.setSizes([210, 630, 470])
        self.setCentralWidget(self.splitter)
        self.progress.setFixedWidth(220)
        self.progress.hide()
        self.statusBar().addPermanentWidget(self.progress)
        chip = QLabel(NOTICE)
        chip.setObjectName("chip")
        self.statusBar().addPermanentWidget(chip)

    def _make_actions(self) -> None:
        bar = QToolBar("Actions")
        bar.setMovable(False)
        self.addToolBar(bar)
        self.score_action = self._action("Score", "Score the series that is shown", "Ctrl+R", self.score_current)
        self.all_action = self._action("Score all", "Score every series that is not scored yet", "Ctrl+Shift+R", self.score_all)
        self.cancel_action = self._action("Cancel", "Stop scoring; results that stand are kept", "Esc", self.session.cancel)
        self.next_action = self._action("Next worst", "Go to the next worst slice (N)", "N", self.go_to_next_worst)
        self.previous_action = self._action("Previous", "Go back to the worse slice before (P)", "P", self.go_to_previous_worst)
        self.export_action = self._action("Export", "Save report (HTML), CSV, JSON and overlay", "Ctrl+S", self._ask_export)
        self.copy_action = self._action("Copy summary", "Copy the result as text", "Ctrl+Shift+C", self.copy_summary)
        groups: list[list[QAction]] = [
            [
                self._action("Open file\N{HORIZONTAL ELLIPSIS}", "Open images", "Ctrl+O", self._ask_files),
                self._action("Open folder\N{HORIZONTAL ELLIPSIS}", "Open a DICOM folder", "Ctrl+Shift+O", self._ask_folder),
            ],
            [self.score_action, self.all_action, self.cancel_action],
            [self.previous_action, self.next_action],
            [self.export_action, self.copy_action],
        ]
        if self.catalogue is not None:
            tip = "Look through what the listener has received"
            groups[0].append(self._action("Catalogue\N{HORIZONTAL ELLIPSIS}", tip, "Ctrl+L", self.show_catalogue))
        for number, group in enumerate(groups):
            if number:
                gap = QWidget()
                gap.setFixedWidth(14)
                bar.addWidget(gap)
            bar.addActions(group)
        spring = QWidget()
        spring.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(spring)
        self._action("Quality map", "", "M", self.show_map.toggle)
        self._action("Reset window", "", "R", self.view.reset_window_level)
        steps = {"Up": -1, "Down": 1, "Left": -1, "Right": 1, "PgUp": -10, "PgDown": 10, "Home": -(10**6), "End": 10**6}
        for key, by in steps.items():
            self._action(key, "", key, lambda checked=False, by=by: self.step(by), self.middle)

    def _action(self, text: str, tip: str, key: str, do: Callable[..., object], of: QWidget | None = None) -> QAction:
        """An action with a key that works in all of the window, or in ``of`` only."""
        action = QAction(text, self)
        action.setToolTip(f"{tip} [{key}]" if tip and f"({key})" not in tip else tip)
        action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda checked=False: do())
        if of is not None:
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        (of or self).addAction(action)
        return action

    def _connect(self) -> None:
        self.list.currentRowChanged.connect(lambda row: self._show_series())
        self.list.itemClicked.connect(lambda item: self.view.setFocus())  # the arrow keys step through its slices
        self.view.stepped.connect(self.step)
        self.view.windowed.connect(self._show_slice)
        self.curve.chosen.connect(self.jump)
        self.panel.table.chosen.connect(self.jump)
        self.panel.score_button.clicked.connect(self.score_current)
        self.opacity.valueChanged.connect(self._show_opacity)
        self.show_map.toggled.connect(self._show_opacity)
        self.session.opened.connect(self._add)
        self.session.changed.connect(self._note_change)
        self.session.reading.connect(self._show_reading)
        self.session.busy.connect(lambda busy: self._show_changes())
        self.session.failed.connect(self._complain)
        self._refresh.timeout.connect(self._show_changes)
        if self.catalogue is not None:
            self.catalogue.chosen.connect(self.open_from_catalogue)

    # What a person does

    def open(self, paths: Sequence[Path]) -> None:
        """Add the series of files and folders to the list."""
        self.statusBar().showMessage("Reading\N{HORIZONTAL ELLIPSIS}")
        self.session.open(paths)

    def show_catalogue(self) -> None:
        """The list of what the listener has received, as it is now."""
        if self.catalogue is not None:
            self.catalogue.show()
            self.catalogue.raise_()
            self.catalogue.ask(1)

    def open_from_catalogue(self, ids: Sequence[int]) -> None:
        """Add series of the catalogue to the list, and look at the first of them."""
        self.statusBar().showMessage("Reading\N{HORIZONTAL ELLIPSIS}")
        self.session.fetch(ids)

    @property
    def current(self) -> ReviewedSeries | None:
        """The series that is shown."""
        row = self.list.currentRow()
        return self.session.all[row] if 0 <= row < len(self.session.all) else None

    @property
    def index(self) -> int:
        """The slice that is shown, from 0."""
        return self._index

    def step(self, by: int) -> None:
        """Go ``by`` slices on, back when negative; stops at the ends."""
        if self.current is not None:
            self._go_to(min(max(self._index + by, 0), len(self.current.series.voxels) - 1))

    def jump(self, index: int) -> None:
        """Go to a slice that was pointed out; the next worst is counted from there."""
        self._jumped = index
        self._go_to(index)

    def go_to_next_worst(self) -> None:
        """The worst slice, then the one after it."""
        if self.current is not None:
            self._jump_or_say(next_worst(self.current.slices, self._jumped), "No slice is left that scores higher.")

    def go_to_previous_worst(self) -> None:
        """Back towards the worst slice."""
        if self.current is not None:
            self._jump_or_say(previous_worst(self.current.slices, self._jumped), "This is the worst slice.")

    def score_current(self) -> None:
        """Score the series that is shown, again if it is scored."""
        if self.current is not None:
            self.session.score([self.current.number])

    def score_all(self) -> None:
        """Score what is not scored yet."""
        self.session.score([one.number for one in self.session.all if one.state in (State.OPENED, State.FAILED)])

    def copy_summary(self) -> None:
        """The result of the series that is shown as text, to the clipboard."""
        if self.current is not None and self.current.quality is not None:
            QGuiApplication.clipboard().setText(plain_summary(self.current.quality, self._policy))
            self.statusBar().showMessage("The summary is on the clipboard.", 5000)

    def export(self, folder: Path) -> list[Path]:
        """Copy the result's files into a folder; what goes wrong is told."""
        if self.current is None or self.current.result_file is None:
            return []
        try:
            written = export_result(self.current.result_file, folder)
        except InputError as error:
            self._complain(str(error))
            return []
        self.statusBar().showMessage(f"Saved {', '.join(path.name for path in written)} in {folder}", 15000)
        return written

    # What is shown

    def _go_to(self, index: int) -> None:
        if index != self._index:
            self._index = index
            self._show_slice()

    def _jump_or_say(self, index: int | None, otherwise: str) -> None:
        if index is not None:
            self.jump(index)
        elif self.current is not None and any(s.score is not None for s in self.current.slices):
            self.statusBar().showMessage(otherwise, 4000)
        else:
            self.statusBar().showMessage("There are no scores to go by.", 4000)

    def _show_series(self) -> None:
        """Another series is looked at: begin in its middle, where the anatomy is."""
        one = self.current
        self._index = len(one.series.voxels) // 2 if one is not None else 0
        self._jumped = None
        self.view.show_series(one.series if one is not None else None)
        self._show_result()

    def _show_result(self) -> None:
        one = self.current
        self.panel.show_result(one, self._index, scoring=self.session.scoring)
        curve = None
        if one is not None and one.slices:
            curve = score_curve(
                one.slices, self._policy, one.quality.normal if one.quality and one.state is State.SCORED else None
            )
        self.curve.show_curve(curve, len(one.series.voxels) if one is not None else 0)
        self.curve.setVisible(one is not None)
        self._map_row.setVisible(self._map_of(one) is not None)
        self._show_slice()
        self._enable()

    def _show_slice(self) -> None:
        one = self.current
        self.curve.show_slice(self._index)
        self.panel.show_slice(one, self._index)
        if one is None:
            return
        width, centre = self.view.window_level
        here = next((s for s in one.slices if s.index == self._index), None)
        corners = (
            one.name,
            _score_corner(here),
            f"W {width:.4g}  L {centre:.4g}",
            f"slice {self._index + 1} of {len(one.series.voxels)}",
        )
        with_map = self._map_of(one) if self.show_map.isChecked() else None
        self.view.show_slice(self._index, with_map, corners)

    @staticmethod
    def _map_of(one: ReviewedSeries | None) -> np.ndarray | None:
        """Only where there is a score: the map of a series that was not assessed says nothing."""
        if one is None or one.state is not State.SCORED or one.quality is None or one.quality.score is None:
            return None
        return one.map

    def _show_opacity(self) -> None:
        self.opacity.setEnabled(self.show_map.isChecked())
        self.view.opacity = self.opacity.value() / 100
        self._show_slice()

    def _add(self, number: int) -> None:
        self.list.add(self.session.all[number])
        if self.list.currentRow() < 0 or number == self.session.first_fetched:
            self.list.setCurrentRow(number)
            self.view.setFocus()
        self._enable()

    def _note_change(self, number: int) -> None:
        self._changed.add(number)
        if not self._refresh.isActive():
            self._refresh.start()

    def _show_changes(self) -> None:
        for number in self._changed:
            self.list.show_state(self.session.all[number])
        if self.current is not None and (self.current.number in self._changed or not self._changed):
            self._show_result()
        self._changed.clear()
        self._show_progress()
        self._enable()

    def _show_progress(self) -> None:
        at_work = next((one for one in self.session.all if one.state is State.SCORING), None)
        self.progress.setVisible(self.session.scoring)
        if not self.session.scoring:
            self.statusBar().clearMessage()
            return
        self.progress.setRange(0, len(at_work.series.voxels) if at_work else 0)
        self.progress.setValue(len(at_work.slices) if at_work else 0)
        self.statusBar().showMessage(f"Scoring {at_work.name}" if at_work else "Loading the model\N{HORIZONTAL ELLIPSIS}")

    def _show_reading(self, done: int, total: int) -> None:
        if total:
            self.progress.setRange(0, total)
            self.progress.setValue(done)
            self.progress.show()
        else:
            self._show_progress()

    def _enable(self) -> None:
        one, scoring = self.current, self.session.scoring
        self.score_action.setEnabled(one is not None and not scoring)
        self.all_action.setEnabled(not scoring and any(o.state in (State.OPENED, State.FAILED) for o in self.session.all))
        self.cancel_action.setEnabled(scoring)
        for action in (self.next_action, self.previous_action):
            action.setEnabled(one is not None and any(s.score is not None for s in one.slices))
        for action in (self.export_action, self.copy_action):
            action.setEnabled(one is not None and one.state is State.SCORED)

    def _complain(self, message: str) -> None:
        """In a box that does not stop the scoring of the others."""
        box = QMessageBox(QMessageBox.Icon.Warning, "MIQA review", message, QMessageBox.StandardButton.Ok, self)
        box.setTextFormat(Qt.TextFormat.PlainText)  # names of files come from outside
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    # Dialogs, drops, closing

    def _ask_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(
            self, "Open images", self._last_folder(), f"Images ({_SUFFIXES});;All files (*)"
        )
        self._open_names(names)

    def _ask_folder(self) -> None:
        self._open_names(filter(None, [QFileDialog.getExistingDirectory(self, "Open a folder", self._last_folder())]))

    def _ask_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save report, CSV, JSON and overlay in", self._last_folder())
        if folder:
            self.export(Path(folder))

    def _open_names(self, names: Iterable[str]) -> None:
        paths = [Path(name) for name in names]
        if paths:
            self._settings.setValue("folder", str(paths[0].parent))
            self.open(paths)

    def _last_folder(self) -> str:
        return str(self._settings.value("folder", ""))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self._open_names([url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self._settings.setValue("geometry", self.saveGeometry())
        self._settings.setValue("splitter", self.splitter.saveState())
        self.session.close()
        if self.catalogue is not None:
            self.catalogue.stop()
            self.catalogue.close()
        event.accept()

    def _restore(self) -> None:
        geometry, splitter = self._settings.value("geometry"), self._settings.value("splitter")
        if geometry is None or not self.restoreGeometry(geometry):
            self.resize(1320, 820)
        if splitter is not None:
            self.splitter.restoreState(splitter)


def _score_corner(s: SliceQuality | None) -> str:
    if s is None:
        return ""
    if s.score is None:
        return "not scored"
    return f"score {format_score(s.score)}" + ("  ▲ flagged" if s.flagged else "")
