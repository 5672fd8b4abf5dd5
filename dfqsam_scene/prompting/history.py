"""What an action did, slice by slice: to the session and to the segments of the scene, so that both move together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.session.session import SliceState


class Change(Protocol):
    """What one segment had on one slice before and after a write."""

    @property
    def segment_id(self) -> str:
        """The segment."""

    @property
    def slice(self) -> SliceKey:
        """The slice."""

    @property
    def before(self) -> np.ndarray:
        """(rows, columns) bool."""

    @property
    def after(self) -> np.ndarray:
        """(rows, columns) bool."""


@dataclass(frozen=True, eq=False)
class SliceStates:
    """What is known of a segment on a slice beside its voxels.

    state: what the session has. refused: (rows, columns) bool, what settings or other segments did not grant of it,
    eight voxels in a byte and deflated; None for nothing.
    """

    state: SliceState
    refused: bytes | None


@dataclass(frozen=True, eq=False)
class Step:
    """One slice of an action.

    segment_id, slice: the place that was prompted or propagated to. old, new: what is known of it before and after.
    changes: of the voxels of this segment and, where it overwrites, of others there.
    """

    segment_id: str
    slice: SliceKey
    old: SliceStates
    new: SliceStates
    changes: tuple[Change, ...]

    def planes(self, forwards: bool) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Segment, what is drawn of it and what shall be, for each change; backwards the last change comes first."""
        for change in self.changes if forwards else self.changes[::-1]:
            yield change.segment_id, *((change.before, change.after) if forwards else (change.after, change.before))
