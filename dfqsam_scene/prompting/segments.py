"""What prompting needs of the segments of a scene."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from dfqsam_core.volume import SliceKey, VolumeGeometry

from .history import Change


class Segments(Protocol):
    """The part of `nodes.segments.SegmentScene` that is needed here."""

    node: Any
    grid: VolumeGeometry

    def check(self) -> None:
        """Raise when the nodes are gone or have moved."""

    def segment_name(self, segment_id: str) -> str:
        """Name of a segment; raises when it is gone."""

    def read(self, segment_id: str, key: SliceKey) -> np.ndarray:
        """Return what a segment covers on a slice now; raises as `check` does."""

    def box(self, segment_id: str, margin: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """First voxel and voxels of the box around a segment, with a margin inside the volume."""

    def is_empty(self, segment_id: str) -> bool:
        """Return whether a segment has no voxel at all."""

    def planes(self, segment_id: str, key: SliceKey) -> dict[str, np.ndarray]:
        """Return what every segment covers there; raises as `check` does, and when this one is gone."""

    def write(
        self,
        segment_id: str,
        key: SliceKey,
        mask: np.ndarray,
        protect_others: bool = True,
        planes: dict[str, np.ndarray] | None = None,
    ) -> tuple[Change, ...]:
        """Make a segment cover a mask as far as the settings allow; returns all changes."""

    def restore(self, segment_id: str, key: SliceKey, mask: np.ndarray) -> None:
        """Make a segment cover exactly a mask."""
