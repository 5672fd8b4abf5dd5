"""Prompts in, segments out, without a panel: the Slicer module and the browser viewer both drive this."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

from dfqsam_core.errors import PromptError
from dfqsam_core.progress import Cancelled, Progress
from dfqsam_core.volume import (
    Extent,
    PropagationConfig,
    PropagationPlan,
    SliceKey,
    Stop,
    WindowLevel,
    plan_propagation,
)

from ..jobs.encoding_ahead import EncodingAhead
from ..jobs.time_left import TimeLeft
from ..jobs.worker import Worker
from ..nodes.preview import PreviewLayer
from ..nodes.slice_views import slice_words
from .extent_words import check_range, extent_sentence
from .hand_edits import Edited, HandEdit
from .history import AnyStep, HandStep
from .prompt_queue import PromptQueue
from .prompt_requests import Request
from .segment_writer import SegmentWriter


class Controller(PromptQueue):
    """A person's actions on one volume and one segmentation; all methods are for the main thread.

    changed: called after each change of what is public here. session, segments: what is prompted, and written.
    auto_accept: write predictions at once, without preview. refine: start each prediction from the slice's present
    mask. preview: what is not written yet, None for nothing. message: one sentence about the last thing that happened;
    is_error: whether that was a refusal or failure. progress: the latest report of what runs now, None where there is
    none. seconds: how long the last prediction took, encoding included; encoding_seconds, decoding_seconds: the last
    ones on a new slice and on one that was encoded before, None until measured. stops: where the last propagation
    ended; stops_of: the segment that it carried. next_prompt: segment and slice on which a prompt would help most then,
    None where that is not known. thorough: let the slices of the two other axes have a say in what is propagated.
    time_left: of the work that reports its progress now.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        worker: Worker,
        changed: Callable[[], None] = lambda: None,
        preview_layer: PreviewLayer | None = None,
    ) -> None:
        super().__init__(writer, worker, changed, preview_layer)
        self.stops: tuple[Stop, ...] = ()
        self.stops_of = ""
        self.next_prompt: tuple[str, SliceKey] | None = None
        self.thorough = False
        self.time_left = TimeLeft()
        self._ahead = EncodingAhead(worker, self.session.slices)

    @property
    def protect_others(self) -> bool:
        """True where writing a segment leaves all others as they are."""
        return self.writer.protect_others

    @protect_others.setter
    def protect_others(self, protect: bool) -> None:
        self.writer.protect_others = protect

    @property
    def about_to_change(self) -> Callable[[], None]:
        """Called once before each action that changes segments, for an undo of somebody else's."""
        return self.writer.about_to_change

    @about_to_change.setter
    def about_to_change(self, hear: Callable[[], None]) -> None:
        self.writer.about_to_change = hear

    @property
    def can_undo(self) -> bool:
        """True where `undo` has something to take back."""
        return self.is_busy or self.preview is not None or self.writer.can_undo

    @property
    def can_redo(self) -> bool:
        """True where `redo` has something to repeat."""
        return self.writer.can_redo

    def choose_candidate(self, segment_id: str, key: SliceKey, candidate: int) -> None:
        """Use candidate 0, 1 or 2 of a slice's prediction."""
        self._do(lambda: self._choose(segment_id, key, candidate))

    def undo(self) -> None:
        """Take the last action back: what waits, what is worked on, the preview, or the last edit."""
        if self._requests:
            # What it waits for goes on.
            self._requests.pop()
            self._say("")
        elif self.is_busy:
            self.cancel()
        elif self.preview is not None:
            self.discard_preview()
        else:
            self._show_slices_of(self.writer.to_undo)
            self._do(lambda: self._move(self.writer.undo(), "There is nothing to undo."))

    def redo(self) -> None:
        """Repeat the action undone last."""
        self._show_slices_of(self.writer.to_redo)
        self._do(lambda: self._move(self.writer.redo(), "There is nothing to redo."))

    def propagate(
        self, segment_id: str, axis: str, first: int, last: int, config: PropagationConfig | None = None
    ) -> None:
        """Carry a segment from its prompted slices to the slices `first` to `last`, both included; one undo step."""

        def begin() -> None:
            self._require_idle()
            session, label = self.session, self.writer.label(segment_id)
            extent, prompted = session.extents.of(label, axis), session.prompted_slices(label, axis)
            check_range(session.volume.geometry, extent, prompted, first, last)
            settings = config or PropagationConfig(thorough=self.thorough)
            self._start(lambda report: plan_propagation(session, label, axis, first, last, settings, report), done)

        def done(plan: PropagationPlan) -> None:
            self._writing.start(self.writer.accept_plan(segment_id, plan), lambda: self._tell_end(segment_id, plan))

        self.accept_preview()
        self._do(begin)

    def mark_end(self, segment_id: str, key: SliceKey, end: Literal["first", "last"]) -> None:
        """Know that a segment starts ("first") or ends ("last") on a slice; the same mark again takes it back.

        One undo step.
        """

        def mark() -> None:
            self._writing.require_ended()
            extent = self.extent(segment_id, key.axis).marked(end, key.index)
            self.writer.mark_extent(segment_id, extent)
            self._say(extent_sentence(self.session.volume.geometry, extent))

        self._do(mark)

    def extent(self, segment_id: str, axis: str) -> Extent:
        """Where a segment starts and ends along an axis, as far as somebody said."""
        label = self.writer.known_label(segment_id)
        return Extent(axis) if label is None else self.session.extents.of(label, axis)

    def clear_segment(self, segment_id: str) -> None:
        """Take back a segment's prompts on all slices and what they drew; hand-drawn voxels stay; one undo step."""

        def begin() -> None:
            self._require_idle()
            if self.preview is not None and self.preview.segment_id == segment_id:
                self._show(None)
            self._writing.start(self.writer.clear(segment_id))

        self._do(begin)

    def edit(self, edit: HandEdit) -> None:
        """Change a segment by hand, after what was asked before; one undo step, kept by later prompts."""
        self.ask(Request({}, edit=edit))

    def let_go_of(self, segment_id: str) -> None:
        """Cancel what is worked on, and forget the preview of a segment, before that is removed."""
        self.finish_writing()
        if self.is_busy:
            self.cancel()
        if self.preview is not None and self.preview.segment_id == segment_id:
            self.discard_preview()

    def change_window(self, window: WindowLevel) -> None:
        """Let the model see the volume through another window from now on; what was predicted before stays."""
        self._do(lambda: self._change_window(window))

    def look_at(self, key: SliceKey) -> None:
        """Tell which slice is looked at: it and its neighbours are encoded while nothing else runs."""
        self._looked_at = key
        self._ahead.look_at(key)

    def encode_ahead(self, enabled: bool) -> None:
        """Encode the slices around the one that is looked at, or no longer; on at first."""
        self._ahead.enable(enabled)

    def cancel(self) -> None:
        """Stop what is worked on and forget what waits; segments stay as they are."""
        self._drop_work()
        is_written = self._writing.is_going
        self._say("The slices are being written already; undo takes them back." if is_written else "Cancelled.")

    def finish_writing(self) -> None:
        """Write all that is still to be written at once, before the scene is saved or left."""
        self._writing.finish()

    def close(self) -> None:
        """Forget everything that is not written; the scene or one of the nodes is going away."""
        self._ahead.enable(False)
        self._writing.forget()
        self._drop_work()
        self.preview = None

    def _begin_many(self, request: Request) -> None:
        if request.edit is None:
            super()._begin_many(request)
            return
        self.accept_preview()
        work = request.edit.begin(self.segments)
        self._in_hand = request
        self._start(work, partial(self._write_edit, request.edit.segment_id))

    def _write_edit(self, segment_id: str, edited: Edited) -> None:
        before = self.writer.to_undo

        def tell() -> None:
            done = self.writer.to_undo if self.writer.to_undo is not before else ()
            self._say(edited.sentence([step for step in done if isinstance(step, HandStep)]))

        self._writing.start(self.writer.edit(segment_id, edited.planes), tell)

    def _failed(self, error: BaseException) -> None:
        is_edit = self._in_hand is not None and self._in_hand.edit is not None
        if not is_edit or isinstance(error, Cancelled):
            super()._failed(error)
            return
        # What waits does not build on it, and was not refused.
        self._drop_job()
        self._go_on(partial(self.refuse, error))

    def _tell_end(self, segment_id: str, plan: PropagationPlan) -> None:
        self.stops, self.stops_of = plan.stops, segment_id
        self.next_prompt = None if plan.next_prompt is None else (segment_id, SliceKey(plan.axis, plan.next_prompt))
        geometry = self.session.volume.geometry
        places = [slice_words(geometry, SliceKey(plan.axis, stop.last_index)) for stop in plan.stops]
        text = "; ".join(f"{place}: {stop.reason}" for place, stop in zip(places, plan.stops, strict=True))
        self._say(text[:1].upper() + text[1:])

    def _progressed(self, progress: Progress) -> None:
        if self.progress is None:
            # Another job has another pace.
            self.time_left = TimeLeft()
        self.time_left.note(progress, time.monotonic())
        super()._progressed(progress)

    def _change_window(self, window: WindowLevel) -> None:
        self._require_idle()
        self.session.slices.window = window
        self._ahead.renew()

    def _choose(self, segment_id: str, key: SliceKey, candidate: int) -> None:
        preview = self._preview_of(segment_id, key)
        if preview is not None and preview.prediction is not None:
            self._show(preview.with_choice(candidate))
            return
        self._writing.require_ended()
        self.writer.choose_mask(segment_id, key, candidate)

    def _move(self, steps: Iterator[None] | None, otherwise: str) -> None:
        self._require_idle()
        if steps is None:
            self._say(otherwise)
        else:
            self._writing.start(steps)

    def _show_slices_of(self, action: Sequence[AnyStep]) -> None:
        self.bring_to_view([step.slice for step in action if isinstance(step, HandStep)])

    def _require_idle(self) -> None:
        self._writing.require_ended()
        if self._job is not None:
            raise PromptError("Another prompt is being worked on. Wait for it, or cancel it.")
