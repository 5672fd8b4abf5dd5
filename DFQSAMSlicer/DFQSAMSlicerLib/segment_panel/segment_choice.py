"""The list of segments of the chosen segmentation."""

from __future__ import annotations

from typing import Any

from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import SegmentRow

from .pictures import color_icon


class SegmentChoice:
    """Shows segments with their colours, and lets one be chosen or added."""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        self._box = ui.segmentBox
        self._rows: tuple[SegmentRow, ...] = ()
        self._box.connect("activated(int)", lambda n: verbs["choose segment"](self._rows[n].id))
        ui.addSegmentButton.connect("clicked()", verbs["add segment"])

    def show(self, rows: tuple[SegmentRow, ...]) -> None:
        """Show these segments."""
        if rows == self._rows:
            return
        self._rows = rows
        self._box.clear()
        for row in rows:
            self._box.addItem(color_icon(*(part / 255 for part in bytes.fromhex(row.color[1:]))), row.name)
        self._box.setCurrentIndex(next((n for n, row in enumerate(rows) if row.chosen), -1))
