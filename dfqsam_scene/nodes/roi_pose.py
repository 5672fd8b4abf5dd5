"""Where a 3D box stands: around boxes that lie on each other."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from dfqsam_core.volume import BoxPrompt, VolumeGeometry
from dfqsam_core.volume.geometry import axis_index
from dfqsam_core.volume.prompts import Prompt

from .volume_node import ijk_to_ras


@dataclass(frozen=True, eq=False)
class RoiPose:
    """A place of a 3D box, and what it gives there.

    to_node: (4, 4) from the box's own axes to the node's, mm. size_mm: (3,). axis: of the slices that it prompts.
    segment_id: whose boxes they are. boxes: what it gives, one a slice. given: all that it gave since it was drawn.
    """

    to_node: np.ndarray
    size_mm: np.ndarray
    axis: str
    segment_id: str
    boxes: tuple[BoxPrompt, ...] = ()
    given: set[BoxPrompt] = field(default_factory=set)

    def is_among(self, prompts: Set[tuple[str, Prompt]]) -> bool:
        """Return whether all its boxes are among these (segment ID, prompt)."""
        return all((self.segment_id, box) in prompts for box in self.boxes)

    def giving(self, boxes: tuple[BoxPrompt, ...]) -> RoiPose:
        """The same place, which gives these boxes."""
        self.given.update(boxes)
        return replace(self, boxes=boxes)


def pose_around(
    volume_node: Any, geometry: VolumeGeometry, boxes: tuple[BoxPrompt, ...], segment_id: str, depth_mm: float = 0.0
) -> RoiPose:
    """A 3D box along the axes of a volume around boxes; depth_mm: across their slices, 0 for these slices."""
    axis, spacing = boxes[0].axis, np.array(geometry.spacing_mm)
    low = np.min([box.low_ijk for box in boxes], axis=0)
    high = np.max([box.high_ijk for box in boxes], axis=0)
    size_mm = (high - low + 1) * spacing
    size_mm[axis_index(axis)] = depth_mm or size_mm[axis_index(axis)]
    ras = ijk_to_ras(volume_node)
    to_node = np.eye(4)
    to_node[:3, :3] = ras[:3, :3] / np.linalg.norm(ras[:3, :3], axis=0)
    if np.linalg.det(to_node) < 0:
        # A box is the same mirrored; what turns it in Slicer takes rotations only.
        to_node[:3, 2] *= -1
    to_node[:3, 3] = ras[:3, :3] @ ((low + high) / 2) + ras[:3, 3]
    return RoiPose(to_node, size_mm, axis, segment_id)


def highest_stack(prompts: Iterable[tuple[str, Prompt]]) -> tuple[str, tuple[BoxPrompt, ...]] | None:
    """The segment and boxes of what was a 3D box: most equal boxes on slices that follow each other, at least two."""
    stacks = []
    boxes = [(segment_id, _sides(box), box) for segment_id, box in prompts if isinstance(box, BoxPrompt)]
    in_order = sorted(boxes, key=lambda found: (*found[:2], found[2].slice.index))
    for _, run in groupby(enumerate(in_order), lambda found: (*found[1][:2], found[1][2].slice.index - found[0])):
        members = [found for _, found in run]
        stacks.append((members[0][0], tuple([box for _, _, box in members])))
    highest = max(stacks, key=lambda stack: len(stack[1]), default=None)
    return highest if highest is not None and len(highest[1]) > 1 else None


def _sides(box: BoxPrompt) -> tuple[Any, ...]:
    """What boxes of one stack have in common: their axis and corners on the slice."""
    normal = axis_index(box.axis)
    return box.axis, *(tuple(np.delete(corner, normal).tolist()) for corner in box.voxels_ijk)
