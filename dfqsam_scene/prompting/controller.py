"""Prompts in, segments out, without a panel: the Slicer module and the browser viewer both drive this."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.progress import Progress
from dfqsam_core.volume import PropagationConfig, PropagationPlan, SliceKey, Stop, WindowLevel, plan_propagation
from dfqsam_core.volume.prompts import Prompt, can_predict
from dfqsam_core.volume.session.slice_predictor import SlicePrediction

from ..jobs.failure import sentence
from ..jobs.single_job import SingleJob
from ..jobs.worker import Worker
from ..jobs.writing import Writing
from ..nodes.preview import Preview, PreviewLayer
from .canvas import Canvas
from .prompt_requests import Prompts, Request, with_prompt, with_requests, without_prompt


class Controller:
    """What a person does on one volume and one segmentation; all methods are for the main thread.

    changed: called after each change of what is public here. auto_accept: write predictions at once, without preview.
    refine: start each prediction from the slice's present mask. message: one sentence about the last thing that
    happened; is_error: whether that was a refusal or failure. seconds: how long the last prediction took, encoding
    included; encoding_seconds, decoding_seconds: the last ones on a new slice and on one that
    was encoded before, None until measured. stops: where the last propagation ended.
    """

    def __init__(
        self,
        canvas: Canvas,
        worker: Worker,
        changed: Callable[[], None] = lambda: None,
        preview_layer: PreviewLayer | None = None,
    ) -> None:
        self.canvas = canvas
        self.auto_accept = True
        self.refine = False
        self.message, self.is_error = "", False
        self.seconds: float | None = None
        self.encoding_seconds: float | None = None
        self.decoding_seconds: float | None = None
        self.stops: tuple[Stop, ...] = ()
        self.preview: Preview | None = None
        self._worker = worker
        self._changed = changed
        self._preview_layer = preview_layer
        self._requests: deque[Request] = deque()
        self._current: Request | None = None
        self._running = SingleJob(worker, self._go_on, self._failed, changed)
        self._writing = Writing(worker, self._go_on)

    @property
    def progress(self) -> Progress | None:
        """The latest report of what runs now, None where there is none."""
        return self._running.progress

    @property
    def is_busy(self) -> bool:
        """Whether a prompt or a propagation is being worked on or written, or waits for that."""
        return self._running.is_going or self._writing.is_going or bool(self._requests)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return self.is_busy or self.preview is not None or self.canvas.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether `redo` has something to repeat."""
        return self.canvas.can_redo

    def all_prompts(self) -> dict[tuple[str, SliceKey], Prompts]:
        """All prompts by segment and slice as a person sees them: those that are still worked on are there already."""
        found = self.canvas.prompts()
        if self.preview is not None:
            found[self.preview.segment_id, self.preview.key] = self.preview.prompts
        current = () if self._current is None else (self._current,)
        return with_requests(found, (*current, *self._requests))

    def prompts(self, segment_id: str, key: SliceKey) -> Prompts:
        """The prompts of a segment on a slice, those of a preview included."""
        if (preview := self._preview_of(segment_id, key)) is not None:
            return preview.prompts
        return self.canvas.session.prompts(self.canvas.label(segment_id), key)

    def prediction(self, segment_id: str, key: SliceKey) -> SlicePrediction | None:
        """Candidates and the model's own estimates of a segment on a slice, those of a preview first."""
        if (preview := self._preview_of(segment_id, key)) is not None:
            return preview.prediction
        return self.canvas.prediction(segment_id, key)

    def add_prompt(self, segment_id: str, prompt: Prompt) -> None:
        """Add a point or a box to a segment; a box replaces the slice's earlier box, a point an equal one."""
        self._ask(Request(segment_id, prompt.slice, lambda prompts: with_prompt(prompts, prompt)))

    def remove_prompt(self, segment_id: str, prompt: Prompt) -> None:
        """Take one prompt back and predict its slice anew."""
        self._ask(Request(segment_id, prompt.slice, lambda prompts: without_prompt(prompts, prompt)))

    def clear_slice(self, segment_id: str, key: SliceKey) -> None:
        """Take back all prompts of a segment on a slice and what was predicted there; hand-drawn voxels stay."""
        self._ask(Request(segment_id, key, lambda _: ()))

    def choose_candidate(self, segment_id: str, key: SliceKey, candidate: int) -> None:
        """Use candidate 0, 1 or 2 of a slice's prediction."""
        self._do(lambda: self._choose(segment_id, key, candidate))

    def accept_preview(self) -> None:
        """Write the preview into its segment; it stays a preview where that is refused."""
        preview = self.preview
        if preview is not None:
            self._do(lambda: self._accept(preview))

    def discard_preview(self) -> None:
        """Forget the preview and its prompts."""
        self._do(lambda: self._show(None))

    def undo(self) -> None:
        """Take the last action back: what is still worked on, else the preview, else the last edit."""
        if self.is_busy:
            self.cancel()
        elif self.preview is not None:
            self.discard_preview()
        else:
            self._do(lambda: self._move(self.canvas.undo(), "There is nothing to undo."))

    def redo(self) -> None:
        """Repeat the action undone last."""
        self._do(lambda: self._move(self.canvas.redo(), "There is nothing to redo."))

    def propagate(
        self, segment_id: str, axis: str, first: int, last: int, config: PropagationConfig | None = None
    ) -> None:
        """Carry a segment from its prompted slices to the slices `first` to `last`, both included; one undo step."""

        def begin() -> None:
            self._require_idle()
            session, label = self.canvas.session, self.canvas.label(segment_id)
            self._running.start(
                lambda report: plan_propagation(session, label, axis, first, last, config, report), done
            )

        def done(plan: PropagationPlan) -> None:
            self._writing.start(self.canvas.accept_plan(segment_id, plan), lambda: self._tell_stops(axis, plan.stops))

        self.accept_preview()
        self._do(begin)

    def change_window(self, window: WindowLevel) -> None:
        """Let the model see the volume through another window from now on; what was predicted before stays."""
        self._do(lambda: self._change_window(window))

    def cancel(self) -> None:
        """Stop what is worked on and forget what waits; segments stay as they are."""
        self._drop_work()
        is_written = self._writing.is_going
        self._say("The slices are being written already; undo takes them back." if is_written else "Cancelled.")

    def finish_writing(self) -> None:
        """Write all that is still to be written at once, before the scene is saved or left."""
        self._writing.finish()

    def deliver(self) -> None:
        """Take over what the worker finished; to be called often while `is_busy`."""
        self._worker.deliver()

    def close(self) -> None:
        """Forget everything that is not written; the scene or one of the nodes is going away."""
        self._writing.forget()
        self._drop_work()
        self.preview = None

    def _drop_work(self) -> None:
        self._requests.clear()
        self._running.forget()
        self._current = None

    def _ask(self, request: Request) -> None:
        self._requests.append(request)
        self._advance()

    def _advance(self) -> None:
        """Begin the next request; only one at a time, so that each starts from what the one before it left."""
        while self._requests and not self._running.is_going and not self._writing.is_going:
            request = self._requests.popleft()
            self._do(partial(self._begin, request))

    def _begin(self, request: Request) -> None:
        if self.preview is not None and self._preview_of(request.segment_id, request.key) is None:
            self.accept_preview()
        prompts = request.change(self.prompts(request.segment_id, request.key))
        present = self.prediction(request.segment_id, request.key) if self.refine else None
        if not can_predict(prompts):
            self._take(request, prompts, None)
            return
        low_res = None if present is None else present.low_res_masks[present.chosen]
        slices, started = self.canvas.session.slices, time.perf_counter()
        encodings, self._current = slices.encodings, request

        def done(prediction: SlicePrediction) -> None:
            self._measured(time.perf_counter() - started, slices.encodings > encodings)
            self._take(request, prompts, prediction)

        self._running.start(lambda _: slices.predict(request.key, prompts, low_res), done)

    def _measured(self, seconds: float, is_new_slice: bool) -> None:
        self.seconds = seconds
        if is_new_slice:
            self.encoding_seconds = seconds
        else:
            self.decoding_seconds = seconds

    def _take(self, request: Request, prompts: Prompts, prediction: SlicePrediction | None) -> None:
        preview = Preview(request.segment_id, request.key, prompts, prediction)
        if self.auto_accept:
            self._accept(preview)
        else:
            self._show(preview)

    def _accept(self, preview: Preview) -> None:
        self.canvas.accept(preview.segment_id, preview.key, preview.prompts, preview.prediction)
        self._show(None)

    def _tell_stops(self, axis: str, stops: tuple[Stop, ...]) -> None:
        self.stops = stops
        self._say("; ".join(f"Slice {axis} {stop.last_index}: {stop.reason}" for stop in stops))

    def _change_window(self, window: WindowLevel) -> None:
        self._require_idle()
        self.canvas.session.slices.window = window

    def _choose(self, segment_id: str, key: SliceKey, candidate: int) -> None:
        preview = self._preview_of(segment_id, key)
        if preview is not None and preview.prediction is not None:
            self._show(replace(preview, prediction=preview.prediction.with_choice(candidate)))
            return
        self._writing.require_ended()
        self.canvas.choose_mask(segment_id, key, candidate)

    def _move(self, steps: Iterator[None] | None, otherwise: str) -> None:
        self._require_idle()
        if steps is None:
            self._say(otherwise)
        else:
            self._writing.start(steps)

    def _go_on(self, action: Callable[[], None]) -> None:
        """Do what follows from work that has ended, and begin what waits."""
        self._current = None
        self._do(action)
        self._advance()

    def _failed(self, error: BaseException) -> None:
        self._drop_work()
        self.refuse(error)

    def _do(self, action: Callable[[], None]) -> None:
        """Run an action; what it refuses becomes the message."""
        self.message, self.is_error = "", False
        try:
            action()
        except DFQSAMError as error:
            self.refuse(error)
        self._changed()

    def refuse(self, error: BaseException) -> None:
        """Make an error the message: one of ours as it is, any other with its kind."""
        self._say(sentence(error), is_error=True)

    def _say(self, message: str, is_error: bool = False) -> None:
        self.message, self.is_error = message, is_error
        self._changed()

    def _show(self, preview: Preview | None) -> None:
        self.preview = preview
        if self._preview_layer is not None:
            self._preview_layer.show(preview)
        self._changed()

    def _preview_of(self, segment_id: str, key: SliceKey) -> Preview | None:
        preview = self.preview
        return preview if preview is not None and (preview.segment_id, preview.key) == (segment_id, key) else None

    def _require_idle(self) -> None:
        self._writing.require_ended()
        if self._running.is_going:
            raise PromptError("Another prompt is being worked on. Wait for it, or cancel it.")
