"""MIQA.ui in PySide6: ctk's and MRML's widgets are stood in for by Qt's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from PySide6 import QtCore, QtWidgets
from PySide6.QtUiTools import QUiLoader

UI = Path(__file__).resolve().parents[2] / "MIQASlicerExtension/MIQA/Resources/UI/MIQA.ui"


class NodeBox(QtWidgets.QComboBox):
    """For qMRMLNodeComboBox and qMRMLColorTableComboBox; keeps the current node, and PythonQt's way to connect."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.node, self.slots = None, []

    def connect(self, signal, slot):
        assert signal == "currentNodeChanged(vtkMRMLNode*)"
        self.slots.append(slot)

    def setCurrentNode(self, node):  # noqa: N802
        """As the user, or a script, chooses."""
        self.node = node
        self.clear()
        self.addItem(node.GetName() if node else "")
        for slot in self.slots:
            slot(node)


class Section(QtWidgets.QGroupBox):
    """For ctkCollapsibleButton, whose ``text`` and ``collapsed`` it keeps."""

    def _title(self):
        return self.title()

    def _collapsed(self):
        return getattr(self, "_folded", False)

    def _fold(self, folded):
        self._folded = folded
        self.setVisible(not folded)

    text = QtCore.Property(str, _title, QtWidgets.QGroupBox.setTitle)
    collapsed = QtCore.Property(bool, _collapsed, _fold)


class Slider(QtWidgets.QDoubleSpinBox):
    """For ctkSliderWidget."""


class Root(QtWidgets.QWidget):
    """For qMRMLWidget."""

    def setMRMLScene(self, scene):  # noqa: N802 - Slicer's name
        """The widgets in it know the scene from now on."""


STAND_INS = {
    "ctkCollapsibleButton": Section,
    "ctkSliderWidget": Slider,
    "qMRMLNodeComboBox": NodeBox,
    "qMRMLColorTableComboBox": NodeBox,
    "qMRMLWidget": Root,
}


class Loader(QUiLoader):
    """Makes the stand-ins where the file names Slicer's classes."""

    def createWidget(self, class_name, parent=None, name=""):  # noqa: N802
        if class_name not in STAND_INS:
            return super().createWidget(class_name, parent, name)
        widget = STAND_INS[class_name](parent)
        widget.setObjectName(name)
        return widget


def load_window():
    """The window, and its widgets by name as ``slicer.util.childWidgetVariables`` gives them."""
    window = Loader().load(str(UI))
    children = {child.objectName(): child for child in window.findChildren(QtCore.QObject) if child.objectName()}
    return window, SimpleNamespace(**children)


def qt_namespace():
    """What PythonQt calls ``qt``: all of Qt in one place."""
    return SimpleNamespace(
        Qt=QtCore.Qt,
        QProcess=QtCore.QProcess,
        QProcessEnvironment=QtCore.QProcessEnvironment,
        QTimer=QtCore.QTimer,
        QTableWidgetItem=QtWidgets.QTableWidgetItem,
    )
