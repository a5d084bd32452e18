"""A browsable 4-D sequence: each time point is scored, and its result follows the sequence browser."""

from slicer.i18n import tr as _

import slicer
from MIQALib.quality_map import read_overlay, set_map
from MIQALib.result_nodes import MAP, RESULT, ResultNodes, to_document


def browser_of(volume):
    """The sequence browser whose current time point ``volume`` shows, None when it is no part of a sequence."""
    for browser in volume.GetScene().GetNodesByClass("vtkMRMLSequenceBrowserNode"):
        if browser.IsProxyNodeID(volume.GetID()):
            return browser
    return None


def time_points(volume):
    """The volumes of the sequence that ``volume`` browses, each with its value of the sequence's index."""
    sequence = browser_of(volume).GetSequenceNode(volume)
    return [(sequence.GetNthIndexValue(n), sequence.GetNthDataNode(n)) for n in range(sequence.GetNumberOfDataNodes())]


def store_time_point(volume, index_value, quality, policy, overlay) -> None:
    """Keep the result of one time point in sequences that the browser plays beside the volume's own.

    ``overlay``: the map's file. The first time, the volume's result nodes become what these sequences show.
    """
    browser, results = browser_of(volume), ResultNodes(volume)
    source = browser.GetSequenceNode(volume).GetDataNodeAtValue(index_value, True)
    voxels = read_overlay(overlay, source)
    if results.node(MAP) is None or index_value == _current_value(browser):
        results.update(quality, policy, voxels)
    map_node = slicer.vtkMRMLScalarVolumeNode()
    map_node.SetAttribute("MIQA.of", volume.GetID())
    set_map(map_node, voxels, source)
    _sequence(browser, results, MAP, _("quality maps")).SetDataNodeAtValue(map_node, index_value)
    text = slicer.vtkMRMLTextNode()
    text.SetText(to_document(quality, policy))
    _sequence(browser, results, RESULT, _("quality results")).SetDataNodeAtValue(text, index_value)


def _current_value(browser):
    return browser.GetMasterSequenceNode().GetNthIndexValue(browser.GetSelectedItemNumber())


def _sequence(browser, results, role, name):
    """The sequence of a role, made with the first time point; the role's node shows the current one."""
    proxy = results.node(role)
    sequence = browser.GetSequenceNode(proxy)
    if sequence is None:
        scene, master = browser.GetScene(), browser.GetMasterSequenceNode()
        sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", f"{results.volume.GetName()} {name}")
        sequence.SetIndexName(master.GetIndexName())
        sequence.SetIndexUnit(master.GetIndexUnit())
        sequence.SetIndexType(master.GetIndexType())
        browser.AddSynchronizedSequenceNode(sequence)
        browser.AddProxyNode(proxy, sequence, False)
    return sequence
