"""What a propagation reads of a session, predicts of it, and has found so far, without a change to the session."""

from __future__ import annotations

import copy
import threading

import numpy as np

from ....network.conventions import PromptKind
from ....progress import Cancelled, ProgressCallback, report
from ...slices import SliceFrame, SliceKey
from ..mask_prompts import mask_prompts
from ..session import VolumeSession
from ..slice_predictor import SlicePrediction, pixel_prompts
from .config import PropagationConfig


class Stack:
    """The slices of one axis with what one segment has on them.

    frame: the slices in canonical orientation, as all arrays here are. size: how many there are in the volume. seeds:
    the prompted ones that have masks, ascending. slices: shows them to the model. found: predictions by slice index.
    total: how many slices there are to predict. agreement_of_planes: IoU of what was found and what the vote made of
    it, by slice index.
    """

    def __init__(
        self,
        session: VolumeSession,
        label: int,
        axis: str,
        config: PropagationConfig,
        seeds: list[int],
        total: int,
        progress: ProgressCallback | None,
    ) -> None:
        self.session, self.label, self.axis, self.config = session, label, axis, config
        self.slices = session.slices
        self.frame = SliceFrame.of(session.volume.geometry, axis)
        self.size = session.volume.geometry.size_along(axis)
        self.seeds, self.total = seeds, total
        self.found: dict[int, SlicePrediction] = {}
        self.agreement_of_planes: dict[int, float] = {}
        self.progress = progress
        self._turn, self._given_up = threading.Lock(), threading.Event()

    def for_another_thread(self) -> Stack:
        """Return the same stack, what is found in it included, for a thread of its own."""
        other = copy.copy(self)
        other.slices = self.slices.for_another_thread()
        return other

    def give_up(self) -> None:
        """Have all threads end at their next slice."""
        self._given_up.set()

    def image(self, index: int) -> np.ndarray:
        """(H, W) uint8 as the model sees the slice."""
        return self.slices.image(SliceKey(self.axis, index))

    def seed(self, index: int) -> SlicePrediction:
        """The prediction of a prompted slice that has a mask."""
        prediction = self.session.prediction(self.label, SliceKey(self.axis, index))
        assert prediction is not None, "seeds have masks"
        return prediction

    def seed_box(self, index: int) -> np.ndarray | None:
        """(4,) xyxy of the box or lasso that a slice was prompted with, None where there is none."""
        return pixel_prompts(self.frame, self.session.prompts(self.label, SliceKey(self.axis, index)))[2]

    def mask(self, prediction: SlicePrediction) -> np.ndarray:
        """(H, W) bool, a view."""
        return self.frame.to_canonical(prediction.mask)

    def mask_at(self, index: int) -> np.ndarray | None:
        """(H, W) bool of a slice that is a seed or was found, None of any other."""
        if index in self.seeds:
            return self.mask(self.seed(index))
        return self.mask(self.found[index]) if index in self.found else None

    def ask_for_mask(
        self, index: int, mask: np.ndarray, before: SlicePrediction, image: np.ndarray | None = None
    ) -> SlicePrediction:
        """Predict a slice from the mask that is expected there; image: of the slice, where it is at hand.

        before: whose logits are given to the model as well.
        """
        self._report(index)
        config = self.config
        # Clicks, too, if the model knows them.
        points, against = (config.points, config.negative_points) if "point" in self._known else (0, 0)
        prompts = mask_prompts(mask, self.frame, index, config.box_margin, points, against)
        return self.slices.predict(SliceKey(self.axis, index), prompts, self._logits(before), image)

    def ask_for_box(
        self, index: int, box: np.ndarray, before: SlicePrediction | None, image: np.ndarray | None = None
    ) -> SlicePrediction:
        """Predict a slice from a box (4,) xyxy of fractions of pixels; before, image: as in `ask_for_mask`."""
        self._report(index)
        return self.slices.predict_box(SliceKey(self.axis, index), box, self._logits(before), image)

    def shape_alone(self, shape: np.ndarray, nearest: SlicePrediction) -> SlicePrediction:
        """A shape (H, W) bool as a prediction of its own; the model has no estimate for it."""
        no_logits = np.zeros_like(nearest.low_res_masks[:1])
        return SlicePrediction.of(self.frame.to_storage(shape)[None], np.array([np.nan], np.float32), no_logits)

    def _logits(self, before: SlicePrediction | None) -> np.ndarray | None:
        is_fed = self.config.feed_mask and "mask" in self._known
        return before.low_res_masks[before.chosen] if before is not None and is_fed else None

    @property
    def _known(self) -> frozenset[PromptKind]:
        return self.slices.conventions.prompts

    def _report(self, index: int) -> None:
        with self._turn:
            if self._given_up.is_set():
                raise Cancelled
            report(self.progress, "propagate", len(self.found), self.total, f"slice {self.axis} {index}")
