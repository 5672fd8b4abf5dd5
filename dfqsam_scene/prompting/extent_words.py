"""The ends of a segment, and what lies beyond them, in sentences; slices are counted from 1, as all on screen."""

from __future__ import annotations

from collections.abc import Iterable

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import Extent, VolumeGeometry

from ..nodes.slice_views import plane_name


def extent_sentence(geometry: VolumeGeometry, extent: Extent) -> str:
    """Where a segment starts and ends, in a sentence."""
    plane = plane_name(geometry, extent.axis)
    if extent.first is not None and extent.last is not None:
        return f"It goes from {plane} slice {extent.first + 1} to {extent.last + 1}; propagate to fill them."
    if extent.first is not None:
        return f"It starts on {plane} slice {extent.first + 1}; mark its other end, too."
    if extent.last is not None:
        return f"It ends on {plane} slice {extent.last + 1}; mark its other end, too."
    return f"No end is marked on the {plane} slices."


def check_range(geometry: VolumeGeometry, extent: Extent, prompted: Iterable[int], first: int, last: int) -> None:
    """Raise PromptError where a segment cannot be carried to the slices `first` to `last`, from 0.

    prompted: slices with prompts. The core refuses the same, and counts from 0 as prompts files do.
    """
    low, high = extent.within(first, last)
    plane = plane_name(geometry, extent.axis)
    if low > high:
        raise PromptError(
            f"The {plane} slices {first + 1} to {last + 1} lie beyond the segment's marked ends. Change one of them."
        )
    if not any(low <= index <= high for index in prompted):
        raise PromptError(f"The segment has no prompts on the {plane} slices {low + 1} to {high + 1}. Add one there.")
