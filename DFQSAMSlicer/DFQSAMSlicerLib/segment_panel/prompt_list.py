"""All prompts in a table, by segment and slice: choose one to go there, or to take it back."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import PromptRow


class PromptList:
    """The table; choosing a row goes to its prompt."""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        self._table = ui.promptTable
        self._go_to = verbs["go to prompt"]
        self._rows: tuple[PromptRow, ...] | None = None
        self._table.setColumnCount(3)
        self._table.setHorizontalHeaderLabels([_("Segment"), _("Slice"), _("Prompt")])
        self._table.verticalHeader().setVisible(False)
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.connect("itemSelectionChanged()", self._selected)

    @property
    def selected(self) -> PromptRow | None:
        """The chosen row."""
        n = self._table.currentRow() if self._table.selectedItems() else -1
        return self._rows[n] if self._rows is not None and 0 <= n < len(self._rows) else None

    def show(self, rows: tuple[PromptRow, ...]) -> None:
        """Show these prompts."""
        if rows == self._rows:
            return
        import qt

        chosen, self._rows = self.selected, rows
        self._table.blockSignals(True)
        self._table.setRowCount(len(rows))
        # Qt selects a neighbour of a row that is removed; the next press of Delete would then take that, too.
        self._table.clearSelection()
        for n, row in enumerate(rows):
            for column, text in enumerate((row.name, f"{row.plane} {row.index + 1}", row.text)):
                self._table.setItem(n, column, qt.QTableWidgetItem(text))
        if chosen in rows:
            self._table.selectRow(rows.index(chosen))
        self._table.resizeColumnsToContents()
        self._table.blockSignals(False)

    def _selected(self) -> None:
        row = self.selected
        if row is not None:
            self._go_to(row.axis, row.index, row.segment)
