"""Prompts that a person gives, one after the other: to a prediction, then a preview or a written segment."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Set
from dataclasses import replace
from functools import partial
from typing import TypeVar

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.progress import Cancelled, Progress, ProgressCallback
from dfqsam_core.volume import BoxPrompt, SliceKey
from dfqsam_core.volume.prompts import Prompt, is_outline, with_prompt, without_prompt
from dfqsam_core.volume.session.corrections import Answer, SlicePresent, answer, is_asked
from dfqsam_core.volume.session.session import SliceState
from dfqsam_core.volume.session.slice_predictor import SlicePrediction

from ..jobs.failure import sentence
from ..jobs.worker import Job, Worker
from ..jobs.writing import Writing
from ..nodes.preview import Preview, PreviewLayer
from ..nodes.slice_views import slice_words
from .predictions import SliceTask, answering, nearest_first, predict_slices, timed_prediction
from .prompt_requests import Place, Prompts, Request, with_requests
from .segment_writer import SegmentWriter

Result = TypeVar("Result")


class PromptQueue:
    """The prompts of a `Controller` and the messages on them; see there for the public attributes."""

    def __init__(
        self, writer: SegmentWriter, worker: Worker, changed: Callable[[], None], preview_layer: PreviewLayer | None
    ) -> None:
        self.writer, self.session, self.segments = writer, writer.session, writer.segments
        self.auto_accept, self.refine = True, False
        self.message, self.is_error = "", False
        self.seconds: float | None = None
        self.encoding_seconds: float | None = None
        self.decoding_seconds: float | None = None
        self.preview: Preview | None = None
        self.progress: Progress | None = None
        self._worker, self._changed, self._preview_layer = worker, changed, preview_layer
        # Told which slices an action is about, before anything there changes.
        self.bring_to_view: Callable[[Collection[SliceKey]], None] = lambda keys: None
        self._requests: deque[Request] = deque()
        # Prompts that are worked on, of the request in hand.
        self._coming: dict[Place, Prompts] = {}
        # What is asked for during work on many slices, to be shown before that ends.
        self._asked: deque[SliceTask] = deque()
        self._in_hand: Request | None = None
        self._looked_at: SliceKey | None = None
        self._job: Job | None = None
        self._is_acting = False
        self._writing = Writing(worker, self._go_on)

    @property
    def is_busy(self) -> bool:
        """True where a prompt or a propagation is being worked on or written, or waits for that."""
        return self._job is not None or self._writing.is_going or bool(self._requests)

    def all_prompts(self) -> dict[Place, Prompts]:
        """All prompts by segment and slice as a person sees them: those that are still worked on are there already."""
        names = self.writer.segment_ids
        found = {(names[label], key): prompts for (label, key), prompts in self.session.all_prompts().items()}
        if self.preview is not None:
            found[self.preview.segment_id, self.preview.key] = self.preview.prompts
        found |= self._coming
        if self._requests:
            found = with_requests(found, self._requests)
        return {place: prompts for place, prompts in found.items() if prompts}

    def prompts(self, segment_id: str, key: SliceKey) -> Prompts:
        """The prompts of a segment on a slice, those of a preview included."""
        if (preview := self._preview_of(segment_id, key)) is not None:
            return preview.prompts
        return self.session.prompts(self.writer.label(segment_id), key)

    def prediction(self, segment_id: str, key: SliceKey) -> SlicePrediction | None:
        """Candidates and the model's own estimates of a segment on a slice, those of a preview first."""
        if (preview := self._preview_of(segment_id, key)) is not None:
            return preview.prediction
        return self.writer.prediction(segment_id, key)

    def add_prompt(self, segment_id: str, prompt: Prompt) -> None:
        """Add a point or a box to a segment; a box replaces the slice's earlier box, a point an equal one."""
        self.ask(Request({(segment_id, prompt.slice): partial(with_prompt, prompt=prompt)}))

    def prompt_boxes(self, segment_id: str, boxes: tuple[BoxPrompt, ...], instead_of: Set[BoxPrompt]) -> None:
        """Give a segment boxes on many slices, instead of others; all are predicted and are one undo step.

        What an earlier call asked for and is not written yet is given up.
        """
        self.ask(Request.of_boxes(segment_id, boxes, instead_of, "boxes"))

    def remove_prompt(self, segment_id: str, prompt: Prompt) -> None:
        """Take one prompt back and predict its slice anew."""
        self.ask(Request({(segment_id, prompt.slice): partial(without_prompt, prompt=prompt)}))

    def clear_slice(self, segment_id: str, key: SliceKey) -> None:
        """Take back all prompts of a segment on a slice and what was predicted there; hand-drawn voxels stay."""
        self.ask(Request({(segment_id, key): lambda _: ()}, is_reset=True))

    def accept_preview(self) -> None:
        """Write the preview into its segment; it stays a preview where that is refused."""
        if self.preview is not None:
            self._do(partial(self._accept_shown, self.preview))

    def discard_preview(self) -> None:
        """Forget the preview and its prompts."""
        self._do(partial(self._show, None))

    def deliver(self) -> None:
        """Take over what the worker finished; to be called often while `is_busy`."""
        self._worker.deliver()

    def refuse(self, error: BaseException) -> None:
        """Make an error the message: one of ours as it is, any other with its kind."""
        self._say(sentence(error), is_error=True)

    def take_requests(self) -> tuple[Request, ...]:
        """Give up what is worked on and waits, for somebody else to ask again."""
        requests = (*filter(None, [self._in_hand]), *self._requests)
        self._drop_work()
        return requests

    def ask(self, request: Request) -> None:
        """Change prompts and predict their slices anew, after what was asked before."""
        self.bring_to_view([key for _, key in request.changes])
        if request.topic is not None:
            self._requests = deque(other for other in self._requests if other.topic != request.topic)
            if self._in_hand is not None and self._in_hand.topic == request.topic:
                self._drop_job()
        self._requests.append(request)
        self._advance()
        if self._requests:
            self._show_soon(request)
            self._tell()

    def _show_soon(self, request: Request) -> None:
        """Have what a waiting request on one slice will give predicted by the work that it waits for."""
        if self._job is None or len(request.changes) != 1:
            return
        (place,) = request.changes
        with contextlib.suppress(DFQSAMError):
            task = SliceTask(place, self.all_prompts().get(place, ()), self._present(place), self.refine)
            if is_asked(task.prompts, task.present, self.refine):
                self._asked.append(task)

    def _advance(self) -> None:
        """Begin the next request; only one at a time, so that each starts from what the one before it left."""
        while self._requests and self._job is None and not self._writing.is_going:
            self._do(partial(self._begin, self._requests.popleft()))

    def _begin(self, request: Request) -> None:
        if len(request.changes) != 1:
            self._begin_many(request)
            return
        ((place, change),) = request.changes.items()
        if self.preview is not None and self._preview_of(*place) is None:
            self.accept_preview()
        present = self._present(place)
        task = SliceTask(place, change(present.state.prompts), present, self.refine)
        if not is_asked(task.prompts, present, self.refine):
            found = answer(self.session.slices, place[1], task.prompts, present)
            self._take(place, Answer(SliceState()) if request.is_reset else found)
            return
        self._coming, self._in_hand = {place: task.prompts}, request
        self._start(partial(timed_prediction, self.session.slices, task), partial(self._measured, place))

    def _begin_many(self, request: Request) -> None:
        self.accept_preview()
        after = {place: change(self.prompts(*place)) for place, change in request.changes.items()}
        new = [place for place, prompts in after.items() if prompts != self.prompts(*place)]
        tasks = [SliceTask(place, after[place], self._present(place, after[place]), self.refine) for place in new]
        if not tasks:
            return
        self._coming, self._in_hand = {task.place: task.prompts for task in tasks}, request
        tasks = nearest_first(tasks, self._looked_at)
        self._start(partial(predict_slices, self.session.slices, tasks), self._take_many)

    def _present(self, place: Place, prompts: Prompts = ()) -> SlicePresent:
        preview = None if self.preview is None else self._preview_of(*place)
        return preview.present if preview else self.writer.present(*place, any(map(is_outline, prompts)))

    def _take_many(self, found: dict[Place, Answer]) -> None:
        (segment_id, _), *_ = found
        answers = {key: one for (_, key), one in found.items()}
        self._writing.start(self._until_written(self.writer.accept_many(segment_id, answers)))

    def _until_written(self, steps: Iterator[None]) -> Iterator[None]:
        """Steps; the prompts count as coming until the last of them is written."""
        try:
            yield from steps
        finally:
            self._coming = {}

    def _measured(self, place: Place, measured: tuple[Answer, float, bool]) -> None:
        found, self.seconds, is_new_slice = measured
        if is_new_slice:
            self.encoding_seconds = self.seconds
        else:
            self.decoding_seconds = self.seconds
        self._take(place, found)

    def _take(self, place: Place, found: Answer) -> None:
        self._coming = {}
        before = None if self.preview is None else self._preview_of(*place)
        preview = Preview(*place, found if before is None else replace(found, replaced=before.answer.replaced))
        (self._accept if self.auto_accept else self._show)(preview)
        self.message = found.note and found.note.format(slice=slice_words(self.session.volume.geometry, place[1]))

    def _accept_shown(self, preview: Preview) -> None:
        # Its slice comes before or after those of an action, never between them.
        self._writing.require_ended()
        self._accept(preview)

    def _accept(self, preview: Preview) -> None:
        self.writer.accept(preview.segment_id, preview.key, preview.answer)
        if self.preview is not None:
            self._show(None)

    def _show(self, preview: Preview | None) -> None:
        self.preview = preview
        if self._preview_layer is not None:
            self._preview_layer.show(preview)
        self._tell()

    def _preview_of(self, segment_id: str, key: SliceKey) -> Preview | None:
        preview = self.preview
        return preview if preview is not None and (preview.segment_id, preview.key) == (segment_id, key) else None

    def _start(self, work: Callable[[ProgressCallback], Result], done: Callable[[Result], None]) -> None:
        """Begin the one job at a time; done: what follows from its result."""

        def ended(result: Result) -> None:
            self._end_job()
            self._go_on(partial(done, result))

        self._asked = deque()
        work = partial(answering, self.session.slices, self._asked, work)
        self._job = self._worker.submit(Job(work, ended, self._failed, self._progressed))

    def _go_on(self, action: Callable[[], None]) -> None:
        """Do what follows from work that has ended, and begin what waits."""
        self._do(action, self._advance)

    def _drop_work(self) -> None:
        """Forget what waits, and let the job end at its next report; its result is thrown away."""
        self._requests.clear()
        self._drop_job()

    def _drop_job(self) -> None:
        if self._job is not None:
            self._job.cancelled.set()
            self._coming = {}
        self._end_job()

    def _end_job(self) -> None:
        if self.progress is not None and self.progress.preview is not None and self._preview_layer is not None:
            self._preview_layer.show(self.preview)
        self._job = self.progress = self._in_hand = None

    def _failed(self, error: BaseException) -> None:
        # A cancelled job was forgotten when that happened; what runs now was begun later.
        if not isinstance(error, Cancelled):
            self._drop_work()
            self.refuse(error)

    def _progressed(self, progress: Progress) -> None:
        before, self.progress = self.progress, progress
        is_new = before is None or before.preview is not progress.preview
        if self._preview_layer is not None and isinstance(progress.preview, Preview) and is_new:
            self._preview_layer.show(progress.preview)
        self._tell()

    def _do(self, *actions: Callable[[], None]) -> None:
        """Run each of them; what one refuses becomes the message. What they change is told once, at the end."""
        self.message, self.is_error = "", False
        is_part, self._is_acting = self._is_acting, True
        try:
            for action in actions:
                try:
                    action()
                except DFQSAMError as error:
                    self.refuse(error)
        finally:
            self._is_acting = is_part
        self._tell()

    def _say(self, message: str, is_error: bool = False) -> None:
        self.message, self.is_error = message, is_error
        self._tell()

    def _tell(self) -> None:
        if not self._is_acting:
            self._changed()
