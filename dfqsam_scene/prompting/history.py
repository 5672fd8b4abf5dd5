"""What an action did, so that it can be taken back: slice by slice to session and scene, to segments, to their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from dfqsam_core.volume import Extent, SliceKey
from dfqsam_core.volume.session.session import SliceState

from ..nodes.segment_records import SegmentRecord, describe_as


class Change(Protocol):
    """The voxels of one segment on one slice before and after a write."""

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
    """The states of a segment on slices, beside its voxels.

    state: what the session has. refused: (rows, columns) bool, what settings or other segments did not grant of it,
    eight voxels in a byte and deflated; None for nothing.
    """

    state: SliceState
    refused: bytes | None

    def without_prediction(self) -> SliceStates:
        """The same for a session of another model, which knows the prompts and finds the mask drawn."""
        return SliceStates(replace(self.state, prediction=None), None)


@dataclass(frozen=True, eq=False)
class HandStep:
    """One slice of what was drawn by hand.

    segment_id, slice: the place. changes: of the voxels of this segment and, where it overwrites, of others there.
    """

    segment_id: str
    slice: SliceKey
    changes: tuple[Change, ...]

    def planes(self, forwards: bool) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Segment, what is drawn of it and what shall be, for each change; backwards the last change comes first."""
        for change in self.changes if forwards else self.changes[::-1]:
            yield change.segment_id, *((change.before, change.after) if forwards else (change.after, change.before))

    def of_another_model(self) -> HandStep:
        """Itself: no model took part."""
        return self


@dataclass(frozen=True, eq=False)
class Step(HandStep):
    """One slice that was prompted or propagated to. old, new: what is known of it before and after."""

    old: SliceStates
    new: SliceStates

    @property
    def kept_bytes(self) -> int:
        """Bytes that the history keeps for it, beside voxels."""
        return self.new.state.kept_bytes

    def of_another_model(self) -> Step:
        """The same for a session whose model did not make these predictions."""
        return replace(self, old=self.old.without_prediction(), new=self.new.without_prediction())


class SegmentStep:
    """A segment was added, removed, or got another name or colour. segment_id: of the scene.

    Whatever it covers when it goes comes back with it, drawn by whom it may be.
    """

    def __init__(self, segment_id: str, old: SegmentRecord | None, new: SegmentRecord | None) -> None:
        self.segment_id = segment_id
        self._old, self._new = old, new

    @classmethod
    def done(cls, segmentation_node: Any, segment_id: str, change: Callable[[], None]) -> SegmentStep:
        """Make a change of the name or colour of a segment, and return the step that takes it back."""
        old = SegmentRecord.of(segmentation_node, segment_id)
        change()
        return cls(segment_id, old, SegmentRecord.of(segmentation_node, segment_id))

    @classmethod
    def added(cls, segmentation_node: Any, segment_id: str) -> SegmentStep:
        """The step of a segment that was just added."""
        return cls(segment_id, None, SegmentRecord.of(segmentation_node, segment_id))

    @classmethod
    def remove(cls, segmentation_node: Any, segment_id: str) -> SegmentStep:
        """Remove a segment, and return the step that brings it back."""
        step = cls(segment_id, SegmentRecord.of(segmentation_node, segment_id), None)
        step.put(segmentation_node, forwards=True)
        return step

    def put(self, segmentation_node: Any, forwards: bool) -> None:
        """Make the segment what it was after the change, or backwards before it; raises SceneError."""
        wanted = self._new if forwards else self._old
        present = SegmentRecord.of(segmentation_node, self.segment_id, with_voxels=wanted is None)
        if wanted is None:
            segmentation_node.GetSegmentation().RemoveSegment(self.segment_id)
            self._old, self._new = (present, None) if forwards else (None, present)
        elif present is None and (self._old is None or self._new is None):
            wanted.put_back(segmentation_node)
        elif present is not None and self._old is not None and self._new is not None:
            before = self._old if forwards else self._new
            # What somebody else changed meanwhile stays.
            describe_as(segmentation_node, self.segment_id, present.facts.changed(before.facts, wanted.facts))
        else:
            describe_as(segmentation_node, self.segment_id, wanted.facts)

    def of_another_model(self) -> SegmentStep:
        """Itself: no model took part."""
        return self


@dataclass(frozen=True)
class ExtentStep:
    """Somebody said where a segment starts or ends, or took that back. old, new: what was known before and after."""

    segment_id: str
    old: Extent
    new: Extent

    def of_another_model(self) -> ExtentStep:
        """Itself: no model took part."""
        return self


AnyStep = Step | HandStep | SegmentStep | ExtentStep
