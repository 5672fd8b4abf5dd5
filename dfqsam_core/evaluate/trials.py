"""What every model is asked, and how its answers are collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..progress import ProgressCallback, report
from ..runtime.predictor import Predictor
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
    """Ask `predictor` everything about all slices, one after the other; yields each trial with its answer."""
    for done, slice_ in enumerate(slices):
        report(progress, stage, done, len(slices), slice_.case)
        predictor.set_image(slice_.image)
        for trial in trials_of(slice_, kinds, draws):
            yield trial, trial.run(predictor, seed)
    report(progress, stage, len(slices), len(slices))
