"""Keeps the segments of the scene in step with a session: what is predicted is written, and what people drew stays."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.volume import Extent, PropagationPlan, SliceKey, VolumeSession
from dfqsam_core.volume.prompts import Prompt
from dfqsam_core.volume.session.corrections import Answer, SlicePresent
from dfqsam_core.volume.session.history import History
from dfqsam_core.volume.session.session import SliceState
from dfqsam_core.volume.session.slice_predictor import SlicePrediction

from .history import AnyStep, ExtentStep, HandStep, SegmentStep, SliceStates, Step
from .segments import Segments

Item = TypeVar("Item")


class SegmentWriter:
    """One session and the segments that it is drawn into, with one history for both.

    history: of the actions before this session, of other sessions on the same segments; None for a new one.
    segment_ids: by the session's label. protect_others: whether writing a segment leaves all others as they are.
    about_to_change: called once before each action that changes segments, for an undo of somebody else's.
    """

    def __init__(self, session: VolumeSession, segments: Segments, history: History[AnyStep] | None = None) -> None:
        self.session = session
        self.segments = segments
        self.protect_others = True
        self.about_to_change: Callable[[], None] = lambda: None
        # IDs are unique and stay when a person renames a segment; so the session knows segments by them.
        self.segment_ids = {segment.label: segment.name for segment in session.segments}
        self._labels = {segment_id: label for label, segment_id in self.segment_ids.items()}
        # What the settings or other segments did not grant is no removal by hand.
        self._refused: dict[tuple[str, SliceKey], bytes] = {}
        self._history: History[AnyStep] = History() if history is None else history

    @property
    def can_undo(self) -> bool:
        """True where there is an action to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """True where there is an undone action to repeat."""
        return self._history.can_redo

    @property
    def to_undo(self) -> Sequence[AnyStep]:
        """Steps of the action that `undo` would take back."""
        return self._history.to_undo

    @property
    def to_redo(self) -> Sequence[AnyStep]:
        """Steps of the action that `redo` would repeat."""
        return self._history.to_redo

    def label(self, segment_id: str) -> int:
        """The session's label of a segment, which is added there when it is new; raises when the segment is gone."""
        return self._known(segment_id)[0]

    def _known(self, segment_id: str) -> tuple[int, SlicePresent | None]:
        """Label of a segment, and what any slice has where there is nothing of it in session and scene."""
        is_empty = self.segments.is_empty(segment_id)
        nothing = None
        if segment_id not in self._labels:
            label = self._labels[segment_id] = len(self._labels) + 1
            self.segment_ids[label] = segment_id
            self.session.add_segment(label, segment_id)
            nothing = SlicePresent(SliceState(), None) if is_empty else None
        return self._labels[segment_id], nothing

    def prediction(self, segment_id: str, key: SliceKey) -> SlicePrediction | None:
        """The candidates of a segment on a slice, None where it has none."""
        label = self.known_label(segment_id)
        return None if label is None else self.session.prediction(label, key)

    def known_label(self, segment_id: str) -> int | None:
        """The session's label of a segment, None where the session has nothing of it yet."""
        return self._labels.get(segment_id)

    def present(self, segment_id: str, key: SliceKey, is_outlined: bool = False) -> SlicePresent:
        """Return a segment's mask on a slice for a prompt to correct: what is drawn and loaded counts, and what
        settings or other segments did not grant; raises as `Segments.read` does.

        is_outlined: the slice will have an outline, which needs no mask to begin with.
        """
        label, nothing = self._known(segment_id)
        if nothing is not None:
            return nothing
        known = self.session.present(label, key)
        if is_outlined and known.state.corrected is None:
            return replace(known, mask=None)
        if known.mask is None and known.state.prompts and known.state.prediction is not None:
            return known
        region, drawn = self.session.region(label, key), self.segments.read(segment_id, key)
        granted = region & ~self._not_granted((segment_id, key), region)
        if known.mask is None and not (drawn & ~granted).any():
            return known
        is_emptied = granted.any() and not drawn.any()
        mask = None if is_emptied else with_hand_edits(region, granted, drawn)
        return replace(known, mask=mask, predicted=region)

    def remember(self, segment_id: str, prompt: Prompt) -> None:
        """Give a segment a prompt without a prediction, which follows with the next prompt on that slice; no undo."""
        label = self.label(segment_id)
        prompts = (*self.session.prompts(label, prompt.slice), prompt)
        self.session.restore_state(label, prompt.slice, SliceState(prompts))

    def accept(self, segment_id: str, key: SliceKey, answer: Answer) -> None:
        """Give a segment prompts and their answer on a slice, and write it; one undo step."""
        self._draw_now(segment_id, key, answer)

    def accept_plan(self, segment_id: str, plan: PropagationPlan) -> Iterator[None]:
        """Give a segment the slices that a propagation found, and write them; one undo step.

        The iterator pauses between slices; one that fails takes those before it back.
        """
        return self._draw(segment_id, ((key, Answer(state)) for key, state in plan.states(self.session)))

    def accept_many(self, segment_id: str, answers: Mapping[SliceKey, Answer]) -> Iterator[None]:
        """Give a segment prompts and answers on many slices, and write them; one undo step, with pauses."""
        return self._draw(segment_id, answers.items())

    def clear(self, segment_id: str) -> Iterator[None]:
        """Take back all that a segment was prompted and predicted; one undo step, with pauses between slices."""
        slices = self.session.slices_of(self.label(segment_id))
        return self._draw(segment_id, [(key, Answer(SliceState())) for key in slices])

    def edit(self, segment_id: str, edits: Iterable[tuple[SliceKey, np.ndarray, np.ndarray]]) -> Iterator[None]:
        """Draw by hand: add and take away voxels on slices; one undo step, with pauses between slices.

        edits: slice, and what is added and taken away there, (rows, columns) bool each. No prompt takes it back.
        """
        return self._act(segment_id, ((key, (added, removed)) for key, added, removed in edits), self._edit)

    def choose_mask(self, segment_id: str, key: SliceKey, candidate: int) -> None:
        """Use another candidate of the last prediction, and write it; one undo step."""
        self._draw_now(segment_id, key, Answer(self.session.with_candidate(self.label(segment_id), key, candidate)))

    def mark_extent(self, segment_id: str, extent: Extent) -> None:
        """Know where a segment starts and ends along an axis; one undo step."""
        label = self.label(segment_id)
        before = self.session.extents.of(label, extent.axis)
        self.session.extents.put(label, extent)
        self._history.add([ExtentStep(segment_id, before, extent)])

    def undo(self) -> Iterator[None] | None:
        """Take the last action back in session and segments, with pauses between slices; None: there is none."""
        return self._move(self._history.to_undo, self._history.undo(), forwards=False) if self.can_undo else None

    def redo(self) -> Iterator[None] | None:
        """Repeat the action undone last, with pauses between slices; None: there is none."""
        return self._move(self._history.to_redo, self._history.redo(), forwards=True) if self.can_redo else None

    def _draw_now(self, segment_id: str, key: SliceKey, answer: Answer) -> None:
        for _ in self._draw(segment_id, [(key, answer)]):
            pass

    def _draw(self, segment_id: str, answers: Iterable[tuple[SliceKey, Answer]]) -> Iterator[None]:
        """Give a segment the states of these answers, one slice after the other, and write each; one undo step."""
        return self._act(segment_id, answers, self._write)

    def _act(
        self,
        segment_id: str,
        items: Iterable[tuple[SliceKey, Item]],
        act: Callable[[str, SliceKey, Item, dict[str, np.ndarray]], HandStep],
    ) -> Iterator[None]:
        """Do something on one slice after the other; what changed, or was prompted, is one undo step."""
        steps: list[HandStep] = []
        is_first = True
        try:
            for key, item in items:
                if not is_first:
                    yield
                planes = self.segments.planes(segment_id, key)
                if is_first:
                    self.about_to_change()
                is_first = False
                step = act(segment_id, key, item, planes)
                if step.changes or isinstance(step, Step):
                    steps.append(step)
        except Exception:
            self._take_back(steps)
            raise
        if steps:
            self._history.add(steps)

    def _edit(
        self, segment_id: str, key: SliceKey, edit: tuple[np.ndarray, np.ndarray], planes: dict[str, np.ndarray]
    ) -> HandStep:
        added, removed = edit
        wanted = (planes[segment_id] | added) & ~removed
        return HandStep(segment_id, key, self.segments.write(segment_id, key, wanted, self.protect_others, planes))

    def _write(self, segment_id: str, key: SliceKey, answer: Answer, planes: dict[str, np.ndarray]) -> Step:
        """Make session and segment have an answer's state on a slice: both, or none where writing is refused."""
        label, state = self._labels.get(segment_id) or self.label(segment_id), answer.state
        old = SliceStates(self.session.state(label, key), self._refused.get((segment_id, key)))
        before = self.session.region(label, key) if answer.replaced is None else answer.replaced
        granted, present = before, planes[segment_id]
        if old.refused is not None:
            granted = before & ~self._not_granted((segment_id, key), before)
        self.session.restore_state(label, key, state)
        try:
            region = self.session.region(label, key)
            if old.state.corrected is not None and not state.is_correction and present.any():
                # What was drawn there before it was corrected counts as drawn again.
                region = with_hand_edits(region, old.state.corrected.predicted, old.state.corrected.mask)
            wanted = with_hand_edits(region, granted, present)
            changes = self.segments.write(segment_id, key, wanted, self.protect_others, planes)
        except Exception:
            self.session.restore_state(label, key, old.state)
            raise
        own = [change for change in changes if change.segment_id == segment_id]
        refused = wanted & ~(own[0].after if own else planes[segment_id])
        new = SliceStates(state, zlib.compress(np.packbits(refused).tobytes(), 1) if refused.any() else None)
        if new.refused is not old.refused:
            self._refuse((segment_id, key), new.refused)
        return Step(segment_id, key, changes, old, new)

    def _take_back(self, steps: list[HandStep]) -> None:
        """Undo what an action did before it failed; what cannot be reached now stays an action, to be undone later."""
        with contextlib.suppress(DFQSAMError):
            while steps:
                self._put(steps[-1], forwards=False)
                steps.pop()
        if steps:
            self._history.add(steps)

    def _move(self, action: Sequence[AnyStep], steps: Iterator[AnyStep], forwards: bool) -> Iterator[None]:
        """Move an action in session and segments; where that fails, the steps that are left stay where they are."""
        self.segments.check()
        changes = [change for step in action if isinstance(step, HandStep) for change in step.changes]
        for segment_id in {change.segment_id for change in changes}:
            self.segments.segment_name(segment_id)
        if not all(isinstance(step, ExtentStep) for step in action):
            self.about_to_change()
        for n, step in enumerate(steps):
            if n:
                yield
            if isinstance(step, SegmentStep):
                step.put(self.segments.node, forwards)
            elif isinstance(step, ExtentStep):
                self.session.extents.put(self.label(step.segment_id), step.new if forwards else step.old)
            else:
                self._put(step, forwards)

    def _put(self, step: HandStep, forwards: bool) -> None:
        for segment_id, old, new in step.planes(forwards):
            present = self.segments.read(segment_id, step.slice)
            self.segments.restore(segment_id, step.slice, with_hand_edits(new, old, present))
        if not isinstance(step, Step):
            return
        known = step.new if forwards else step.old
        self.session.restore_state(self.label(step.segment_id), step.slice, known.state)
        self._refuse((step.segment_id, step.slice), known.refused)

    def _not_granted(self, place: tuple[str, SliceKey], like: np.ndarray) -> np.ndarray:
        """(rows, columns) bool: what settings or other segments did not grant of what was written there last."""
        refused = self._refused.get(place)
        if refused is None:
            return np.zeros_like(like)
        packed = np.frombuffer(zlib.decompress(refused), np.uint8)
        return np.unpackbits(packed, count=like.size).view(bool).reshape(like.shape)

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
