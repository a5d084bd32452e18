"""The entry "Assess image quality" in the context menu of volumes; Slicer finds the class by this file's name."""

import qt
from AbstractScriptedSubjectHierarchyPlugin import AbstractScriptedSubjectHierarchyPlugin
from slicer.i18n import tr as _

import slicer
from MIQALib.subject_hierarchy import can_assess


class MIQASubjectHierarchyPlugin(AbstractScriptedSubjectHierarchyPlugin):
    """Owns no items; adds one action."""

    filePath = __file__  # noqa: N815 - the name that Slicer looks for

    def __init__(self, scriptedPlugin):  # noqa: N803
        scriptedPlugin.name = "MIQA"
        AbstractScriptedSubjectHierarchyPlugin.__init__(self, scriptedPlugin)
        self.assessAction = qt.QAction(_("Assess image quality"), scriptedPlugin)
        self.assessAction.connect("triggered()", self.onAssess)

    def canOwnSubjectHierarchyItem(self, itemID):  # noqa: N802, N803
        return 0.0

    def roleForPlugin(self):  # noqa: N802
        return "N/A"

    def itemContextMenuActions(self):  # noqa: N802
        return [self.assessAction]

    def showContextMenuActionsForItem(self, itemID):  # noqa: N802, N803
        self.assessAction.visible = can_assess(self._node(itemID))

    def onAssess(self):  # noqa: N802
        node = self._node(slicer.qSlicerSubjectHierarchyPluginHandler.instance().currentItem())
        if can_assess(node):
            slicer.util.selectModule("MIQA")
            slicer.util.getModuleWidget("MIQA").assess([node])

    @staticmethod
    def _node(item):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        return hierarchy.GetItemDataNode(item) if item else None
