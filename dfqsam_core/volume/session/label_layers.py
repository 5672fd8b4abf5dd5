"""Several segments in one label map: who owns a voxel that more than one mask covers."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
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


def repaint(
    labels_kji: np.ndarray,
    key: SliceKey,
    segments: Iterable[Segment],
    masks: Mapping[Place, np.ndarray],
    corrected: Container[Place] = (),
) -> None:
    """Make slice `key` of the label map what the masks say: each voxel belongs to the first segment that covers it,
    or to a later one that may overwrite.

    segments: in the order they were added. masks: (label, slice) to bool planes in storage order, of any axes.
    corrected: as `segment_region` has it.
    A voxel's owner depends on the masks alone, not on the order of edits, so undo restores it exactly.
    """
    canvas = stored_plane(labels_kji, key)
    canvas[...] = 0
    for segment in segments:
        region = segment_region(canvas.shape, segment.label, key, masks, corrected)
        np.copyto(canvas, segment.label, where=region if segment.overwrite else region & (canvas == 0))


def segment_region(
    shape: tuple[int, ...],
    label: int,
    key: SliceKey,
    masks: Mapping[Place, np.ndarray],
    corrected: Container[Place] = (),
) -> np.ndarray:
    """New bool plane of `shape`: what the masks of one segment, of any axes, cover on slice `key`.

    corrected: places whose masks were made by correcting what all of them covered there: on those slices they alone
    count.
    """
    region, settled, is_settled = (np.zeros(shape, bool) for _ in range(3))
    for (owner, other), mask in masks.items():
        if owner == label:
            is_corrected = (owner, other) in corrected
            _add(settled if is_corrected else region, key, mask, other)
            if is_corrected:
                _add(is_settled, key, np.ones_like(mask), other)
    return np.where(is_settled, settled, region)


def _add(region: np.ndarray, key: SliceKey, mask: np.ndarray, other: SliceKey) -> None:
    """Add to the plane `region` of slice `key` what the plane `mask` of slice `other` covers of it."""
    if other.axis == key.axis:
        if other.index == key.index:
            region |= mask
        return
    # Two slices of different axes share one line of voxels.
    line = np.take(mask, key.index, axis=_position(key.axis, within=other.axis))
    shared = np.moveaxis(region, _position(other.axis, within=key.axis), 0)
    shared[other.index] |= line


def _position(axis: str, within: str) -> int:
    """Which of the two array axes of a stored plane of `within` is the voxel axis `axis`."""
    return [a for a in reversed(AXES) if a != within].index(axis)
