"""A volume's result in the scene: found again by the volume's node references, updated in place, saved with the scene."""

import json
from dataclasses import asdict
from functools import lru_cache

from slicer.i18n import tr as _

import slicer
from MIQALib.quality_map import quality_colors, show_legend, update_map
from MIQALib.score_table import update_chart, update_table

RESULT, MAP, TABLE, CHART = "MIQA.result", "MIQA.map", "MIQA.table", "MIQA.chart"
_CLASSES = {
    RESULT: "vtkMRMLTextNode",
    MAP: "vtkMRMLScalarVolumeNode",
    TABLE: "vtkMRMLTableNode",
    CHART: "vtkMRMLPlotChartNode",
}


class ResultNodes:
    """The result of ``volume``, a vtkMRMLScalarVolumeNode of a scene.

    The document (miqanet's JSON and the thresholds it was judged by) is kept in a text node; map, table, chart and curves are
    what it looks like. All lie under the volume's item in the subject hierarchy, and so in its study.
    """

    def __init__(self, volume):
        self.volume = volume
        self._scene = volume.GetScene()

    def node(self, role):
        """The node of a role (RESULT, MAP, TABLE, CHART), None before the first result."""
        return self.volume.GetNodeReference(role)

    def all_nodes(self):
        """Every node of this result that is in the scene."""
        roles = [self.volume.GetNthNodeReferenceRole(n) for n in range(self.volume.GetNumberOfNodeReferenceRoles())]
        nodes = [self.node(role) for role in roles if role.startswith("MIQA.")]
        return [node for node in nodes if node is not None]

    def load(self):
        """Quality and policy of the last scoring, (None, None) without one, or when the document is of another version."""
        node = self.node(RESULT)
        return _from_document(node.GetText() or "") if node is not None else (None, None)

    def update(self, quality, policy, voxels) -> None:
        """Show a new result. ``voxels``: the map, float32 (slices, rows, columns), 0 where nothing was scored."""
        self.store(quality, policy)
        node = self._ensure(MAP, _("quality map"))
        update_map(node, voxels, self.volume, quality_colors(self._scene))
        show_legend(node, quality.score is not None)
        self._place(node)
        self.draw(quality, policy)

    def store(self, quality, policy) -> None:
        """Write the document."""
        self._ensure(RESULT, _("quality result")).SetText(to_document(quality, policy))

    def draw(self, quality, policy) -> None:
        """Table and chart of a result, which may be one judged anew."""
        table = self._ensure(TABLE, _("slice scores"))
        update_table(table, quality, policy)
        chart = self._ensure(CHART, _("score chart"))

        def series_of(role):
            return self._ensure(f"MIQA.series.{role}", role, "vtkMRMLPlotSeriesNode")

        update_chart(chart, table, series_of, self.volume.GetName())

    def _ensure(self, role, name, class_name=None):
        node = self.node(role)
        if node is None:
            node = self._scene.AddNewNodeByClass(class_name or _CLASSES[role])
            node.SetName(f"{self.volume.GetName()} {name}")
            node.SetAttribute("MIQA.of", self.volume.GetID())
            self.volume.SetNodeReferenceID(role, node.GetID())
            self._place(node)
        return node

    def _place(self, node) -> None:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if hierarchy is None:
            return
        parent, item = hierarchy.GetItemByDataNode(self.volume), hierarchy.GetItemByDataNode(node)
        if parent and not item:
            hierarchy.CreateItem(parent, node)
        elif parent:
            hierarchy.SetItemParent(item, parent)


@lru_cache(maxsize=16)
def _from_document(text: str):
    """Kept, because the labels in the slice views ask for it with every step of scrolling."""
    from miqanet_core.policy import Policy
    from miqanet_core.quality import SeriesQuality

    try:
        document = json.loads(text)
        return SeriesQuality.from_dict(document["quality"]), Policy(**document["policy"])
    except (ValueError, KeyError, TypeError):
        return None, None


def to_document(quality, policy) -> str:
    """What the text node of a result holds."""
    return json.dumps({"quality": quality.to_dict(), "policy": asdict(policy)}, ensure_ascii=False)
