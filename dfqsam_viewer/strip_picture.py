"""The strip of slices under a view as paths of an SVG: one unit wide for each slice, `HEIGHT` units high."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dfqsam_scene.prompting.strips import Strip, StripSlice

# The top row is for the marks of weak slices, so that they are not told by their colour alone.
HEIGHT, _TOP = 20, 5
_LEAST = 2
# Most shares lie above: the bars begin here, so that they differ.
_FLOOR = 0.4


def strip_state(strip: Strip, index: int) -> dict[str, Any]:
    """Return what the page draws and reads out of a strip while a view shows slice `index`."""
    count, here = strip.last + 1, strip.at(index)
    propagated = [one for one in strip.slices if not one.is_prompted]
    weak = [one for one in propagated if one.is_weak]
    return {
        "box": f"0 0 {count} {HEIGHT}",
        "sure": _bars(one for one in propagated if not one.is_weak),
        "weak": _bars(weak),
        "marks": "".join(f"M{one.index} 0h1l-.5 4z" for one in weak),
        "prompted": "".join(f"M{one.index} {_TOP}h1v{HEIGHT - _TOP}h-1z" for one in strip.slices if one.is_prompted),
        "ends": _end(strip.first_end, 0) + _end(strip.last_end, 1),
        "weak_count": len(weak),
        "text": f"slice {index + 1}: " + _words(strip, index, here),
    }


def _words(strip: Strip, index: int, here: StripSlice | None) -> str:
    parts = [] if here is None else [here.words]
    parts += ["the segment starts here"] if strip.first_end == index else []
    parts += ["the segment ends here"] if strip.last_end == index else []
    return ", ".join(parts) or "nothing of the segment"


def _bars(slices: Iterable[StripSlice]) -> str:
    """One bar for each slice, as high as its share; of one without a share a low one."""
    path = ""
    for one in slices:
        height = max(_LEAST, round((HEIGHT - _TOP) * ((one.share or 0.0) - _FLOOR) / (1 - _FLOOR), 1))
        path += f"M{one.index} {HEIGHT}v-{height:g}h1v{height:g}z"
    return path


def _end(index: int | None, side: int) -> str:
    """A line over the whole height beside a slice: before the first one, after the last one."""
    return "" if index is None else f"M{index + side} 0v{HEIGHT}"
