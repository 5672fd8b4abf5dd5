"""The objects that suffer most, with both answers and the prompts that led to them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.predictor import Predictor
from .evaluator import Comparison
from .scores import Measurement
from .trials import Trial, trials_of


@dataclass(frozen=True)
class Prompts:
    """The prompts that a predictor was given last: points (N, 2) x, y with labels (N,), box (4,) xyxy, or None."""

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
    trial: Trial
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
        multimask_output: bool | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.last = Prompts(point_coords, point_labels, box)
        return self._predictor.predict(point_coords, point_labels, box, mask_input, multimask_output)


def worst_examples(comparison: Comparison, count: int) -> list[Example]:
    """The `count` objects with the largest drop in Dice, worst first; of an object only its worst prompt.

    Both models are asked again, which gives the same answers.
    """
    trials = [
        trial
        for slice_ in comparison.evaluator.slices
        for trial in trials_of(slice_, comparison.evaluator.kinds, comparison.evaluator.protocol.draws)
    ]
    pairs = zip(trials, comparison.measurements, strict=True)
    worst: dict[Any, tuple[Trial, Measurement]] = {}
    for trial, measurement in sorted(pairs, key=lambda pair: -pair[1].drop):
        worst.setdefault(measurement.object_key, (trial, measurement))
    return [_example(comparison, *pair) for pair in itertools.islice(worst.values(), count)]


def _example(comparison: Comparison, trial: Trial, measurement: Measurement) -> Example:
    answers = []
    for predictor in (comparison.model, comparison.evaluator.reference):
        notebook = _Notebook(predictor)
        notebook.set_image(trial.slice.image)
        mask = trial.run(notebook, comparison.evaluator.protocol.sampling.seed)
        answers.append(Answer(mask, notebook.last))
    return Example(measurement, trial, answers[0], answers[1])
