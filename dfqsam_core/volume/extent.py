"""Where an object starts and ends along an axis, as a person says it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import PromptError
from .geometry import VolumeGeometry
from .positions import check_axis


@dataclass(frozen=True)
class Extent:
    """The first and the last slice along an axis that hold an object.

    Parameters
    ----------
    axis
        "I", "J" or "K".
    first, last
        Slices counted from 0, both included; None where that is not known.

    Raises
    ------
    PromptError
        Where first is above last, and for what is no whole number.
    """

    axis: str
    first: int | None = None
    last: int | None = None

    def __post_init__(self) -> None:
        check_axis(self.axis)
        for end in ("first", "last"):
            if (index := getattr(self, end)) is not None:
                # Of numpy's integers none could be saved.
                object.__setattr__(self, end, slice_index(index))
        if self.first is not None and self.last is not None and self.first > self.last:
            raise PromptError(
                f"The object would start on slice {self.axis} = {self.first}, after its end on {self.last}. "
                "Give the lower one as first."
            )

    @property
    def is_known(self) -> bool:
        """True where at least one end is known."""
        return self.first is not None or self.last is not None

    def __str__(self) -> str:
        first = "" if self.first is None else f"from {self.first} "
        last = "on" if self.last is None else f"to {self.last}"
        return f"{first}{last} along {self.axis}"

    def holds(self, index: int) -> bool:
        """Return True where a slice may hold the object."""
        return (self.first is None or self.first <= index) and (self.last is None or index <= self.last)

    def marked(self, end: Literal["first", "last"], index: int) -> Extent:
        """With this end on a slice, or without it where it was there already; ends in the wrong order change places."""
        ends = {"first": self.first, "last": self.last}
        ends[end] = None if ends[end] == index else index
        first, last = ends["first"], ends["last"]
        if first is not None and last is not None and first > last:
            first, last = last, first
        return Extent(self.axis, first, last)

    def within(self, first: int, last: int) -> tuple[int, int]:
        """A range of slices, both included, without what lies beyond the ends; last < first where nothing is left."""
        return (
            first if self.first is None else max(first, self.first),
            last if self.last is None else min(last, self.last),
        )


def slice_index(number: object) -> int:
    """The index of a slice as an int, also from numpy's integers; raises PromptError for what is no whole number."""
    try:
        if not isinstance(number, bool):
            return operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        pass
    raise PromptError(f"A slice is given as a whole number, found {number!r}. Count slices from 0.")


class Extents:
    """Where the segments of a session start and end, as far as that is known, by label and axis."""

    def __init__(self, geometry: VolumeGeometry) -> None:
        self._geometry = geometry
        self._known: dict[tuple[int, str], Extent] = {}

    def of(self, label: int, axis: str) -> Extent:
        """Return what is known of a segment along an axis."""
        return self._known.get((label, axis), Extent(axis))

    def put(self, label: int, extent: Extent) -> None:
        """Know this of a segment from now on; raises PromptError for slices that the volume does not have."""
        last = self._geometry.size_along(extent.axis) - 1
        ends = [index for index in (extent.first, extent.last) if index is not None]
        if any(not 0 <= index <= last for index in ends):
            raise PromptError(
                f"An object cannot start or end on the slices {ends} along {extent.axis}: the volume has 0 to {last}."
            )
        self._known.pop((label, extent.axis), None)
        if extent.is_known:
            self._known[label, extent.axis] = extent

    def of_label(self, label: int) -> Iterator[Extent]:
        """Return what is known of a segment, by axis."""
        return (extent for (owner, _), extent in sorted(self._known.items()) if owner == label)
