"""Several segments in one label map: who owns a voxel that more than one mask covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..geometry import AXES
from ..slices import SliceKey, stored_plane


@dataclass(frozen=True)
class Segment:
    """label: 1..65535, value in the label map. overwrite: whether it may take voxels of segments added before it."""

    label: int
    name: str
    overwrite: bool = False


Place = tuple[int, SliceKey]
NO_TURNS: Mapping[Place, int] = {}


def repaint(
    labels_kji: np.ndarray,
    key: SliceKey,
    segments: Iterable[Segment],
    masks: Mapping[Place, np.ndarray],
    turns: Mapping[Place, int] = NO_TURNS,
) -> None:
    """Make slice `key` of the label map what the masks say: each voxel belongs to the first segment that covers it,
    or to a later one that may overwrite.

    segments: in the order they were added. masks: (label, slice) to bool planes in storage order, of any axes.
    turns: as `segment_region` has it.
    A voxel's owner depends on the masks alone, not on the order of edits, so undo restores it exactly.
    """
    canvas = stored_plane(labels_kji, key)
    canvas[...] = 0
    for segment in segments:
        region = segment_region(canvas.shape, segment.label, key, masks, turns)
        np.copyto(canvas, segment.label, where=region if segment.overwrite else region & (canvas == 0))


def segment_region(
    shape: tuple[int, ...],
    label: int,
    key: SliceKey,
    masks: Mapping[Place, np.ndarray],
    turns: Mapping[Place, int] = NO_TURNS,
) -> np.ndarray:
    """New bool plane of `shape`: what the masks of one segment, of any axes, cover on slice `key`.

    turns: of places whose masks were made by correcting what all of them covered there. They alone say what there is
    on their slices; where several cross, the one of the highest turn.
    """
    region = np.zeros(shape, bool)
    own = [place for place in masks if place[0] == label]
    for place in [place for place in own if place not in turns]:
        shared, mask = _shared(region, key, masks[place], place[1])
        shared |= mask
    for place in sorted([place for place in own if place in turns], key=lambda place: (turns[place], place)):
        shared, mask = _shared(region, key, masks[place], place[1])
        shared[...] = mask
    return region


def _shared(region: np.ndarray, key: SliceKey, mask: np.ndarray, other: SliceKey) -> tuple[np.ndarray, np.ndarray]:
    """Views of the voxels that the plane `region` of slice `key` shares with the plane `mask` of slice `other`."""
    if other == key:
        return region, mask
    if other.axis == key.axis:
        return region[:0], mask[:0]
    # Two slices of different axes share one line of voxels.
    line = np.take(mask, key.index, axis=_position(key.axis, within=other.axis))
    return np.moveaxis(region, _position(other.axis, within=key.axis), 0)[other.index], line


def _position(axis: str, within: str) -> int:
    """Which of the two array axes of a stored plane of `within` is the voxel axis `axis`."""
    return [a for a in reversed(AXES) if a != within].index(axis)
