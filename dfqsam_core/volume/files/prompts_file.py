"""The project's own prompts file, read strictly: what is not understood is refused, never skipped."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ...errors import PromptError
from ..extent import Extent
from ..geometry import AXES, COORDINATE_SYSTEMS, VolumeGeometry
from ..prompts import BoxPrompt, PointPrompt, Prompt, Propagation, SegmentPrompts
from ..roi import roi_boxes
from ..strokes import LassoPrompt, ScribblePrompt
from .strict_json import json_list, json_numbers, json_object, json_text, json_typed, shown


def parse_prompts(content: Any, geometry: VolumeGeometry) -> tuple[SegmentPrompts, ...]:
    """Segments of the prompts file's JSON `content`, placed on the voxels of `geometry`, in the file's order.

    Raises PromptError for anything unknown, missing, doubled, of the wrong type, or outside the volume.
    """
    top = json_object(content, "the prompts file", {"coordinate_system", "segments"}, {"overwrite"})
    system = top["coordinate_system"]
    if system not in COORDINATE_SYSTEMS:
        raise PromptError(f"Unknown coordinate system {shown(system)}. Use RAS, LPS or IJK.")
    overwrite = json_typed(top.get("overwrite", False), bool, "overwrite")
    items = json_list(top["segments"], "segments")
    segments = tuple(_segment(item, f"segments[{n}]", system, geometry, overwrite) for n, item in enumerate(items))
    (label, count), *_ = Counter(segment.label for segment in segments).most_common(1)
    if count > 1:
        raise PromptError(f"The label {label} is used by two segments. Give each its own.")
    return segments


def _segment(item: Any, where: str, system: str, geometry: VolumeGeometry, overwrite: bool) -> SegmentPrompts:
    optional = {"propagate", "extent", "overwrite", "corrections"}
    keys = json_object(item, where, {"name", "label", "prompts"}, optional)
    prompts = _parse_entries(keys["prompts"], f"{where}.prompts", system, geometry)
    extent = None
    if keys.get("extent") == "roi":
        prompts, extent = _whole_roi(json_list(keys["prompts"], f"{where}.prompts"), prompts, where)
    elif "extent" in keys:
        if not isinstance(keys["extent"], dict):
            raise PromptError(f'{where}.extent must be an object or "roi", found {shown(keys["extent"])}.')
        extent = parse_extent(keys["extent"], f"{where}.extent", prompts[0].axis, geometry)
    return SegmentPrompts(
        name=json_text(keys["name"], f"{where}.name"),
        label=json_typed(keys["label"], int, f"{where}.label"),
        prompts=prompts,
        propagation=_propagation(keys, where, prompts[0].axis, geometry),
        overwrite=json_typed(keys.get("overwrite", overwrite), bool, f"{where}.overwrite"),
        corrections=_parse_entries(keys["corrections"], f"{where}.corrections", system, geometry)
        if "corrections" in keys
        else (),
        extent=extent,
    )


def _parse_entries(items: Any, where: str, system: str, geometry: VolumeGeometry) -> tuple[Prompt, ...]:
    found = (_parse_entry(item, f"{where}[{n}]", system, geometry) for n, item in enumerate(json_list(items, where)))
    return tuple(prompt for prompts in found for prompt in prompts)


def _parse_entry(item: Any, where: str, system: str, geometry: VolumeGeometry) -> tuple[Prompt, ...]:
    """The prompts of one entry of the file: a region of interest is a box on every slice that it covers."""
    if not isinstance(item, dict) or item.get("type") != "roi":
        prompt = parse_prompt(item, where, system, geometry)
        if isinstance(prompt, BoxPrompt):
            _refuse_small(prompt, where)
        return (prompt,)
    keys = json_object(item, where, {"type", "corners"}, {"axis"})
    a, b = np.array(_corners(keys, where, "roi"))
    # Halves are subtracted: the difference of two huge numbers may be none.
    return roi_boxes(geometry, a / 2 + b / 2, np.diag(b / 2 - a / 2), system, _axis(keys, where))


def _refuse_small(box: BoxPrompt, where: str) -> None:
    try:
        box.refuse_small()
    except PromptError as error:
        raise PromptError(f"{where} is impossible: {error}") from error


def parse_prompt(item: Any, where: str, system: str, geometry: VolumeGeometry) -> Prompt:
    """One prompt of the file, its positions in the coordinate system `system`; raises PromptError."""
    kind = item.get("type") if isinstance(item, dict) else None
    if kind == "point":
        keys = json_object(item, where, {"type", "position"}, {"positive", "axis"})
        position = json_numbers(keys["position"], 3, f"{where}.position")
        return PointPrompt.at(geometry, position, system, _positive(keys, where), _axis(keys, where))
    if kind == "box":
        keys = json_object(item, where, {"type", "corners"}, {"axis"})
        return BoxPrompt.at(geometry, _corners(keys, where, "box"), system, _axis(keys, where))
    if kind == "scribble":
        keys = json_object(item, where, {"type", "path"}, {"positive", "axis"})
        path = _positions(keys, where, "path")
        return ScribblePrompt.at(geometry, path, system, _positive(keys, where), _axis(keys, where))
    if kind == "lasso":
        keys = json_object(item, where, {"type", "vertices"}, {"positive", "axis"})
        vertices = _positions(keys, where, "vertices")
        return LassoPrompt.at(geometry, vertices, system, _positive(keys, where), _axis(keys, where))
    raise PromptError(f"{where} has the type {shown(kind)}. A prompt is a point, box, scribble, lasso or roi.")


def prompt_json(prompt: Prompt) -> dict[str, Any]:
    """A prompt as the file writes it in IJK: `parse_prompt` restores it exactly."""
    if isinstance(prompt, BoxPrompt):
        return {"type": "box", "corners": [list(prompt.low_ijk), list(prompt.high_ijk)], "axis": prompt.axis}
    sign = {"positive": prompt.positive, "axis": prompt.axis}
    if isinstance(prompt, ScribblePrompt):
        return {"type": "scribble", "path": [list(voxel) for voxel in prompt.path_ijk]} | sign
    if isinstance(prompt, LassoPrompt):
        return {"type": "lasso", "vertices": [list(voxel) for voxel in prompt.vertices_ijk]} | sign
    return {"type": "point", "position": list(prompt.ijk)} | sign


def parse_extent(item: Any, where: str, axis: str, geometry: VolumeGeometry) -> Extent:
    """Where an object starts and ends along `axis`: "first", "last" or both of the file; raises PromptError."""
    keys = json_object(item, where, set(), {"first", "last"})
    found = {key: json_typed(value, int, f"{where}.{key}") for key, value in keys.items()}
    if not found or not all(0 <= index < geometry.size_along(axis) for index in found.values()):
        raise PromptError(
            f"{where} must say with first, last or both on which slices along {axis} the object starts and ends; the "
            f"volume has 0 to {geometry.size_along(axis) - 1}, found {shown(found)}."
        )
    try:
        return Extent(axis, **found)
    except PromptError as error:
        raise PromptError(f"{where} is impossible: {error}") from error


def _whole_roi(entries: list[Any], prompts: tuple[Prompt, ...], where: str) -> tuple[tuple[Prompt, ...], Extent]:
    """A region of interest around the whole object: the box of its middle slice alone, and its slices as the extent."""
    if len(entries) != 1 or entries[0].get("type") != "roi":
        raise PromptError(
            f'{where}.extent is "roi", so the segment needs one prompt, which is a roi; found {len(entries)}, the '
            f"first of the type {shown(entries[0].get('type'))}. Give first and last instead."
        )
    keys = sorted(prompt.slice for prompt in prompts)
    middle = keys[len(keys) // 2]
    return tuple(p for p in prompts if p.slice == middle), Extent(middle.axis, keys[0].index, keys[-1].index)


def extent_json(extent: Extent) -> dict[str, int]:
    """An extent as the file writes it beside its axis: `parse_extent` restores it exactly."""
    ends = {"first": extent.first, "last": extent.last}
    return {key: index for key, index in ends.items() if index is not None}


def _propagation(keys: dict[str, Any], where: str, axis: str, geometry: VolumeGeometry) -> Propagation | None:
    """What is asked for; a segment whose ends alone are told is carried on as far as they and the volume reach."""
    end = geometry.size_along(axis) - 1
    if "propagate" not in keys:
        return Propagation(0, end, axis) if "extent" in keys else None
    where = f"{where}.propagate"
    asked = json_object(keys["propagate"], where, {"first", "last"}, {"thorough"})
    first, last = (json_typed(asked[key], int, f"{where}.{key}") for key in ("first", "last"))
    if not 0 <= first <= last <= end:
        raise PromptError(
            f"{where} asks for the slices {first} to {last} along {axis}; the volume has 0 to {end}, and first must "
            "not be above last."
        )
    return Propagation(first, last, axis, json_typed(asked.get("thorough", False), bool, f"{where}.thorough"))


def _positive(keys: dict[str, Any], where: str) -> bool:
    positive: bool = json_typed(keys.get("positive", True), bool, f"{where}.positive")
    return positive


def _corners(keys: dict[str, Any], where: str, what: str) -> tuple[list[float], list[float]]:
    corners = _positions(keys, where, "corners")
    if len(corners) != 2:
        raise PromptError(f"{where}.corners has {len(corners)} positions; a {what} has two opposite corners.")
    return corners[0], corners[1]


def _positions(keys: dict[str, Any], where: str, key: str) -> list[list[float]]:
    items = enumerate(json_list(keys[key], f"{where}.{key}"))
    return [json_numbers(item, 3, f"{where}.{key}[{n}]") for n, item in items]


def _axis(keys: dict[str, Any], where: str) -> str | None:
    if "axis" in keys and keys["axis"] not in list(AXES):
        raise PromptError(f"{where}.axis must be I, J or K, found {shown(keys['axis'])}.")
    return keys.get("axis")
