"""How far a segment is carried, and where that stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from dfqsam_core.progress import Progress
from dfqsam_core.volume import SliceKey, Stop

_BOTH, _UP, _DOWN = range(3)
# Slices on each side that are offered at first: a person checks them, so they should not be many.
_REACH = 10


class PropagationBox:
    """Range, direction, progress and stops; start: carry on along an axis from the first to the last slice."""

    def __init__(self, ui: Any, start: Callable[[str, int, int], None]) -> None:
        self._ui = ui
        self._start = start
        self._key: SliceKey | None = None
        self._size = 0
        ui.directionBox.addItems([_("Both ways"), _("To higher slice numbers only"), _("To lower slice numbers only")])
        ui.propagateButton.connect("clicked()", self._clicked)

    def offer(self, key: SliceKey | None, size: int, prompted: list[int]) -> None:
        """Follow the slice that is looked at; size: of its axis; prompted: indices of the slices with prompts."""
        if (key, size) == (self._key, self._size) or key is None:
            self._key = key
            return
        is_other_axis = self._key is None or (self._key.axis, self._size) != (key.axis, size)
        self._key, self._size = key, size
        if is_other_axis:
            middle = prompted or [key.index]
            for box, value in (
                (self._ui.firstSliceBox, middle[0] - _REACH),
                (self._ui.lastSliceBox, middle[-1] + _REACH),
            ):
                box.setRange(0, size - 1)
                box.setValue(min(max(value, 0), size - 1))

    def show(self, is_possible: bool, is_busy: bool, progress: Progress | None, stops: tuple[Stop, ...]) -> None:
        """Show what can be done and what is being done."""
        self._ui.propagateButton.setEnabled(is_possible and not is_busy)
        self._ui.cancelButton.setEnabled(is_busy)
        self._ui.progressBar.setVisible(is_busy)
        # Without a number to show Qt moves the bar by itself.
        self._ui.progressBar.setRange(0, progress.total if progress else 0)
        self._ui.progressBar.setValue(progress.done if progress else 0)
        self._ui.stopsLabel.setVisible(bool(stops))
        self._ui.stopsLabel.setText("\n".join(_stop_text(stop) for stop in stops))

    def _clicked(self) -> None:
        if self._key is None:
            return
        first, last = sorted((self._ui.firstSliceBox.value, self._ui.lastSliceBox.value))
        direction = self._ui.directionBox.currentIndex
        if direction == _UP:
            first = max(first, min(self._key.index, last))
        elif direction == _DOWN:
            last = min(last, max(self._key.index, first))
        self._start(self._key.axis, first, last)


def _stop_text(stop: Stop) -> str:
    way = _("Downwards to slice {index}: {reason}.") if stop.direction < 0 else _("Upwards to slice {index}: {reason}.")
    return way.format(index=stop.last_index, reason=stop.reason)
