"""A model that answers with the mask it is given, so that a test sees what was drawn into it."""

from __future__ import annotations

import numpy as np

from .grey_predictor import GreyPredictor

SIDE = 64


class DrawingPredictor(GreyPredictor):
    """Without a mask prompt the grey predictor, its logits 4 and -4; with one, that mask, each pixel as its cell.

    mask_inputs, points: what it was given, call after call; points with their labels.
    """

    def __init__(self, reach: float = 8) -> None:
        super().__init__(reach)
        self.mask_inputs: list[np.ndarray | None] = []
        self.points: list[list[tuple[list[float], int]]] = []

    def predict(self, point_coords=None, point_labels=None, box=None, mask_input=None, multimask_output=True):
        self.mask_inputs.append(mask_input)
        clicks = [] if point_coords is None else zip(point_coords.tolist(), point_labels.tolist(), strict=True)
        self.points.append(list(clicks))
        masks, estimates, _ = super().predict(point_coords, point_labels, box)
        if mask_input is None:
            return masks, estimates, np.where(_resized(masks, (SIDE, SIDE)), 4, -4).astype(np.float32)
        low_res = np.repeat(mask_input, 3, axis=0).astype(np.float32)
        return _resized(low_res > 0, self.image.shape), estimates, low_res


def _resized(masks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = (
        ((np.arange(to) + 0.5) * size / to).astype(int) for to, size in zip(shape, masks.shape[1:], strict=True)
    )
    return masks[:, rows[:, None], columns]
