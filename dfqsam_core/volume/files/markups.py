"""Markups of 3D Slicer (`.mrk.json`) as prompts of one segment with label 1.

Points (Fiducial, PointList) are positive, or negative when their label or description starts with "-" or "neg".
A region of interest (ROI) is a box on every slice that it covers, across the volume's acquisition axis, cut to the
volume. An open curve is a scribble and a closed one a lasso, of straight lines between its control points (the file
does not say how 3D Slicer bends them), negative where its first point is. Points that were placed and then unset
("undefined", "missing", "preview") are no prompts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import PromptError
from ..geometry import AXES, VolumeGeometry, axis_index
from ..positions import voxels_at
from ..prompts import BoxPrompt, PointPrompt, Prompt, SegmentPrompts
from ..roi import roi_boxes
from ..strokes import LassoPrompt, ScribblePrompt
from .strict_json import json_numbers, shown

_UNPLACED = {"undefined", "missing", "preview"}
_CURVES: dict[str, type[ScribblePrompt | LassoPrompt]] = {"Curve": ScribblePrompt, "ClosedCurve": LassoPrompt}


def parse_markups(content: Any, geometry: VolumeGeometry, name: str) -> tuple[SegmentPrompts, ...]:
    """One segment called `name` from the JSON `content` of a `.mrk.json`; raises PromptError for what is no prompt."""
    markups = content.get("markups") if isinstance(content, dict) else None
    if not isinstance(markups, list) or not markups:
        raise PromptError("The markups file has no list `markups`. Save points or a ROI from 3D Slicer as .mrk.json.")
    prompts = tuple(prompt for markup in markups for prompt in _prompts(markup, geometry))
    if not prompts:
        raise PromptError("The markups file has no placed point. Place at least one and save again.")
    return (SegmentPrompts(name or "segment", 1, prompts),)


def _prompts(markup: Any, geometry: VolumeGeometry) -> list[Prompt]:
    kind = markup.get("type") if isinstance(markup, dict) else None
    if kind not in ("Fiducial", "PointList", "ROI", *_CURVES):
        raise PromptError(
            f"A markup has the type {shown(kind)}; points (Fiducial), boxes (ROI), scribbles (Curve) and lassos "
            "(ClosedCurve) can be used as prompts."
        )
    if markup.get("coordinateUnits", "mm") not in ("mm", ["mm", "UCUM"]):
        raise PromptError(f"The markups are in {shown(markup['coordinateUnits'])}; only mm can be used.")
    system = markup.get("coordinateSystem", "LPS")
    if system not in ("RAS", "LPS"):
        raise PromptError(f"Unknown coordinate system {shown(system)} of a markup. Use RAS or LPS.")
    if kind == "ROI":
        return list(_boxes(markup, geometry, system))
    return _curve(markup, geometry, system) if kind in _CURVES else _points(markup, geometry, system)


def _points(markup: dict[str, Any], geometry: VolumeGeometry, system: str) -> list[Prompt]:
    return [
        PointPrompt.at(geometry, _numbers(point, "position", 3), system, not _is_negative(point))
        for point in _placed_points(markup)
    ]


def _curve(markup: dict[str, Any], geometry: VolumeGeometry, system: str) -> list[Prompt]:
    points = _placed_points(markup)
    if not points:
        return []
    positions = [_numbers(point, "position", 3) for point in points]
    indices = np.array(voxels_at(geometry, positions, system))
    # It was drawn in one of three views; the volume's own slices come first where several would do.
    flat = [axis for axis in AXES if np.ptp(indices[:, axis_index(axis)]) == 0]
    axis = next(iter(flat), None) if geometry.acquisition_axis not in flat else geometry.acquisition_axis
    return [_CURVES[markup["type"]].at(geometry, positions, system, not _is_negative(points[0]), axis)]


def _placed_points(markup: dict[str, Any]) -> list[dict[str, Any]]:
    points = markup.get("controlPoints")
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise PromptError(f"A {markup['type']} of the markups file has no list `controlPoints`.")
    return [point for point in points if _is_placed(point)]


def _is_placed(point: Any) -> bool:
    return isinstance(point, dict) and point.get("positionStatus", "defined") not in _UNPLACED


def _is_negative(point: dict[str, Any]) -> bool:
    texts = (str(point.get(key) or "").strip().lower() for key in ("label", "description"))
    return any(text.startswith(("-", "neg")) for text in texts)


def _boxes(markup: dict[str, Any], geometry: VolumeGeometry, system: str) -> tuple[BoxPrompt, ...]:
    points = markup.get("controlPoints")
    if isinstance(points, list) and not any(_is_placed(point) for point in points):
        raise PromptError("The ROI was never placed: it has no control point. Place it in 3D Slicer and save again.")
    center, size = (np.array(_numbers(markup, key, 3)) for key in ("center", "size"))
    if (size < 0).any():
        raise PromptError(f"The ROI was never placed: its size is {size.tolist()}. Place it in 3D Slicer, save again.")
    orientation = _numbers({"orientation": [1, 0, 0, 0, 1, 0, 0, 0, 1]} | markup, "orientation", 9)
    # The columns of the orientation are the directions of the ROI's own axes.
    return roi_boxes(geometry, center, np.reshape(orientation, (3, 3)) * (size / 2), system)


def _numbers(markup: dict[str, Any], key: str, count: int) -> list[float]:
    return json_numbers(markup.get(key), count, f"`{key}` of a markup")
