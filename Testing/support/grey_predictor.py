"""A model simple enough to check by eye."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GreyModel:
    """What a session asks of a model beside its predictor."""

    digest: str
    engine: str = "onnxruntime"
    card: None = None
    image_size: int = 64


MODEL = GreyModel("0" * 64)


class GreyPredictor:
    """SamPredictor's interface around an obvious model: pixels of about the clicked grey, kept inside the box.

    The embedding is the image itself; the three candidates are ever more generous, the second has the best score.
    reach: how far a grey may be from the clicked one, of 255.
    """

    def __init__(self, reach: float = 8) -> None:
        self.reach = reach
        self.encoded: list[np.ndarray] = []
        self.image: np.ndarray | None = None

    def set_image(self, image: np.ndarray) -> None:
        assert image.dtype == np.uint8
        assert image.ndim == 2
        self.encoded.append(image.copy())
        self.image = image.astype(np.float32)

    def get_image_embedding(self) -> np.ndarray:
        return self.image

    def set_image_embedding(self, embedding: np.ndarray, original_size: tuple[int, int]) -> None:
        assert embedding.shape == tuple(original_size)
        self.image = embedding

    def predict(self, point_coords=None, point_labels=None, box=None, mask_input=None, multimask_output=True):
        height, width = self.image.shape
        x0, y0, x1, y1 = (0, 0, width, height) if box is None else box.astype(int)
        inside = np.zeros((height, width), bool)
        inside[y0:y1, x0:x1] = True
        near = np.ones((height, width), bool)
        for (x, y), label in [] if point_coords is None else zip(point_coords, point_labels, strict=True):
            same = np.abs(self.image - self.image[int(y), int(x)]) <= self.reach
            near &= same if label == 1 else ~same
        masks = np.stack([inside & near, inside & near, inside])
        masks[0, :, : width // 2] = False
        low_res = np.full((3, 64, 64), -1.0, np.float32)
        low_res[:, :8] = masks.mean()
        return masks, np.array([0.25, 0.75, 0.5], np.float32), low_res
