"""The slices' scores as a table, and the table as a chart with the thresholds across it."""

import vtk
from slicer.i18n import tr as _

SLICE, SCORE, FLAGGED = "slice", "score", "flagged slices"


def update_table(table, quality, policy) -> None:
    """One row a slice, as the presenter words it; one column more for each threshold, so that the chart can draw it."""
    from miqanet_core.presenter import score_curve, slice_rows

    curve = score_curve(quality.slices, policy, quality.normal)
    rows = slice_rows(quality.slices)
    not_a_number = float("nan")
    columns = [
        _numbers(vtk.vtkIntArray(), SLICE, curve.numbers),
        _numbers(vtk.vtkDoubleArray(), SCORE, curve.scores),
        _texts("flag", [row.flag for row in rows]),
        _texts("artefacts", [row.artifacts for row in rows]),
        _texts("unclear", [row.unclear for row in rows]),
        _numbers(
            vtk.vtkDoubleArray(), FLAGGED,
            [score if flag else not_a_number for score, flag in zip(curve.scores, curve.flagged, strict=True)],
        ),
        *(_numbers(vtk.vtkDoubleArray(), line.text, [line.value] * len(rows)) for line in curve.thresholds),
    ]  # fmt: skip
    content = vtk.vtkTable()
    for column in columns:
        content.AddColumn(column)
    table.SetLocked(True)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.SetAndObserveTable(content)


def update_chart(chart, table, series_of, name: str) -> None:
    """Score over slice number. ``series_of(role)`` gives the plot series node of a role, made on first use."""
    titles = [table.GetColumnName(column) for column in range(table.GetNumberOfColumns())]
    nodes = [
        _series(series_of("score"), table, SCORE, _("score"), (0.12, 0.37, 0.55), line=True, marker="circle"),
        _series(series_of("flagged"), table, FLAGGED, _("flagged"), (0.70, 0.15, 0.12), line=False, marker="cross"),
    ]
    shades = {0: (0.12, 0.44, 0.36), 1: (0.54, 0.33, 0.0), 2: (0.35, 0.35, 0.35)}
    for number, title in enumerate(titles[titles.index(FLAGGED) + 1 :]):
        nodes.append(_series(series_of(f"threshold{number}"), table, title, title, shades[number], line=True, marker="none"))
    chart.RemoveAllPlotSeriesNodeIDs()
    for node in nodes:
        chart.AddAndObservePlotSeriesNodeID(node.GetID())
    chart.SetTitle(name)
    chart.SetXAxisTitle(_("slice number"))
    chart.SetYAxisTitle(_("score (0 worst, 100 best)"))
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0, 100)


def _series(node, table, column, name, color, *, line, marker):
    node.SetName(name)
    node.SetPlotType(node.PlotTypeScatter)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetXColumnName(SLICE)
    node.SetYColumnName(column)
    node.SetColor(*color)
    node.SetLineStyle(node.LineStyleSolid if line else node.LineStyleNone)
    shapes = {"circle": node.MarkerStyleCircle, "cross": node.MarkerStyleCross, "none": node.MarkerStyleNone}
    node.SetMarkerStyle(shapes[marker])
    return node


def _numbers(array, name, values):
    array.SetName(name)
    for value in values:
        array.InsertNextValue(value)
    return array


def _texts(name, values):
    array = vtk.vtkStringArray()
    array.SetName(name)
    for value in values:
        array.InsertNextValue(value)
    return array
