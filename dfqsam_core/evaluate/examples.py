"""The objects that suffer most, with both answers and the prompts that led to them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.predictor import Predictor
from .laboratory import Comparison
from .scores import Measurement
from .trials import Question, questions_of


@dataclass(frozen=True)
class Prompts:
    """What a predictor was given last: points (N, 2) x, y with labels (N,), box (4,) xyxy, or None."""

    points: np.ndarray | None = None
    labels: np.ndarray | None = None
    box: np.ndarray | None = None


@dataclass(frozen=True)
class Answer:
    """A mask (H, W) bool and its prompts."""

    mask: np.ndarray
    prompts: Prompts


@dataclass(frozen=True)
class Example:
    """One measurement with all that is needed to look at it."""

    measurement: Measurement
    question: Question
    model: Answer
    reference: Answer


class _Notebook:
    """A predictor that notes its last prompts."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self.last = predictor, Prompts()

    def set_image(self, image: np.ndarray) -> None:
        self._predictor.set_image(image)

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool = True,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.last = Prompts(point_coords, point_labels, box)
        return self._predictor.predict(point_coords, point_labels, box, mask_input, multimask_output)


def worst_examples(comparison: Comparison, count: int) -> list[Example]:
    """The `count` objects with the largest drop in Dice, worst first; of an object only its worst prompt.

    Both models are asked again, which gives the same answers.
    """
    asked = [
        question
        for slice_ in comparison.laboratory.slices
        for question in questions_of(slice_, comparison.laboratory.kinds, comparison.laboratory.draws)
    ]
    pairs = zip(asked, comparison.measurements, strict=True)
    worst: dict[Any, tuple[Question, Measurement]] = {}
    for question, measurement in sorted(pairs, key=lambda pair: -pair[1].drop):
        worst.setdefault(measurement.object_key, (question, measurement))
    return [_example(comparison, *pair) for pair in itertools.islice(worst.values(), count)]


def _example(comparison: Comparison, question: Question, measurement: Measurement) -> Example:
    answers = []
    for predictor in (comparison.model, comparison.laboratory.reference):
        notebook = _Notebook(predictor)
        notebook.set_image(question.slice.image)
        mask = question.ask(notebook, comparison.laboratory.sampling.seed)
        answers.append(Answer(mask, notebook.last))
    return Example(measurement, question, answers[0], answers[1])
