"""What every model is asked, and how its answers are collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..progress import ProgressCallback, report
from ..runtime.ahead import Ahead
from ..runtime.predictor import Predictor, SamPredictor
from .dataset import LabelledSlice
from .label_prompts import PROMPT_KINDS, RANDOM_KINDS


@dataclass(frozen=True)
class Trial:
    """One object of one slice, one kind of prompt, one draw of its clicks.

    number: the object's place in its slice. draw: 0, 1, ...
    """

    slice: LabelledSlice
    number: int
    name: str
    kind: str
    draw: int

    @property
    def target(self) -> np.ndarray:
        """The label (H, W) bool."""
        return self.slice.masks[self.name]

    def run(self, predictor: Predictor, seed: int) -> np.ndarray:
        """Return the answer (H, W) bool of a predictor whose image is set.

        Every model gets the same random numbers, and all kinds of clicks begin with the same pixel.
        """
        stream = [seed, self.slice.index, self.number, *([self.draw] if self.draw else [])]
        return PROMPT_KINDS[self.kind](predictor, self.target, np.random.default_rng(stream))


def trials_of(slice_: LabelledSlice, kinds: Sequence[str], draws: int) -> Iterator[Trial]:
    """Everything that is asked about one slice: a box once, random clicks `draws` times."""
    for number, name in enumerate(slice_.masks):
        for kind in kinds:
            for draw in range(draws if kind in RANDOM_KINDS else 1):
                yield Trial(slice_, number, name, kind, draw)


def run_trials(
    predictor: Predictor,
    slices: Sequence[LabelledSlice],
    kinds: Sequence[str],
    draws: int,
    seed: int,
    stage: str,
    progress: ProgressCallback | None = None,
) -> Iterator[tuple[Trial, np.ndarray]]:
    """Ask `predictor` everything about all slices; yields each trial with its answer, slice after slice.

    A SamPredictor's model is asked about as many slices at once as it is worth while.
    """

    def answers(number: int, asked: Predictor = predictor) -> list[tuple[Trial, np.ndarray]]:
        asked.set_image(slices[number].image)
        return [(trial, trial.run(asked, seed)) for trial in trials_of(slices[number], kinds, draws)]

    def answers_beside(number: int) -> list[tuple[Trial, np.ndarray]]:
        assert isinstance(predictor, SamPredictor), "others have no threads"
        return answers(number, SamPredictor(predictor.model.side_by_side()))

    at_once = predictor.model.encoders if isinstance(predictor, SamPredictor) else 1
    with Ahead(answers_beside, range(len(slices)), at_once if at_once > 1 else 0) as ahead:
        for done, slice_ in enumerate(slices):
            report(progress, stage, done, len(slices), slice_.case)
            yield from ahead.take(done, answers)
    report(progress, stage, len(slices), len(slices))
