"""The map in the slice views: colours at known pixels, jumping, and the label that follows."""

from __future__ import annotations

import numpy as np
import pytest

from miqanet_core import read_series
from miqanet_core.policy import Policy
from miqanet_core.presenter import QUALITY_COLOURS
from mrml_samples import add_volume, overlay_file, quality_of
from slice_view import SliceView

SCORES = [12.0, 35.0, 55.0, 62.0, 75.0, 88.0, 95.0, None]


@pytest.fixture
def scored(slicer, scene, shared, tmp_path):
    """A volume of eight slices with its result, shown in two views; the map of slice 3 has a hole and a bright bar."""
    from MIQALib.quality_map import read_overlay
    from MIQALib.result_nodes import MAP, ResultNodes
    from MIQALib.slice_views import show_map

    series = read_series(shared / "data" / "mri" / "pelvis_prostate_PX0000_T2tra")
    volume = add_volume(slicer, scene, series)
    quality = quality_of(series, SCORES)
    quality.map[3, :100] = np.nan
    quality.map[3, 200:240] = 100
    views = [SliceView(slicer, scene, name) for name in ("Red", "Yellow")]
    nodes = ResultNodes(volume)
    nodes.update(quality, Policy.default(), read_overlay(overlay_file(tmp_path, series, quality), volume))
    show_map(scene, volume, nodes.node(MAP), 1.0)
    for view in views:
        view.fit()
    return volume, nodes, quality, views


def test_the_view_shows_the_maps_colours_at_known_pixels(scene, scored):
    from MIQALib.slice_views import jump_to

    volume, _, quality, (view, _) = scored
    jump_to(scene, volume, 3)
    pixels = view.pixels()
    for column, row in ((192, 220), (60, 150), (300, 300), (20, 370)):
        colour = pixels[view.pixel_of(volume, (column, row, 3))]
        expected = QUALITY_COLOURS[min(int(quality.map[3, row, column] * 2.56), 255)].astype(int)
        # One step of the colour table: VTK rounds between 256 steps in its own way.
        assert np.abs(colour.astype(int) - expected).max() <= 3, (column, row)
    grey = pixels[view.pixel_of(volume, (192, 50, 3))]
    assert grey[0] == grey[1] == grey[2], "the volume shows where nothing was scored"


def test_opacity_mixes_map_and_volume(scene, scored):
    from MIQALib.result_nodes import MAP
    from MIQALib.slice_views import jump_to, set_opacity

    volume, nodes, _, (view, _) = scored
    jump_to(scene, volume, 3)
    at = view.pixel_of(volume, (192, 220, 3))
    looks = []
    for opacity in (0.0, 0.5, 1.0):
        set_opacity(scene, nodes.node(MAP), opacity)
        looks.append(view.pixels()[at].astype(int))
    assert looks[0][0] == looks[0][1] == looks[0][2]
    np.testing.assert_allclose(looks[1], (looks[0] + looks[2]) / 2, atol=1.5)


@pytest.mark.parametrize("index", [0, 4, 7])
def test_jumping_shows_the_slice_in_the_view_of_its_plane(scene, scored, index):
    from MIQALib.slice_views import jump_to, shown_slice

    volume, _, _, (red, yellow) = scored
    jump_to(scene, volume, index)
    assert shown_slice(red.slice_node, volume) == index
    assert shown_slice(yellow.slice_node, volume) is None, "a view across the slices shows no single one"


def test_jumping_goes_where_a_parent_transform_puts_the_volume(slicer, scene, scored):
    from MIQALib.slice_views import jump_to, show_map, shown_slice

    volume, nodes, _, views = scored
    views.append(SliceView(slicer, scene, "Green"))
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = np.eye(4)
    moved[:3, :3] = np.linalg.qr(np.array([[0.9, 0.3, -0.2], [-0.2, 0.8, 0.5], [0.3, -0.4, 0.9]]))[0]
    moved[:3, 3] = 100, 50, -70
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    show_map(scene, volume, nodes.node("MIQA.map"), 0.5)
    jump_to(scene, volume, 5)
    # Which view is nearest to the acquired plane depends on the transform.
    assert sorted(shown_slice(view.slice_node, volume) or 0 for view in views) == [0, 0, 5]


def test_label_follows_scrolling_and_says_what_the_table_says(scene, scored):
    from MIQALib.slice_label import SliceLabel
    from MIQALib.slice_views import jump_to

    volume, _, _, (red, yellow) = scored
    labels = [SliceLabel(v.slice_node, v.composite_node, v.renderer, v.render) for v in (red, yellow)]
    seen = []
    for index in (0, 3, 7):
        jump_to(scene, volume, index)
        seen.append(labels[0].actor.GetInput())
    assert seen == ["MIQA, slice 1: 12.0 FLAGGED", "MIQA, slice 4: 62.0", "MIQA, slice 8: not scored"]
    assert labels[1].actor.GetInput() == "MIQA, series: 60.2 / 100 ! Limited"
    assert red.rendered >= 3
    red.composite_node.SetBackgroundVolumeID(None)
    assert labels[0].actor.GetInput() == ""
    labels[1].remove()
    drawn = yellow.rendered
    jump_to(scene, volume, 2)
    assert yellow.rendered == drawn, "a removed label hears nothing"


def test_rendered_view_has_label_and_legend(scene, scored):
    from MIQALib.result_nodes import MAP
    from MIQALib.slice_label import SliceLabel
    from MIQALib.slice_views import jump_to, set_opacity

    volume, nodes, _, (view, _) = scored
    set_opacity(scene, nodes.node(MAP), 0.4)
    jump_to(scene, volume, 3)
    bare = view.picture()
    label = SliceLabel(view.slice_node, view.composite_node, view.renderer, view.render)
    picture = view.picture()
    changed = (picture != bare).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.any(), "the label was drawn"
    assert rows.min() > 340 and columns.min() > 150, "into the lower right corner"
    label.remove()
