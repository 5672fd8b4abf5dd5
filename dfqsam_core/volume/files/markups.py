"""Markups of 3D Slicer (`.mrk.json`) as prompts of one segment with label 1.

Points (Fiducial, PointList) are positive, or negative when their label or description starts with "-" or "neg".
A region of interest (ROI) is a box on the slice through its centre, across the volume's acquisition axis, cut to the
volume. Points that were placed and then unset ("undefined", "missing", "preview") are no prompts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import PromptError
from ..geometry import VOXEL_DIGITS, VolumeGeometry, axis_index, nearest_voxel
from ..prompts import BoxPrompt, PointPrompt, Prompt, SegmentPrompts
from .strict_json import json_numbers, shown

_UNPLACED = {"undefined", "missing", "preview"}


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
    if kind not in ("Fiducial", "PointList", "ROI"):
        raise PromptError(
            f"A markup has the type {shown(kind)}; points (Fiducial) and boxes (ROI) can be used as prompts."
        )
    if markup.get("coordinateUnits", "mm") not in ("mm", ["mm", "UCUM"]):
        raise PromptError(f"The markups are in {shown(markup['coordinateUnits'])}; only mm can be used.")
    system = markup.get("coordinateSystem", "LPS")
    if system not in ("RAS", "LPS"):
        raise PromptError(f"Unknown coordinate system {shown(system)} of a markup. Use RAS or LPS.")
    return [_box(markup, geometry, system)] if kind == "ROI" else _points(markup, geometry, system)


def _points(markup: dict[str, Any], geometry: VolumeGeometry, system: str) -> list[Prompt]:
    points = markup.get("controlPoints")
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise PromptError("A point list of the markups file has no list `controlPoints`.")
    return [
        PointPrompt.at(geometry, _numbers(point, "position", 3), system, not _is_negative(point))
        for point in points
        if _is_placed(point)
    ]


def _is_placed(point: Any) -> bool:
    return isinstance(point, dict) and point.get("positionStatus", "defined") not in _UNPLACED


def _is_negative(point: dict[str, Any]) -> bool:
    texts = (str(point.get(key) or "").strip().lower() for key in ("label", "description"))
    return any(text.startswith(("-", "neg")) for text in texts)


def _box(markup: dict[str, Any], geometry: VolumeGeometry, system: str) -> BoxPrompt:
    points = markup.get("controlPoints")
    if isinstance(points, list) and not any(_is_placed(point) for point in points):
        raise PromptError("The ROI was never placed: it has no control point. Place it in 3D Slicer and save again.")
    center, size = (np.array(_numbers(markup, key, 3)) for key in ("center", "size"))
    if (size < 0).any() or not size.any():
        raise PromptError(f"The ROI was never placed: its size is {size.tolist()}. Place it in 3D Slicer, save again.")
    if not geometry.contains(geometry.ijk_from(center, system)):
        raise PromptError(f"The centre of the ROI {center.tolist()} ({system}) is outside the volume.")
    orientation = _numbers({"orientation": [1, 0, 0, 0, 1, 0, 0, 0, 1]} | markup, "orientation", 9)
    # The columns of the orientation are the directions of the ROI's own axes.
    half = np.reshape(orientation, (3, 3)) * (size / 2)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = geometry.ijk_from(center + signs @ half.T, system)
    last = np.array(geometry.shape_ijk) - 1
    # The voxels whose centres are inside: a face on the border of a voxel takes none of it, on whichever side it lies.
    near = np.round(corners, VOXEL_DIGITS)
    low, high = np.maximum(np.ceil(near.min(axis=0)), 0), np.minimum(np.floor(near.max(axis=0)), last)
    normal = axis_index(geometry.acquisition_axis)
    low[normal] = high[normal] = _middle_slice(geometry, geometry.ijk_from(center, system), normal)
    if (low > high).any():
        raise PromptError(f"The ROI of {size.tolist()} mm holds the centre of no voxel. Make it larger in 3D Slicer.")
    return BoxPrompt.at(geometry, (low, high), "IJK")


def _middle_slice(geometry: VolumeGeometry, center_ijk: np.ndarray, normal: int) -> float:
    """The slice of a ROI's centre; of two that it lies between, the same one in the patient however they are stored."""
    direction = geometry.ijk_to_ras[:3, normal]
    sign = np.sign(direction[np.abs(direction).argmax()])
    return float(np.clip(sign * nearest_voxel(sign * center_ijk)[normal], 0, geometry.shape_ijk[normal] - 1))


def _numbers(markup: dict[str, Any], key: str, count: int) -> list[float]:
    return json_numbers(markup.get(key), count, f"`{key}` of a markup")
