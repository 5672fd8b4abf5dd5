"""Keeps the segments of the scene in step with a session: what is predicted is written, and what people drew stays."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.volume import PropagationPlan, SliceKey, VolumeSession
from dfqsam_core.volume.prompts import Prompt
from dfqsam_core.volume.session.history import History
from dfqsam_core.volume.session.session import SliceState
from dfqsam_core.volume.session.slice_predictor import SlicePrediction

from .history import Change, SliceStates, Step


class Segments(Protocol):
    """The part of `nodes.segments.SegmentScene` that is needed here."""

    def check(self) -> None:
        """Raise when the nodes are gone or have moved."""

    def segment_name(self, segment_id: str) -> str:
        """Name of a segment; raises when it is gone."""

    def read(self, segment_id: str, key: SliceKey) -> np.ndarray:
        """What a segment covers on a slice now; raises as `check` does."""

    def planes(self, segment_id: str, key: SliceKey) -> dict[str, np.ndarray]:
        """What every segment covers there; raises as `check` does, and when this one is gone."""

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


class SegmentWriter:
    """One session and the segments that it is drawn into, with one history for both.

    segment_ids: by the session's label. protect_others: whether writing a segment leaves all others as they are.
    about_to_change: called once before each action that changes segments, for an undo of somebody else's.
    """

    def __init__(self, session: VolumeSession, segments: Segments) -> None:
        self.session = session
        self.segments = segments
        self.protect_others = True
        self.about_to_change: Callable[[], None] = lambda: None
        # IDs are unique and stay when a person renames a segment; so the session knows segments by them.
        self.segment_ids = {segment.label: segment.name for segment in session.segments}
        self._labels = {segment_id: label for label, segment_id in self.segment_ids.items()}
        # What the settings or other segments did not grant is no removal by hand.
        self._refused: dict[tuple[str, SliceKey], bytes] = {}
        self._history: History[Step] = History()

    @property
    def can_undo(self) -> bool:
        """Whether there is an action to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone action to repeat."""
        return self._history.can_redo

    def label(self, segment_id: str) -> int:
        """The session's label of a segment, which is added there when it is new; raises when the segment is gone."""
        self.segments.segment_name(segment_id)
        if segment_id not in self._labels:
            label = self._labels[segment_id] = len(self._labels) + 1
            self.segment_ids[label] = segment_id
            self.session.add_segment(label, segment_id)
        return self._labels[segment_id]

    def prediction(self, segment_id: str, key: SliceKey) -> SlicePrediction | None:
        """The candidates of a segment on a slice, None where it has none."""
        label = self.known_label(segment_id)
        return None if label is None else self.session.prediction(label, key)

    def known_label(self, segment_id: str) -> int | None:
        """The session's label of a segment, None where the session has nothing of it yet."""
        return self._labels.get(segment_id)

    def remember(self, segment_id: str, prompt: Prompt) -> None:
        """Give a segment a prompt without a prediction, which follows with the next prompt on that slice; no undo."""
        label = self.label(segment_id)
        prompts = (*self.session.prompts(label, prompt.slice), prompt)
        self.session.restore_state(label, prompt.slice, SliceState(prompts))

    def accept(
        self, segment_id: str, key: SliceKey, prompts: tuple[Prompt, ...], prediction: SlicePrediction | None
    ) -> None:
        """Give a segment prompts and their prediction on a slice, and write it; one undo step."""
        self._draw_now(segment_id, key, SliceState(prompts, prediction))

    def accept_plan(self, segment_id: str, plan: PropagationPlan) -> Iterator[None]:
        """Give a segment the slices that a propagation found, and write them; one undo step.

        The iterator pauses between slices; one that fails takes those before it back.
        """
        return self._draw(segment_id, plan.states(self.session))

    def accept_many(self, segment_id: str, states: Mapping[SliceKey, SliceState]) -> Iterator[None]:
        """Give a segment prompts and predictions on many slices, and write them; one undo step, with pauses."""
        return self._draw(segment_id, states.items())

    def clear(self, segment_id: str) -> Iterator[None]:
        """Take back all that a segment was prompted and predicted; one undo step, with pauses between slices."""
        slices = self.session.slices_of(self.label(segment_id))
        return self._draw(segment_id, [(key, SliceState()) for key in slices])

    def choose_mask(self, segment_id: str, key: SliceKey, candidate: int) -> None:
        """Use another candidate of the last prediction, and write it; one undo step."""
        self._draw_now(segment_id, key, self.session.with_candidate(self.label(segment_id), key, candidate))

    def undo(self) -> Iterator[None] | None:
        """Take the last action back in session and segments, with pauses between slices; None: there is none."""
        return self._move(self._history.to_undo, self._history.undo(), forwards=False) if self.can_undo else None

    def redo(self) -> Iterator[None] | None:
        """Repeat the action undone last, with pauses between slices; None: there is none."""
        return self._move(self._history.to_redo, self._history.redo(), forwards=True) if self.can_redo else None

    def _draw_now(self, segment_id: str, key: SliceKey, state: SliceState) -> None:
        for _ in self._draw(segment_id, [(key, state)]):
            pass

    def _draw(self, segment_id: str, states: Iterable[tuple[SliceKey, SliceState]]) -> Iterator[None]:
        """Give a segment these states, one slice after the other, and write each; one undo step."""
        label = self._labels.get(segment_id) or self.label(segment_id)
        steps: list[Step] = []
        try:
            for key, state in states:
                if steps:
                    yield
                planes = self.segments.planes(segment_id, key)
                if not steps:
                    self.about_to_change()
                steps.append(self._write(segment_id, label, key, state, planes))
        except Exception:
            self._take_back(steps)
            raise
        if steps:
            self._history.add(steps)

    def _write(
        self, segment_id: str, label: int, key: SliceKey, state: SliceState, planes: dict[str, np.ndarray]
    ) -> Step:
        """Make session and segment have `state` on a slice: both, or none where writing is refused."""
        old = SliceStates(self.session.state(label, key), self._refused.get((segment_id, key)))
        before = self.session.region(label, key)
        self.session.restore_state(label, key, state)
        try:
            granted = before
            if old.refused is not None:
                packed = np.frombuffer(zlib.decompress(old.refused), np.uint8)
                granted = before & ~np.unpackbits(packed, count=before.size).view(bool).reshape(before.shape)
            wanted = with_hand_edits(self.session.region(label, key), granted, planes[segment_id])
            changes = self.segments.write(segment_id, key, wanted, self.protect_others, planes)
        except Exception:
            self.session.restore_state(label, key, old.state)
            raise
        own = [change for change in changes if change.segment_id == segment_id]
        refused = wanted & ~(own[0].after if own else planes[segment_id])
        new = SliceStates(state, zlib.compress(np.packbits(refused).tobytes(), 1) if refused.any() else None)
        if new.refused is not old.refused:
            self._refuse((segment_id, key), new.refused)
        return Step(segment_id, key, old, new, changes)

    def _take_back(self, steps: list[Step]) -> None:
        """Undo what an action did before it failed; what cannot be reached now stays an action, to be undone later."""
        with contextlib.suppress(DFQSAMError):
            while steps:
                self._put(steps[-1], forwards=False)
                steps.pop()
        if steps:
            self._history.add(steps)

    def _move(self, action: Sequence[Step], steps: Iterator[Step], forwards: bool) -> Iterator[None]:
        """Move an action in session and segments; where that fails, the steps that are left stay where they are."""
        self.segments.check()
        for segment_id in {change.segment_id for step in action for change in step.changes}:
            self.segments.segment_name(segment_id)
        self.about_to_change()
        for n, step in enumerate(steps):
            if n:
                yield
            self._put(step, forwards)

    def _put(self, step: Step, forwards: bool) -> None:
        for segment_id, old, new in step.planes(forwards):
            present = self.segments.read(segment_id, step.slice)
            self.segments.restore(segment_id, step.slice, with_hand_edits(new, old, present))
        known = step.new if forwards else step.old
        self.session.restore_state(self._labels[step.segment_id], step.slice, known.state)
        self._refuse((step.segment_id, step.slice), known.refused)

    def _refuse(self, place: tuple[str, SliceKey], refused: bytes | None) -> None:
        self._refused.pop(place, None)
        if refused is not None:
            self._refused[place] = refused


def with_hand_edits(new: np.ndarray, old: np.ndarray, present: np.ndarray) -> np.ndarray:
    """`new` with what was drawn by hand since `old` was written: additions stay, removals stay away.

    All (rows, columns) bool. present: what is there now. An emptied slice is a fresh start, no removal of all to come.
    """
    removed = old & ~present if present.any() else np.zeros_like(old)
    return (new | (present & ~old)) & ~removed
