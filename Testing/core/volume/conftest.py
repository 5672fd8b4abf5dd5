"""A small world for volume tests: a volume, and a session with a model simple enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import Volume, VolumeGeometry, VolumeSession, WindowLevel
from Testing.support.grey_predictor import MODEL, GreyPredictor

__all__ = ["BYTE_WINDOW", "MODEL", "GreyPredictor"]

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
