"""The ends of a segment in a sentence."""

from __future__ import annotations

from dfqsam_core.volume import Extent


def extent_sentence(extent: Extent) -> str:
    """Where a segment starts and ends, in a sentence; slices are counted from 0, as prompts are."""
    first, last, axis = extent.first, extent.last, extent.axis
    if first is not None and last is not None:
        return f"It goes from slice {axis} {first} to {last}; propagate to fill them."
    if first is not None:
        return f"It starts on slice {axis} {first}; mark its other end, too."
    if last is not None:
        return f"It ends on slice {axis} {last}; mark its other end, too."
    return f"No end is marked along {axis}."
