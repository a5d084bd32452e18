"""A slice view without Slicer's windows: MRML's own slice logic blends the layers, VTK renders them off screen."""

from __future__ import annotations

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy


class SliceView:
    """The view ``name`` ("Red") of a scene, ``width`` x ``height`` pixels."""

    def __init__(self, slicer, scene, name: str = "Red", width: int = 400, height: int = 400):
        self._slicer = slicer
        self.size = (width, height)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLScene(scene)
        self.slice_node = self.logic.AddSliceNode(name)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        self.slice_node.SetOrientation({"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}[name])
        self.slice_node.SetDimensions(width, height, 1)
        self.composite_node = self.logic.GetSliceCompositeNode()
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.SetSize(width, height)
        self.window.AddRenderer(self.renderer)
        self.rendered = 0

    def fit(self) -> None:
        """Show the whole background volume."""
        self.logic.FitSliceToBackground(*self.size)
        self.logic.SnapSliceOffsetToIJK()

    def pixels(self) -> np.ndarray:
        """What the layers come to, before anything is drawn over them: uint8 (rows from the top, columns, 3)."""
        self.logic.UpdatePipeline()
        producer = self.logic.GetImageDataConnection().GetProducer()
        producer.Update()
        image = producer.GetOutputDataObject(0)
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3]

    def render(self) -> None:
        """Draw, as a view that was asked to."""
        self.rendered += 1

    def picture(self) -> np.ndarray:
        """The rendered view with its label and legend: uint8 (rows from the top, columns, 3)."""
        self.logic.UpdatePipeline()
        mapper = vtk.vtkImageMapper()
        mapper.SetInputConnection(self.logic.GetImageDataConnection())
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)
        legend = self._legend()
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        self.renderer.RemoveViewProp(actor)
        if legend is not None:
            self.renderer.RemoveViewProp(legend)
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3].copy()

    def _legend(self):
        """The legend of the foreground, drawn by the actor that Slicer's own manager of legends uses."""
        identifier = self.composite_node.GetForegroundVolumeID()
        foreground = self.slice_node.GetScene().GetNodeByID(identifier) if identifier else None
        legend = self._slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(foreground) if foreground else None
        if legend is None or not legend.GetVisibility():
            return None
        actor = self._slicer.vtkSlicerScalarBarActor()
        actor.SetLookupTable(foreground.GetDisplayNode().GetColorNode().GetLookupTable())
        actor.SetTitle(legend.GetTitleText())
        actor.SetLabelFormat(legend.GetLabelFormat())
        actor.SetNumberOfLabels(legend.GetNumberOfLabels())
        actor.UnconstrainedFontSizeOn()
        for style in (actor.GetTitleTextProperty(), actor.GetLabelTextProperty()):
            style.SetFontSize(13)
            style.ItalicOff()
        actor.SetPosition(0.74, 0.25)
        actor.SetPosition2(0.10, 0.5)
        self.renderer.AddViewProp(actor)
        return actor

    def pixel_of(self, volume, ijk) -> tuple[int, int]:
        """Row from the top and column at which the view shows a voxel of ``volume``."""
        matrix = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(matrix)
        world = [0.0, 0.0, 0.0]
        volume.TransformPointToWorld(matrix.MultiplyPoint((*ijk, 1))[:3], world)
        to_xy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.slice_node.GetXYToRAS(), to_xy)
        x, y, _z, _w = to_xy.MultiplyPoint((*world, 1))
        return self.size[1] - 1 - round(y), round(x)
