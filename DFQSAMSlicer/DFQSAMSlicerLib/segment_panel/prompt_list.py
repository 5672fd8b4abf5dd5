"""All prompts in a table, by segment and slice: choose one to go there, or to take it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

from dfqsam_core.volume import BoxPrompt, SliceKey, VolumeGeometry
from dfqsam_core.volume.prompts import Prompt
from dfqsam_scene.nodes.slice_views import plane_name

Row = tuple[str, Prompt]


def describe(prompt: Prompt) -> str:
    """A prompt in a few words, with its voxels (I, J, K)."""
    if isinstance(prompt, BoxPrompt):
        return _("Box {low} – {high}").format(low=prompt.low_ijk, high=prompt.high_ijk)
    return (_("Point + {ijk}") if prompt.positive else _("Point − {ijk}")).format(ijk=prompt.ijk)


class PromptList:
    """The table; went_to: a person chose this prompt."""

    def __init__(self, ui: Any, went_to: Callable[[Row], None]) -> None:
        self._table = ui.promptTable
        self._went_to = went_to
        self._rows: list[Row] = []
        self._shown: Any = None
        self._table.setColumnCount(3)
        self._table.setHorizontalHeaderLabels([_("Segment"), _("Slice"), _("Prompt")])
        self._table.verticalHeader().setVisible(False)
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.connect("itemSelectionChanged()", self._selected)

    @property
    def selected(self) -> Row | None:
        """(segment ID, prompt) of the chosen row."""
        n = self._table.currentRow() if self._table.selectedItems() else -1
        return self._rows[n] if 0 <= n < len(self._rows) else None

    def show(
        self,
        prompts: Mapping[tuple[str, SliceKey], tuple[Prompt, ...]],
        names: Mapping[str, str],
        geometry: VolumeGeometry | None,
    ) -> None:
        """Show prompts by segment and slice; names: of the segments by their IDs."""
        rows = [(segment_id, prompt) for (segment_id, _key), found in prompts.items() for prompt in found]
        if (rows, dict(names)) == self._shown:
            return
        import qt

        chosen = self.selected
        self._rows, self._shown = rows, (rows, dict(names))
        self._table.blockSignals(True)
        self._table.setRowCount(len(rows))
        # Qt selects a neighbour of a row that is removed; the next press of Delete would then take that, too.
        self._table.clearSelection()
        for n, (segment_id, prompt) in enumerate(rows):
            plane = "" if geometry is None else plane_name(geometry, prompt.axis)
            place = f"{prompt.slice.axis} {prompt.slice.index} {plane}"
            for column, text in enumerate((names.get(segment_id, segment_id), place, describe(prompt))):
                self._table.setItem(n, column, qt.QTableWidgetItem(text))
        if chosen in rows:
            self._table.selectRow(rows.index(chosen))
        self._table.resizeColumnsToContents()
        self._table.blockSignals(False)

    def _selected(self) -> None:
        if self.selected is not None:
            self._went_to(self.selected)
