"""The score of the slice in view, written into the view's lower right corner; it follows scrolling."""

import vtk
from slicer.i18n import tr as _

from MIQALib.result_nodes import ResultNodes
from MIQALib.slice_views import shown_slice


def label_text(slice_node, volume) -> str:
    """What a view that shows ``volume`` says: of its slice, or of the series where the view cuts across slices."""
    from miqanet_core.presenter import headline, slice_rows, verdict_text

    quality, _policy = ResultNodes(volume).load()
    if quality is None:
        return ""
    if quality.score is None:
        return _("MIQA: {verdict}").format(verdict=headline(quality))
    index = shown_slice(slice_node, volume)
    if index is None or index >= len(quality.slices):
        return _("MIQA, series: {score} {verdict}").format(score=headline(quality), verdict=verdict_text(quality.verdict))
    (row,) = slice_rows(quality.slices[index : index + 1])
    words = row.score_text if row.score is not None else _("not scored")
    text = _("MIQA, slice {number}: {score} FLAGGED") if row.flagged else _("MIQA, slice {number}: {score}")
    return text.format(number=row.number, score=words)


class SliceLabel:
    """The label of one slice view: of its slice node, its composite node, its renderer, and a call that draws it anew.

    A text actor of its own, because Slicer's data probe overwrites the corners' annotation whenever the mouse moves.
    """

    def __init__(self, slice_node, composite_node, renderer, render):
        self._slice_node, self._composite_node, self._renderer, self._render = slice_node, composite_node, renderer, render
        self.actor = vtk.vtkTextActor()
        position = self.actor.GetPositionCoordinate()
        position.SetCoordinateSystemToNormalizedViewport()
        position.SetValue(0.98, 0.02)
        style = self.actor.GetTextProperty()
        style.SetFontSize(16)
        style.SetJustificationToRight()
        style.SetVerticalJustificationToBottom()
        style.SetColor(1.0, 1.0, 1.0)
        style.SetBackgroundColor(0.0, 0.0, 0.0)
        style.SetBackgroundOpacity(0.6)
        renderer.AddViewProp(self.actor)
        self._observed = [
            (node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self.update)) for node in (slice_node, composite_node)
        ]
        self.update()

    def update(self, *_event) -> None:
        """Write what is true now."""
        scene, identifier = self._slice_node.GetScene(), self._composite_node.GetBackgroundVolumeID()
        volume = scene.GetNodeByID(identifier) if scene and identifier else None
        scorable = volume is not None and volume.IsA("vtkMRMLScalarVolumeNode") and volume.GetImageData() is not None
        text = label_text(self._slice_node, volume) if scorable else ""
        if text != self.actor.GetInput():
            self.actor.SetInput(text)
            self._render()

    def remove(self) -> None:
        """Take the label out of the view."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []
        self._renderer.RemoveViewProp(self.actor)
        self._render()


class SliceLabels:
    """The labels of all slice views. ``views()`` gives (slice node, composite node, renderer, render) of each, as of now."""

    def __init__(self, views):
        self._views, self._labels = views, []
        self.renew()

    def renew(self) -> None:
        """The layout has changed: other views may be there."""
        self.remove()
        self._labels = [SliceLabel(*view) for view in self._views()]

    def update(self) -> None:
        """A result has changed."""
        for label in self._labels:
            label.update()

    def remove(self) -> None:
        """Take them all out."""
        for label in self._labels:
            label.remove()
        self._labels = []
