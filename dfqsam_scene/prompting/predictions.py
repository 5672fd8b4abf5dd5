"""What the worker's thread does for prompts: one prediction, or those of many slices, what is looked at first."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dfqsam_core.errors import PromptError
from dfqsam_core.progress import Progress, ProgressCallback, heard_by, report
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.session.corrections import Answer, SlicePresent, answer, ask_model
from dfqsam_core.volume.session.slice_predictor import SlicePredictor

from ..nodes.preview import Preview
from .prompt_requests import Place, Prompts

Result = TypeVar("Result")

# Nobody follows the progress of what takes less.
_LONG_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class SliceTask:
    """Prompts of a segment on a slice that shall be predicted; present, refine: as `corrections.answer` has them."""

    place: Place
    prompts: Prompts
    present: SlicePresent
    refine: bool


def nearest_first(tasks: Sequence[SliceTask], looked_at: SliceKey | None) -> list[SliceTask]:
    """Tasks in the order in which a person who looks at a slice wants to see them."""
    if looked_at is None:
        return list(tasks)
    return sorted(
        tasks, key=lambda task: (task.place[1].axis != looked_at.axis, abs(task.place[1].index - looked_at.index))
    )


def predict_slices(
    slices: SlicePredictor, tasks: Sequence[SliceTask], progress: ProgressCallback
) -> dict[Place, Answer]:
    """The answer to each task; the first one is reported as a preview."""
    found: dict[Place, Answer] = {}
    first = None
    with slices.ahead([task.place[1] for task in tasks]):
        for task in tasks:
            key = task.place[1]
            report(progress, "predict", len(found), len(tasks), f"slice {key.axis} {key.index}", first)
            found[task.place] = answer(slices, key, task.prompts, task.present, task.refine)
            first = first or Preview(*task.place, found[task.place])
    return found


def answering(
    slices: SlicePredictor,
    asked: deque[SliceTask],
    work: Callable[[ProgressCallback], Result],
    progress: ProgressCallback,
) -> Result:
    """Return what `work` returns; at each of its reports it first predicts what is asked meanwhile.

    asked: filled by the main thread; each answer is the preview of all reports until the next one, for somebody who
    clicks during work on many slices wants to see what the click gives before that ends.
    """
    shown: Preview | None = None

    def report_and_answer(reported: Progress) -> None:
        nonlocal shown
        progress(reported if shown is None else replace(reported, preview=shown))
        while asked:
            task = asked.popleft()
            # What is refused is said when its turn comes, and ends nothing else.
            with contextlib.suppress(PromptError):
                found = ask_model(slices, task.place[1], task.prompts, task.present, task.refine)
                shown = Preview(*task.place, found)
                progress(replace(reported, preview=shown))

    return work(report_and_answer)


def timed_prediction(slices: SlicePredictor, task: SliceTask, progress: ProgressCallback) -> tuple[Answer, float, bool]:
    """An answer, how many seconds it took, and whether the slice was encoded for it.

    progress: hears of a slice that takes long to encode, and may cancel that.
    """
    started, encodings = time.perf_counter(), slices.embeddings.encodings

    def hear(part: Progress) -> None:
        if time.perf_counter() - started > _LONG_SECONDS:
            progress(part)

    with heard_by(hear):
        found = ask_model(slices, task.place[1], task.prompts, task.present, task.refine)
    return found, time.perf_counter() - started, slices.embeddings.encodings > encodings
