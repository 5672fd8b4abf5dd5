"""A small world for volume tests: grids, volumes, and a predictor simple enough to check by eye."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings

from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import Volume, VolumeGeometry, VolumeSession, WindowLevel

# A busy machine is no reason to fail: these tests check results, never speed.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


class GreyPredictor:
    """SamPredictor's interface around an obvious model: pixels of about the clicked grey, kept inside the box.

    The embedding is the image itself; the three candidates are ever more generous, the second has the best score.
    """

    def __init__(self) -> None:
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
            same = np.abs(self.image - self.image[int(y), int(x)]) <= 8
            near &= same if label == 1 else ~same
        masks = np.stack([inside & near, inside & near, inside])
        masks[0, :, : width // 2] = False
        low_res = np.full((3, 64, 64), -1.0, np.float32)
        low_res[:, :8] = masks.mean()
        return masks, np.array([0.25, 0.75, 0.5], np.float32), low_res


MODEL = SimpleNamespace(digest="0" * 64)
BYTE_WINDOW = WindowLevel(255, 127.5)


@pytest.fixture
def a_volume() -> Volume:
    """uint8 (K, J, I) = (4, 5, 6): every voxel of slice k is 20 * k, with a bright block of 200 in its middle."""
    voxels = np.zeros((4, 5, 6), np.uint8) + 20 * np.arange(4, dtype=np.uint8)[:, None, None]
    voxels[:, 1:3, 2:5] = 200
    return Volume(voxels, VolumeGeometry(np.diag([-1.0, -1.0, 2.0, 1.0]), (6, 5, 4)))


@pytest.fixture
def a_predictor() -> GreyPredictor:
    return GreyPredictor()


@pytest.fixture
def a_session(a_volume: Volume, a_predictor: GreyPredictor) -> VolumeSession:
    """Two segments, liver (1) and spleen (2), and nothing in them."""
    session = VolumeSession(a_volume, MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=a_predictor)
    session.add_segment(1, "liver")
    session.add_segment(2, "spleen")
    return session
