"""Slicer's own table of the segments of the chosen segmentation, and the buttons below it."""

from __future__ import annotations

from typing import Any

from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import SegmentRow

_SINGLE_SELECTION = 1


class SegmentChoice:
    """Lets a segment be chosen, added, removed, hidden and shown in 3D; names and colours are changed in the table."""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        self._table, self._show3d, self._ui = ui.segmentsTable, ui.show3DButton, ui
        self._choose, self._remove = verbs["choose segment"], verbs["remove segment"]
        self._node: Any = None
        self._chosen = ""
        self._table.setSelectionMode(_SINGLE_SELECTION)
        self._table.connect("selectionChanged(QItemSelection,QItemSelection)", self._selected)
        ui.addSegmentButton.connect("clicked()", verbs["add segment"])
        ui.removeSegmentButton.connect("clicked()", lambda: self._remove(self._chosen))

    def show(self, rows: tuple[SegmentRow, ...], node: Any) -> None:
        """Show the segments of a vtkMRMLSegmentationNode, None for nothing."""
        self._chosen = next((row.id for row in rows if row.chosen), "")
        if node is not self._node:
            self._node = node
            self._table.setSegmentationNode(node)
            self._show3d.setSegmentationNode(node)
        # Without a segmentation Slicer's table takes even an empty choice of another one for an error.
        if node is not None and list(self._table.selectedSegmentIDs()) != [self._chosen]:
            self._table.setSelectedSegmentIDs([self._chosen] if self._chosen else [])
        ui = self._ui
        for button in (ui.removeSegmentButton, ui.nextSegmentButton, ui.toggleSegmentsButton, ui.clearSegmentButton):
            button.setEnabled(bool(rows))

    def _selected(self, *_: Any) -> None:
        """A person chose another row; the table tells its own changes, too, such as a row that is gone."""
        ids = self._table.selectedSegmentIDs()
        if len(ids) == 1 and ids[0] != self._chosen:
            self._chosen = ids[0]
            self._choose(ids[0])
