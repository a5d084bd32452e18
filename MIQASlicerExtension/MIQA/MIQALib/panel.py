"""The panel: shows what the logic says, and passes on what the user does. Decides nothing about quality.

Everything is set by setters and read by ``property``: PythonQt knows them under the same names as Qt itself.
"""

from pathlib import Path

import vtk
from slicer.i18n import tr as _

import slicer
from MIQALib import install
from MIQALib.application import PYTHON_SETTING
from MIQALib.devices import DeviceList, device_label
from MIQALib.dicom_export import DicomExport, instance_uids
from MIQALib.dicom_loading import SETTING as DICOM_SETTING
from MIQALib.logic import Listener
from MIQALib.parameters import Scope, settings_of
from MIQALib.result_nodes import CHART, MAP, RESULT, ResultNodes
from MIQALib.slice_table import SliceTable
from MIQALib.slice_views import jump_to, set_opacity, show_map
from MIQALib.volumes import UnfitVolume, volumes_to_score


class Panel(Listener):
    """``ui``: the widgets of MIQA.ui by name. ``logic``: a ScoringLogic, whose listener the panel becomes.

    ``labels``: the :class:`MIQALib.slice_label.SliceLabels`. ``app``: Slicer's settings, dialogs, clipboard and processes, see
    :class:`MIQALib.application.Application`.
    """

    def __init__(self, qt, ui, logic, labels, app):
        self.ui, self._logic, self._labels, self._app = ui, logic, labels, app
        self.parameters = None
        self._quality = self._policy = self._devices = self._export = None
        self._last_worst = None
        self._waiting: list[str] = []
        self._watched = None
        self._storing = False
        self._table = SliceTable(qt, ui.sliceTable, self.go_to)
        logic.listener = self
        self._connect()
        ui.deviceComboBox.addItem(_("automatic"), "auto")
        ui.dicomCheckBox.setChecked(app.setting(DICOM_SETTING) == "true")
        ui.pythonLineEdit.setText(app.setting(PYTHON_SETTING))
        self._show_notice()
        self.show_installation()

    def _connect(self) -> None:
        ui = self.ui
        for button, action in (
            (ui.scoreButton, self.score),
            (ui.cancelButton, self._logic.cancel),
            (ui.nextWorstButton, self.next_worst),
            (ui.plotButton, self.show_plot),
            (ui.exportCsvButton, self.export_csv),
            (ui.exportHtmlButton, self.export_html),
            (ui.exportDicomButton, self.export_dicom),
            (ui.copyButton, self.copy),
            (ui.refreshDevicesButton, self.list_devices),
            (ui.modelBrowseButton, self.choose_model),
            (ui.installButton, self.install),
            (ui.installFolderButton, self.install_from_folder),
            (ui.pythonBrowseButton, self.choose_python),
        ):
            # Without the signal's own argument, which would be taken for one of the action's.
            button.clicked.connect(lambda *_checked, action=action: action())
        ui.deviceComboBox.currentIndexChanged.connect(lambda *_index: self._take_device())
        ui.dicomCheckBox.toggled.connect(lambda on: self._app.set_setting(DICOM_SETTING, "true" if on else "false"))
        ui.pythonLineEdit.editingFinished.connect(self._take_python)
        ui.colorSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._take_colors)

    # Parameters

    def use(self, parameters) -> None:
        """Show another scene's parameters, or none while the scene is closed."""
        self.parameters = parameters
        self.refresh()

    def refresh(self) -> None:
        """Something among the parameters has changed: show the chosen volume's result under the thresholds of now."""
        volume = self._volume()
        self.ui.scoreButton.setEnabled(not self._logic.running and self._has_volume())
        if self.parameters is None:
            return
        self._show_device()
        self._logic.opacity = self.parameters.opacity
        self._watch(ResultNodes(volume).node(RESULT) if volume else None)
        quality, policy = ResultNodes(volume).load() if volume else (None, None)
        if quality is not None:
            quality, policy = self._under_present_thresholds(volume, quality, policy)
            set_opacity(volume.GetScene(), ResultNodes(volume).node(MAP), self.parameters.opacity)
        self._show_result(quality, policy)
        self._labels.update()

    def _watch(self, node) -> None:
        """Follow the result of the volume that is shown: a sequence browser changes it with the time point."""
        if self._watched is not None:
            watched, tag = self._watched
            watched.RemoveObserver(tag)
        self._watched = None if node is None else (node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._result_changed))

    def _result_changed(self, *_event) -> None:
        nodes = ResultNodes(self._volume())
        quality, policy = nodes.load()
        if quality is not None and not self._storing and nodes.node(MAP) is not None:
            nodes.draw(quality, policy)
            self.refresh()

    def _under_present_thresholds(self, volume, quality, policy):
        from miqanet_core.policy import judged_anew

        try:
            wanted = settings_of(self.parameters).policy()
        except ValueError as error:
            self._say(_("These thresholds contradict each other: {error}").format(error=error))
            return quality, policy
        if wanted == policy:
            return quality, policy
        quality = judged_anew(quality, wanted)
        nodes = ResultNodes(volume)
        self._storing = True
        nodes.store(quality, wanted)
        self._storing = False
        nodes.draw(quality, wanted)
        return quality, wanted

    def _volume(self):
        return self.parameters.inputVolume if self.parameters else None

    def _has_volume(self) -> bool:
        if self.parameters is None:
            return False
        return self._volume() is not None or self.parameters.scope == Scope.ALL

    # Scoring

    def score(self) -> None:
        """The Score button."""
        if self.parameters.scope == Scope.ALL:
            self.assess(volumes_to_score(self._scene()))
        else:
            self.assess([self._volume()])

    def assess(self, volumes) -> None:
        """Score these volumes and show the first; also what the subject hierarchy asks for."""
        if self.parameters is None:
            return
        if not self._app.python_is_chosen() and install.missing():
            self._say(_("What MIQA needs is not installed yet: press Install under Installation."))
            self.ui.installationCollapsibleButton.setProperty("collapsed", False)
            return
        try:
            self._logic.start(volumes, settings_of(self.parameters))
        except (UnfitVolume, ValueError, OSError) as error:
            self._say(str(error))
            return
        self.parameters.inputVolume = volumes[0]

    def assess_when_free(self, volumes) -> None:
        """The same once nothing else runs: several series may come from the DICOM browser while one is being scored."""
        self._waiting += [volume.GetID() for volume in volumes]
        self._assess_waiting()

    def _assess_waiting(self) -> None:
        if self._waiting and not self._logic.running:
            volumes = [node for node in map(self._scene().GetNodeByID, self._waiting) if node is not None]
            self._waiting = []
            if volumes:
                self.assess(volumes)

    def started(self) -> None:
        self._say(_("Starting: the model is being loaded."))
        self.ui.progressBar.setValue(0)
        self.ui.progressBar.setVisible(True)
        self.ui.cancelButton.setEnabled(True)
        self.ui.scoreButton.setEnabled(False)

    def progressed(self, progress) -> None:
        from miqanet_core.presenter import progress_text

        self.ui.progressBar.setMaximum(progress.total)
        self.ui.progressBar.setValue(progress.done)
        text = progress_text(progress.done, progress.total)
        if progress.count > 1:
            text = _("Volume {number} of {count}. {text}").format(number=progress.number, count=progress.count, text=text)
        self._say(text)

    def scored(self, volume) -> None:
        if volume.GetID() == self._volume_id():
            self._say("")
            self.refresh()

    def failed(self, message) -> None:
        self._say(message)

    def ended(self, cancelled) -> None:
        self.ui.progressBar.setVisible(False)
        self.ui.cancelButton.setEnabled(False)
        self.ui.scoreButton.setEnabled(self._has_volume())
        if cancelled:
            self._waiting = []
            self._say(_("Cancelled. What was scored before stays."))
        self._assess_waiting()

    # The result

    def _show_result(self, quality, policy) -> None:
        from miqanet_core.presenter import MEANING, doubts, headline, interval_text, slice_rows, verdict_text

        if quality is not self._quality:
            self._last_worst = None
        self._quality, self._policy = quality, policy
        ui = self.ui
        self.refresh_buttons()
        if quality is None:
            ui.verdictLabel.setText(_("No result yet.") if self._volume() else _("Choose a volume."))
            ui.reasonsLabel.setText("")
            self._table.fill([])
            return
        interval = interval_text(quality.interval)
        verdict = verdict_text(quality.verdict)
        lines = [f"<b style='font-size:large'>{_html(verdict)}</b>"]
        if quality.score is not None:
            lines[0] += f"&nbsp; <b>{_html(headline(quality))}</b>"
        if interval:
            lines.append(_html(interval))
        lines.append(_html(MEANING[quality.verdict]))
        ui.verdictLabel.setText("<br>".join(lines))
        sentences = (*quality.reasons, *quality.artifact_sentences(), *doubts(quality, policy))
        ui.reasonsLabel.setText("<ul style='margin-left:-24px'>" + "".join(f"<li>{_html(s)}</li>" for s in sentences) + "</ul>")
        self._table.fill(slice_rows(quality.slices))
        colors = ResultNodes(self._volume()).node(MAP).GetDisplayNode().GetColorNode()
        ui.colorSelector.setCurrentNode(colors)

    def refresh_buttons(self) -> None:
        """Enable what can be done with the result that is shown."""
        ui, there = self.ui, self._quality is not None
        for button in (ui.nextWorstButton, ui.plotButton, ui.exportCsvButton, ui.copyButton):
            button.setEnabled(there)
        ui.exportHtmlButton.setEnabled(self._report() is not None)
        ui.exportDicomButton.setEnabled(there and self._export is None and bool(instance_uids(self._volume())))

    def go_to(self, index) -> None:
        """Show slice ``index`` in all views."""
        volume = self._volume()
        if volume is not None:
            show_map(self._scene(), volume, ResultNodes(volume).node(MAP), self.parameters.opacity)
            jump_to(self._scene(), volume, index)
            self._last_worst = index

    def next_worst(self) -> None:
        """From the worst slice to the next worst; after the last, the worst again."""
        from miqanet_core.presenter import next_worst

        index = next_worst(self._quality.slices, self._last_worst)
        if index is None:
            index = next_worst(self._quality.slices)
        if index is not None:
            self.go_to(index)
            self._table.select(index)

    def show_plot(self) -> None:
        """The chart in a plot view, for which the layout changes if it has none."""
        self._app.show_chart(ResultNodes(self._volume()).node(CHART))

    def _take_colors(self, node) -> None:
        volume = self._volume()
        map_node = ResultNodes(volume).node(MAP) if volume else None
        if node is not None and map_node is not None:
            map_node.GetDisplayNode().SetAndObserveColorNodeID(node.GetID())

    # Export

    def export_csv(self) -> None:
        """One row a slice."""
        from miqanet_core.report.csv import to_csv

        path = self._app.ask_new_file(_("Save the scores"), f"{self._volume().GetName()}.csv", "CSV (*.csv)")
        if path:
            self._write(path, to_csv([self._quality]).encode("utf-8"))

    def export_html(self) -> None:
        """The report that was made with the scores."""
        path = self._app.ask_new_file(_("Save the report"), f"{self._volume().GetName()}.html", "HTML (*.html)")
        if path:
            self._write(path, self._report().read_bytes())

    def export_dicom(self) -> None:
        """Quality report (SR) and key objects, into Slicer's DICOM database."""
        files = self._app.dicom_files(instance_uids(self._volume()))
        if not files:
            self._say(_("The DICOM files of this volume are no longer in Slicer's DICOM database; import them again."))
            return
        try:
            self._export = DicomExport(self._app.make_process, self._logic.new_folder(), self._exported)
            self._export.start(files, settings_of(self.parameters))
        except OSError as error:
            self._export = None
            self._say(str(error))
            return
        self.ui.exportDicomButton.setEnabled(False)
        self._say(_("Writing DICOM objects: the series is read from its DICOM files and scored once more."))

    def _exported(self, objects, message) -> None:
        self._export = None
        if objects is not None:
            message = _("The quality report is in Slicer's DICOM database, in the patient's study.")
            if not self._app.import_dicom(objects):
                message = _("Slicer's DICOM database did not take the report; it is in {folder}").format(folder=objects)
        self._say(message or "")
        self.refresh_buttons()

    def copy(self) -> None:
        """The summary as text."""
        from miqanet_core.presenter import plain_summary

        self._app.copy(plain_summary(self._quality, self._policy))
        self._say(_("The summary is in the clipboard."))

    def _report(self):
        """The HTML report of the last scoring in this session; None when the thresholds have changed since: it tells others."""
        path, policy = self._logic.reports.get(self._volume_id(), (None, None))
        return path if path is not None and policy == self._policy and path.is_file() else None

    def _write(self, path, content) -> None:
        try:
            Path(path).write_bytes(content)
        except OSError as error:
            self._say(_("{path} could not be written: {reason}").format(path=path, reason=error.strerror or error))
        else:
            self._say(_("Saved {path}").format(path=path))

    # Devices and installation

    def list_devices(self) -> None:
        """Ask this machine's devices of the scoring process."""
        if self._devices is not None:
            self._devices.stop()
        try:
            self._devices = DeviceList(self._app.make_process, self._show_devices)
        except OSError as error:
            self._say(str(error))
            return
        self._say(_("Looking for devices ..."))
        self._devices.ask()

    def _show_devices(self, devices) -> None:
        self._devices = None
        if not devices:
            self._say(_("The devices could not be listed; is all installed that MIQA needs? See Installation."))
            return
        self._say("")
        box = self.ui.deviceComboBox
        box.blockSignals(True)
        box.clear()
        box.addItem(_("automatic"), "auto")
        for device in devices:
            box.addItem(device_label(device), device["name"])
        box.blockSignals(False)
        self._show_device()

    def _show_device(self) -> None:
        """Choose the parameter's device in the list; one that this machine may lack is shown by its bare name."""
        box, device = self.ui.deviceComboBox, self.parameters.device if self.parameters else "auto"
        box.blockSignals(True)
        if box.findData(device) < 0:
            box.addItem(device, device)
        box.setCurrentIndex(box.findData(device))
        box.blockSignals(False)

    def _take_device(self) -> None:
        if self.parameters is not None:
            self.parameters.device = self.ui.deviceComboBox.itemData(self.ui.deviceComboBox.property("currentIndex"))

    def choose_model(self) -> None:
        """A weights file."""
        path = self._app.ask_file(_("Choose a weights file"), "(*.safetensors *.pt *.pth)")
        if path:
            self.ui.modelLineEdit.setText(path)

    def choose_python(self) -> None:
        """The python of another environment."""
        path = self._app.ask_file(_("Choose the python of an environment"), "(*)")
        if path:
            self.ui.pythonLineEdit.setText(path)
            self._take_python()

    def _take_python(self) -> None:
        self._app.set_setting(PYTHON_SETTING, self.ui.pythonLineEdit.property("text"))
        self.show_installation()

    def show_installation(self) -> None:
        """What is missing, if anything."""
        missing = [] if self._app.python_is_chosen() else install.missing()
        self.ui.installButton.setEnabled(bool(missing))
        self.ui.installFolderButton.setEnabled(bool(missing))
        if self._app.python_is_chosen():
            text = _("Scoring runs in the Python below.")
        elif missing:
            text = _("Not installed yet: {packages}").format(packages=", ".join(missing))
        else:
            text = _("All that scoring needs is installed.")
        self.ui.installationLabel.setText(text)

    def install(self) -> None:
        """The Install button."""
        self._installing(lambda: install.install(slicer))

    def install_from_folder(self) -> None:
        """The same without a network."""
        folder = self._app.ask_folder(_("Choose the folder of wheels"))
        if folder:
            self._installing(lambda: install.install_from_folder(slicer, folder))

    def _installing(self, call) -> None:
        try:
            call()
        except install.InstallationError as error:
            self._say(str(error))
        else:
            self._say(_("Installed."))
        self.show_installation()

    # The rest

    def close(self) -> None:
        """Slicer is closing: end what runs."""
        self._watch(None)
        for helper in (self._devices, self._export):
            if helper is not None:
                helper.stop()
        self._logic.close()

    def _scene(self):
        return slicer.mrmlScene

    def _volume_id(self):
        volume = self._volume()
        return volume.GetID() if volume else None

    def _say(self, text) -> None:
        self.ui.statusLabel.setText(text)

    def _show_notice(self) -> None:
        from miqanet_core.presenter import NO_JUDGEMENT, NOTICE

        self.ui.noticeLabel.setText(f"<i>{NOTICE}. {NO_JUDGEMENT}</i>")


def _html(text) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
