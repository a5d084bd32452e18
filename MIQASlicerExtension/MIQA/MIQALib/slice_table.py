"""The sortable table of slices in the panel: the presenter's rows, in the presenter's order."""

from slicer.i18n import tr as _

_COLUMNS = ("number", "score", "flag", "artifacts", "unclear")


class SliceTable:
    """``table``: a QTableWidget. ``qt``: PythonQt's namespace. ``on_slice(index)`` is called when a row is selected."""

    def __init__(self, qt, table, on_slice):
        self._qt, self._table, self._on_slice = qt, table, on_slice
        self._rows, self._filling = [], False
        self._column, self._descending = _COLUMNS.index("score"), False
        table.setColumnCount(len(_COLUMNS))
        table.setHorizontalHeaderLabels([_("slice"), _("score"), _("flag"), _("artefacts"), _("unclear")])
        table.verticalHeader().setVisible(False)
        header = table.horizontalHeader()
        header.setStretchLastSection(True)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        # Sorted here rather than by Qt, which would put what was not scored before the worst slice.
        header.sectionClicked.connect(self._sort)
        table.itemSelectionChanged.connect(self._selected)

    def fill(self, rows) -> None:
        """Show the presenter's rows, sorted as the user last chose; at first the worst come first."""
        from miqanet_core.presenter import sort_rows

        self._rows = sort_rows(rows, _COLUMNS[self._column], self._descending)
        self._filling = True
        self._table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            score = "" if row.score is None else row.score_text
            for column, text in enumerate([str(row.number), score, row.flag, row.artifacts, row.unclear]):
                self._table.setItem(number, column, self._qt.QTableWidgetItem(text))
        order = self._qt.Qt.DescendingOrder if self._descending else self._qt.Qt.AscendingOrder
        self._table.horizontalHeader().setSortIndicator(self._column, order)
        self._table.resizeColumnsToContents()
        self._filling = False

    def select(self, index) -> None:
        """Select the row of a slice, and say so to nobody."""
        self._filling = True
        self._table.selectRow([row.index for row in self._rows].index(index))
        self._filling = False

    def _sort(self, column) -> None:
        self._descending = column == self._column and not self._descending
        self._column = column
        self.fill(self._rows)

    def _selected(self) -> None:
        row = self._table.currentRow()
        if not self._filling and 0 <= row < len(self._rows):
            self._on_slice(self._rows[row].index)
