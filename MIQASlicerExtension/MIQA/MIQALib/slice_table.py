"""The sortable table of slices in the panel: filled from the presenter's rows, tells which slice was selected."""

from slicer.i18n import tr as _

# Where a row keeps its slice's index, whatever the table is sorted by: Qt's user role, 0x0100.
_INDEX_ROLE = 256


class SliceTable:
    """``table``: a QTableWidget. ``qt``: PythonQt's namespace. ``on_slice(index)`` is called when a row is selected."""

    def __init__(self, qt, table, on_slice):
        self._qt, self._table, self._on_slice = qt, table, on_slice
        self._filling = False
        table.setColumnCount(5)
        table.setHorizontalHeaderLabels([_("slice"), _("score"), _("flag"), _("artefacts"), _("unclear")])
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)
        table.itemSelectionChanged.connect(self._selected)

    def fill(self, rows) -> None:
        """Show the presenter's rows, worst first."""
        self._filling = True
        # Sorting while it fills would move rows away from under the cells that are still to come.
        self._table.setSortingEnabled(False)
        self._table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            # A number, so that 9 sorts before 10; an empty cell, for what was not scored, sorts last.
            score = None if row.score is None else float(row.score_text)
            cells = [row.number, score, row.flag, row.artifacts, row.unclear]
            for column, value in enumerate(cells):
                item = self._qt.QTableWidgetItem()
                if value is not None:
                    item.setData(self._qt.Qt.DisplayRole, value)
                item.setData(_INDEX_ROLE, row.index)
                self._table.setItem(number, column, item)
        self._table.setSortingEnabled(True)
        self._table.sortItems(1)
        self._table.resizeColumnsToContents()
        self._filling = False

    def select(self, index) -> None:
        """Select the row of a slice, and say so to nobody."""
        self._filling = True
        for number in range(self._table.property("rowCount")):
            if self._table.item(number, 0).data(_INDEX_ROLE) == index:
                self._table.selectRow(number)
        self._filling = False

    def _selected(self) -> None:
        row = self._table.currentRow()
        if not self._filling and row >= 0:
            self._on_slice(self._table.item(row, 0).data(_INDEX_ROLE))
