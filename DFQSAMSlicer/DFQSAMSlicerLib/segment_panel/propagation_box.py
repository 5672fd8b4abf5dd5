"""How far a segment is carried, and where that stopped; on screen slices are counted from 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import Place, StopRow, ViewState

_BOTH, _UP, _DOWN = range(3)
# Slices on each side that are offered at first: a person checks them, so they should not be many.
_REACH = 10


# What Slicer's bar over the present view shows for a slice of the volume, mm; None where there is no view.
Position = Callable[[int], float | None]


class PropagationBox:
    """Ends, range, direction, cost, progress, stops, and the slice to prompt next."""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        self._ui = ui
        self._propagate = verbs["propagate"]
        self._place: Place | None = None
        self._position: Position = lambda index: None
        ui.directionBox.addItems([_("Both ways"), _("Higher slices only"), _("Lower slices only")])
        ui.propagateButton.connect("clicked()", self._clicked)
        ui.thoroughBox.connect("toggled(bool)", verbs["thorough"])
        for box in (ui.firstSliceBox, ui.lastSliceBox):
            box.connect("valueChanged(int)", lambda _index: self._show_positions())

    def show(self, state: ViewState, position: Position) -> None:
        """Show what can be done and what is being done."""
        self._position = position
        if state.place is not None:
            self._offer(state.place)
        self._show_positions()
        ui, progress = self._ui, state.progress
        ui.propagateButton.setEnabled(state.can_propagate and not state.is_working)
        ui.cancelButton.setEnabled(state.is_working)
        for widget in (ui.workRow, ui.progressBar):
            widget.setVisible(state.is_working)
        # Without a number to show Qt moves the bar by itself.
        ui.progressBar.setRange(0, progress.total if progress else 0)
        ui.progressBar.setValue(progress.done if progress else 0)
        self._show_ends(state)
        ui.thoroughBox.setChecked(state.thorough)
        ui.thoroughLabel.setVisible(bool(state.thorough_cost))
        ui.thoroughLabel.setText(state.thorough_cost)
        ui.nextPromptButton.setEnabled(state.next_prompt is not None)
        ui.stopsLabel.setVisible(bool(state.stops))
        ui.stopsLabel.setText("\n".join(_stop_text(stop) for stop in state.stops))

    def _show_ends(self, state: ViewState) -> None:
        """Where the segment starts and ends, on the buttons that say so."""
        ui, ends, place = self._ui, state.ends, state.place
        words = {
            ui.startsButton: (ends.first, _("Starts here"), _("Starts: {index}")),
            ui.endsButton: (ends.last, _("Ends here"), _("Ends: {index}")),
        }
        for button, (index, unknown, known) in words.items():
            button.setEnabled(place is not None and any(row.chosen for row in state.segments))
            button.setChecked(place is not None and index == place.index)
            button.setText(unknown if index is None else known.format(index=index + 1))

    def _offer(self, place: Place) -> None:
        """Follow the slice that is looked at: along another axis a range around the prompts is offered anew."""
        before, self._place = self._place, place
        if before is not None and (before.axis, before.last) == (place.axis, place.last):
            return
        middle = place.prompted or (place.index,)
        for box, value in (
            (self._ui.firstSliceBox, middle[0] - _REACH),
            (self._ui.lastSliceBox, middle[-1] + _REACH),
        ):
            box.setRange(1, place.last + 1)
            box.setValue(min(max(value, 0), place.last) + 1)

    def _show_positions(self) -> None:
        """Say under the numbers what the bar over the view says of these slices."""
        first, last = map(self._position, self._range())
        is_known = first is not None and last is not None
        self._ui.rangeLabel.setText(
            _("{first} to {last} mm").format(first=f"{first:.1f}", last=f"{last:.1f}") if is_known else ""
        )

    def _range(self) -> tuple[int, int]:
        """The two numbers as indices, which count from 0."""
        return self._ui.firstSliceBox.value - 1, self._ui.lastSliceBox.value - 1

    def _clicked(self) -> None:
        if self._place is None:
            return
        first, last = sorted(self._range())
        direction = self._ui.directionBox.currentIndex
        if direction == _UP:
            first = max(first, min(self._place.index, last))
        elif direction == _DOWN:
            last = min(last, max(self._place.index, first))
        self._propagate(first, last)


def _stop_text(stop: StopRow) -> str:
    way = _("Downwards to slice {index}: {reason}.") if stop.direction < 0 else _("Upwards to slice {index}: {reason}.")
    return way.format(index=stop.last_index + 1, reason=stop.reason)
