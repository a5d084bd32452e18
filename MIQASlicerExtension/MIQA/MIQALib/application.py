"""What the panel wants of Slicer's application: settings, dialogs, clipboard, layout.

Dialogs, DICOM database, clipboard and plot view are there in Slicer only: no test of the repository runs them.
"""

import slicer
from MIQALib.interpreter import choose_interpreter
from MIQALib.process import WorkerProcess

PYTHON_SETTING = "MIQA/Python"


class Application:
    """``qt``: PythonQt's namespace."""

    def __init__(self, qt):
        self._qt = qt

    def setting(self, name) -> str:
        """A setting of this machine, "" when it was never set."""
        return str(self._qt.QSettings().value(name) or "")

    def set_setting(self, name, value) -> None:
        """Keep it."""
        self._qt.QSettings().setValue(name, value)

    def python_is_chosen(self) -> bool:
        """Scoring does not run in Slicer's own Python."""
        return bool(self.setting(PYTHON_SETTING))

    def make_process(self, on_event, on_end) -> WorkerProcess:
        """A scoring process in the Python that was chosen; FileNotFoundError when that is not there."""
        interpreter = choose_interpreter(self.setting(PYTHON_SETTING))
        return WorkerProcess(self._qt, interpreter.program, interpreter.environment, on_event, on_end)

    def ask_new_file(self, title, name, kinds) -> str:
        """A file to write, "" when the user changed their mind."""
        return _path(self._qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, name, kinds))

    def ask_file(self, title, kinds) -> str:
        """A file to read."""
        return _path(self._qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, "", kinds))

    def ask_folder(self, title) -> str:
        """A folder."""
        return self._qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title)

    def dicom_files(self, instance_uids) -> list:
        """The files of these instances, as far as Slicer's DICOM database has them; empty when one is missing."""
        files = [slicer.dicomDatabase.fileForInstance(uid) for uid in instance_uids]
        return files if all(files) else []

    def import_dicom(self, folder) -> bool:
        """Copy a folder's objects into Slicer's DICOM database."""
        from DICOMLib import DICOMUtils

        return DICOMUtils.importDicom(str(folder), slicer.dicomDatabase, copyFiles=True)

    def copy(self, text) -> None:
        """Into the clipboard."""
        self._qt.QApplication.clipboard().setText(text)

    def show_chart(self, chart) -> None:
        """In a plot view; the layout changes to one that has it."""
        layout = slicer.app.layoutManager()
        view = layout.plotWidget(0)
        if view is None or not view.visible:
            layout.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
        layout.plotWidget(0).mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID())


def _path(answer) -> str:
    """PythonQt gives the path, other bindings the path and the kind."""
    return answer[0] if isinstance(answer, tuple) else answer
