"""What the worker's thread does for prompts: one prediction, or those of many slices, what is looked at first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from dfqsam_core.progress import Progress, ProgressCallback, report
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.prompts import can_predict
from dfqsam_core.volume.session.slice_predictor import SlicePrediction, SlicePredictor

from ..nodes.preview import Preview
from .prompt_requests import Place, Prompts

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class SliceTask:
    """Prompts of a segment on a slice that shall be predicted; low_res_mask: as SlicePredictor.predict has it."""

    place: Place
    prompts: Prompts
    low_res_mask: np.ndarray | None


def nearest_first(tasks: Sequence[SliceTask], looked_at: SliceKey | None) -> list[SliceTask]:
    """Tasks in the order in which a person who looks at a slice wants to see them."""
    if looked_at is None:
        return list(tasks)
    return sorted(
        tasks, key=lambda task: (task.place[1].axis != looked_at.axis, abs(task.place[1].index - looked_at.index))
    )


def predict_slices(
    slices: SlicePredictor, tasks: Sequence[SliceTask], progress: ProgressCallback
) -> dict[Place, SlicePrediction | None]:
    """The prediction of each task, None where its prompts select nothing; the first one is reported as a preview."""
    found: dict[Place, SlicePrediction | None] = {}
    first = None
    with slices.ahead([task.place[1] for task in tasks]):
        for task in tasks:
            segment_id, key = task.place
            report(progress, "predict", len(found), len(tasks), f"slice {key.axis} {key.index}", first)
            is_asked = can_predict(task.prompts, has_mask=task.low_res_mask is not None)
            found[task.place] = slices.predict(key, task.prompts, task.low_res_mask) if is_asked else None
            first = first or Preview(segment_id, key, task.prompts, found[task.place])
    return found


def answering(
    slices: SlicePredictor,
    asked: deque[SliceTask],
    work: Callable[[ProgressCallback], Result],
    progress: ProgressCallback,
) -> Result:
    """What `work` returns; at each of its reports it first predicts what is asked meanwhile.

    asked: filled by the main thread; each answer is the preview of all reports until the next one, for somebody who
    clicks during work on many slices wants to see what the click gives before that ends.
    """
    answer: Preview | None = None

    def report_and_answer(reported: Progress) -> None:
        nonlocal answer
        progress(reported if answer is None else replace(reported, preview=answer))
        while asked:
            task = asked.popleft()
            prediction = slices.predict(task.place[1], task.prompts, task.low_res_mask)
            answer = Preview(*task.place, task.prompts, prediction)
            progress(replace(reported, preview=answer))

    return work(report_and_answer)


def timed_prediction(
    slices: SlicePredictor, task: SliceTask, _: ProgressCallback
) -> tuple[SlicePrediction, float, bool]:
    """A prediction, how many seconds it took, and whether the slice was encoded for it."""
    started, encodings = time.perf_counter(), slices.encodings
    prediction = slices.predict(task.place[1], task.prompts, task.low_res_mask)
    return prediction, time.perf_counter() - started, slices.encodings > encodings
