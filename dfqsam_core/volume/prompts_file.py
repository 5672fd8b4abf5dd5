"""The project's own prompts file, read strictly: what is not understood is refused, never skipped."""

from __future__ import annotations

from typing import Any

from ..errors import PromptError
from .geometry import AXES, COORDINATE_SYSTEMS, VolumeGeometry
from .prompts import BoxPrompt, PointPrompt, Prompt, Propagation, SegmentPrompts


def parse_prompts(content: Any, geometry: VolumeGeometry) -> tuple[SegmentPrompts, ...]:
    """Segments of the prompts file's JSON `content`, placed on the voxels of `geometry`, in the file's order.

    Raises PromptError for anything unknown, missing, doubled, of the wrong type, or outside the volume.
    """
    top = _object(content, "the prompts file", {"coordinate_system", "segments"}, {"overwrite"})
    system = top["coordinate_system"]
    if system not in COORDINATE_SYSTEMS:
        raise PromptError(f"Unknown coordinate system {system!r}. Use RAS, LPS or IJK.")
    overwrite = _typed(top.get("overwrite", False), bool, "overwrite")
    items = _list(top["segments"], "segments")
    segments = tuple(_segment(item, f"segments[{n}]", system, geometry, overwrite) for n, item in enumerate(items))
    labels = [segment.label for segment in segments]
    if len(set(labels)) < len(labels):
        raise PromptError(f"The label {max(labels, key=labels.count)} is used by two segments. Give each its own.")
    return segments


def _segment(item: Any, where: str, system: str, geometry: VolumeGeometry, overwrite: bool) -> SegmentPrompts:
    keys = _object(item, where, {"name", "label", "prompts"}, {"propagate", "overwrite"})
    entries = _list(keys["prompts"], f"{where}.prompts")
    prompts = tuple(_prompt(entry, f"{where}.prompts[{n}]", system, geometry) for n, entry in enumerate(entries))
    return SegmentPrompts(
        name=_name(keys["name"], f"{where}.name"),
        label=_typed(keys["label"], int, f"{where}.label"),
        prompts=prompts,
        propagation=_propagation(keys["propagate"], f"{where}.propagate", prompts[0].axis, geometry)
        if "propagate" in keys
        else None,
        overwrite=_typed(keys.get("overwrite", overwrite), bool, f"{where}.overwrite"),
    )


def _prompt(item: Any, where: str, system: str, geometry: VolumeGeometry) -> Prompt:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind == "point":
        keys = _object(item, where, {"type", "position"}, {"positive", "axis"})
        positive = _typed(keys.get("positive", True), bool, f"{where}.positive")
        return PointPrompt.at(geometry, _position(keys["position"], where), system, positive, _axis(keys, where))
    if kind == "box":
        keys = _object(item, where, {"type", "corners"}, {"axis"})
        corners = [_position(corner, where) for corner in _list(keys["corners"], f"{where}.corners")]
        if len(corners) != 2:
            raise PromptError(f"{where}.corners has {len(corners)} positions; a box has two opposite corners.")
        return BoxPrompt.at(geometry, (corners[0], corners[1]), system, _axis(keys, where))
    raise PromptError(f'{where} has the type {kind!r}. A prompt is a "point" or a "box".')


def _propagation(item: Any, where: str, axis: str, geometry: VolumeGeometry) -> Propagation:
    keys = _object(item, where, {"first", "last"}, set())
    first, last = (_typed(keys[key], int, f"{where}.{key}") for key in ("first", "last"))
    if not 0 <= first <= last < geometry.size_along(axis):
        raise PromptError(
            f"{where} asks for the slices {first} to {last} along {axis}; the volume has 0 to "
            f"{geometry.size_along(axis) - 1}, and first must not be above last."
        )
    return Propagation(first, last, axis)


def _object(item: Any, where: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise PromptError(f"{where} must be an object, found {_shown(item)}.")
    missing, unknown = required - set(item), set(item) - required - optional
    if missing:
        raise PromptError(f"{where} lacks {', '.join(sorted(missing))}.")
    if unknown:
        known = ", ".join(sorted(required | optional))
        raise PromptError(f"{where} has the unknown key {sorted(unknown)[0]!r}. Known keys: {known}.")
    return item


def _list(item: Any, where: str) -> list[Any]:
    if not isinstance(item, list) or not item:
        raise PromptError(f"{where} must be a list with at least one entry, found {_shown(item)}.")
    return item


def _typed(item: Any, kind: type, where: str) -> Any:
    # bool is an int in Python, but a label `true` is a mistake.
    if type(item) is not kind:
        wanted = "true or false" if kind is bool else "a whole number"
        raise PromptError(f"{where} must be {wanted}, found {_shown(item)}.")
    return item


def _name(item: Any, where: str) -> str:
    if not isinstance(item, str) or not item.strip():
        raise PromptError(f"{where} must be a text that is not empty, found {_shown(item)}.")
    return item


def _axis(keys: dict[str, Any], where: str) -> str | None:
    if "axis" in keys and keys["axis"] not in list(AXES):
        raise PromptError(f"{where}.axis must be I, J or K, found {_shown(keys['axis'])}.")
    return keys.get("axis")


def _position(item: Any, where: str) -> tuple[float, float, float]:
    numbers = isinstance(item, list) and len(item) == 3 and all(type(value) in (int, float) for value in item)
    try:
        x, y, z = (float(value) for value in item) if numbers else (None, None, None)
    except OverflowError:
        x = None
    if x is None or y is None or z is None:
        raise PromptError(f"{where} needs a position of three numbers, found {_shown(item)}.")
    return x, y, z


def _shown(item: Any) -> str:
    text = repr(item)
    return text if len(text) <= 60 else text[:57] + "..."
