"""Keeps the segments of the scene in step with a session: what is predicted is written, and what people drew stays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.volume import PropagationPlan, SliceEdit, SliceKey, VolumeSession
from dfqsam_core.volume.prompts import Prompt
from dfqsam_core.volume.session.session import SliceState
from dfqsam_core.volume.session.slice_predictor import SlicePrediction


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


# Slice by slice what an action changed; in the session each slice is an undo step of its own.
Action = list[tuple[Change, ...]]


class Segments(Protocol):
    """The part of `scene.SegmentScene` that is needed here."""

    def check(self) -> None:
        """Raise when the nodes are gone or have moved."""

    def segment_name(self, segment_id: str) -> str:
        """Name of a segment; raises when it is gone."""

    def read(self, segment_id: str, key: SliceKey) -> np.ndarray:
        """What a segment covers on a slice now."""

    def write(
        self, segment_id: str, key: SliceKey, mask: np.ndarray, protect_others: bool = True
    ) -> tuple[Change, ...]:
        """Make a segment cover a mask as far as the settings allow; returns all changes."""

    def restore(self, segment_id: str, key: SliceKey, mask: np.ndarray) -> None:
        """Make a segment cover exactly a mask."""


class Canvas:
    """One session and the segments that it is drawn into, with one history for both.

    protect_others: whether writing a segment leaves all others as they are. about_to_change: called once before each
    action that changes segments, for an undo of somebody else's.
    """

    def __init__(self, session: VolumeSession, segments: Segments) -> None:
        self.session = session
        self.segments = segments
        self.protect_others = True
        self.about_to_change: Callable[[], None] = lambda: None
        # IDs are unique and stay when a person renames a segment; so the session knows segments by them.
        self._labels = {segment.name: segment.label for segment in session.segments}
        # What the settings or other segments did not grant is no removal by hand.
        self._refused: dict[tuple[str, SliceKey], np.ndarray] = {}
        # What is to be moved first comes last: in `_done` the slice that was written last, in `_undone` the first one.
        self._done: list[Action] = []
        self._undone: list[Action] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an action to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone action to repeat."""
        return bool(self._undone)

    def label(self, segment_id: str) -> int:
        """The session's label of a segment, which is added there when it is new; raises when the segment is gone."""
        self.segments.segment_name(segment_id)
        if segment_id not in self._labels:
            self._labels[segment_id] = len(self._labels) + 1
            self.session.add_segment(self._labels[segment_id], segment_id)
        return self._labels[segment_id]

    def prediction(self, segment_id: str, key: SliceKey) -> SlicePrediction | None:
        """The candidates of a segment on a slice, None where it has none."""
        label = self._labels.get(segment_id)
        return None if label is None else self.session.prediction(label, key)

    def prompts(self) -> dict[tuple[str, SliceKey], tuple[Prompt, ...]]:
        """All prompts by segment and slice, segments and slices in order."""
        return {
            (segment_id, key): prompts
            for segment_id, label in self._labels.items()
            for key in self.session.slices_of(label)
            if (prompts := self.session.prompts(label, key))
        }

    def remember(self, segment_id: str, prompt: Prompt) -> None:
        """Give a segment a prompt without a prediction, which follows with the next prompt on that slice; no undo."""
        label = self.label(segment_id)
        prompts = (*self.session.prompts(label, prompt.slice), prompt)
        self.session.restore_state(label, prompt.slice, SliceState(prompts))

    def accept(
        self, segment_id: str, key: SliceKey, prompts: tuple[Prompt, ...], prediction: SlicePrediction | None
    ) -> None:
        """Give a segment prompts and their prediction on a slice, and write it; one undo step."""
        label = self.label(segment_id)
        _take_all(self._commit(segment_id, [key], lambda _: (self.session.accept(label, key, prompts, prediction),)))

    def accept_plan(self, segment_id: str, plan: PropagationPlan) -> Iterator[None]:
        """Give a segment the slices that a propagation found, and write them; one undo step.

        The iterator pauses between slices; one that fails takes those before it back.
        """
        keys = [SliceKey(plan.axis, index) for index in range(plan.first, plan.last + 1)]
        return self._commit(
            segment_id,
            keys,
            lambda key: self.session.replace_propagated(plan.label, plan.axis, [key.index], plan.found),
        )

    def choose_mask(self, segment_id: str, key: SliceKey, candidate: int) -> None:
        """Use another candidate of the last prediction, and write it; one undo step."""
        label = self.label(segment_id)
        _take_all(self._commit(segment_id, [key], lambda _: (self.session.choose_mask(label, key, candidate),)))

    def undo(self) -> Iterator[None] | None:
        """Take the last action back in session and segments, with pauses between slices; None: there is none."""
        return self._step(self._done, self._undone, self.session.undo, forwards=False) if self._done else None

    def redo(self) -> Iterator[None] | None:
        """Repeat the action undone last, with pauses between slices; None: there is none."""
        return self._step(self._undone, self._done, self.session.redo, forwards=True) if self._undone else None

    def _commit(
        self, segment_id: str, keys: Iterable[SliceKey], change: Callable[[SliceKey], tuple[SliceEdit, ...]]
    ) -> Iterator[None]:
        """Change the session on one slice after the other, and write each; change: returns nothing where it did not."""
        self.segments.check()
        label, action = self.label(segment_id), Action()
        try:
            for key in keys:
                if action:
                    yield
                before = self.session.region(label, key)
                if not change(key):
                    continue
                if not action:
                    self._undone.clear()
                    self.about_to_change()
                action.append(())
                action[-1] = self._write(segment_id, key, before)
        except DFQSAMError:
            for _ in action:
                self.session.undo()
            for done in reversed(list(itertools.chain(*action))):
                self.segments.restore(done.segment_id, done.slice, done.before)
            raise
        if action:
            self._done.append(action)

    def _write(self, segment_id: str, key: SliceKey, before: np.ndarray) -> tuple[Change, ...]:
        present = self.segments.read(segment_id, key)
        refused = self._refused.get((segment_id, key), np.zeros_like(present))
        predicted = self.session.region(self.label(segment_id), key)
        wanted = with_hand_edits(predicted, before & ~refused, present)
        changes = self.segments.write(segment_id, key, wanted, self.protect_others)
        refused = wanted & ~self.segments.read(segment_id, key)
        self._refused.pop((segment_id, key), None)
        if refused.any():
            self._refused[segment_id, key] = refused
        return changes

    def _step(
        self,
        source: list[Action],
        target: list[Action],
        move_session: Callable[[], tuple[SliceEdit, ...]],
        forwards: bool,
    ) -> Iterator[None]:
        """Take the last action of `source` to `target`; where that fails, the slices that are left stay in `source`."""
        self.segments.check()
        action, moved = source[-1], Action()
        for change in itertools.chain(*action):
            self.segments.segment_name(change.segment_id)
        self.about_to_change()
        while action:
            if moved:
                yield
            for change in action[-1] if forwards else reversed(action[-1]):
                self._restore(change, forwards)
            move_session()
            if not moved:
                target.append(moved)
            moved.append(action.pop())
        source.pop()

    def _restore(self, change: Change, forwards: bool) -> None:
        old, new = (change.before, change.after) if forwards else (change.after, change.before)
        present = self.segments.read(change.segment_id, change.slice)
        self.segments.restore(change.segment_id, change.slice, with_hand_edits(new, old, present))


def _take_all(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


def with_hand_edits(new: np.ndarray, old: np.ndarray, present: np.ndarray) -> np.ndarray:
    """`new` with what was drawn by hand since `old` was written: additions stay, removals stay away.

    All (rows, columns) bool. present: what is there now. An emptied slice is a fresh start, no removal of all to come.
    """
    removed = old & ~present if present.any() else np.zeros_like(old)
    return (new | (present & ~old)) & ~removed
