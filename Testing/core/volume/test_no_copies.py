"""The volume is never copied: what the model sees is cut from the caller's own array, slice by slice."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from dfqsam_core.volume import (
    BoxPrompt,
    PointPrompt,
    SliceKey,
    Volume,
    VolumeGeometry,
    VolumeSession,
    WindowLevel,
    propagate,
    save_session,
)
from dfqsam_core.volume.session.propagation import PropagationConfig
from dfqsam_core.volume.slices import outwards

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor

# Oblique in storage: no axis of the array is one of the display.
TURNED = np.array([[0.0, 2, 0, 0], [0, 0, -1, 0], [3, 0, 0, 0], [0, 0, 0, 1]])
CONFIG = PropagationConfig(min_stability=0)


def a_session(voxels: np.ndarray) -> VolumeSession:
    volume = Volume(voxels, VolumeGeometry(TURNED, voxels.shape[::-1]))
    session = VolumeSession(volume, MODEL, BYTE_WINDOW, predictor=GreyPredictor())
    session.add_segment(1, "block")
    return session


def a_block(*shape: int) -> np.ndarray:
    """(K, J, I) int16: 200 in the middle half of each axis, 40 around it."""
    voxels = np.full(shape, 40, np.int16)
    voxels[tuple(slice(n // 4, 3 * n // 4) for n in shape)] = 200
    return voxels


def work(session: VolumeSession, axis: str) -> None:
    """Click, box, undo, encode ahead, and carry the segment over five slices."""
    middle = tuple(n // 2 for n in session.volume.geometry.shape_ijk)
    key = SliceKey(axis, middle["IJK".index(axis)])
    session.add_prompt(1, PointPrompt(middle, axis=axis))
    session.add_prompt(1, BoxPrompt(middle, middle, axis))
    session.undo()
    for neighbour in outwards(key, session.volume.geometry.size_along(axis), 2):
        session.slices.embed(neighbour)
    assert len(propagate(session, 1, axis, key.index - 2, key.index + 2, CONFIG).edits) == 4


@pytest.mark.parametrize("axis", "IJK")
def test_every_slice_is_a_view_of_the_callers_array(axis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planes = []
    apply = WindowLevel.apply

    def watched(window: WindowLevel, image: np.ndarray) -> np.ndarray:
        planes.append(image)
        return apply(window, image)

    monkeypatch.setattr(WindowLevel, "apply", watched)
    voxels = a_block(12, 16, 20)
    session = a_session(voxels)
    assert np.shares_memory(session.volume.voxels_kji, voxels)
    work(session, axis)
    # Two prompts, four slices ahead, four propagated ones, and both ways the slice that they are moved from.
    assert len(planes) == 2 + 4 + 4 + 2
    assert all(np.shares_memory(plane, voxels) for plane in planes)


def test_a_session_takes_a_few_slices_of_memory_whatever_the_size_of_its_volume(tmp_path) -> None:
    session = a_session(a_block(24, 512, 512))
    # What is imported or remembered at first use is no copy of a volume.
    work(a_session(a_block(12, 16, 20)), "K")
    tracemalloc.start()
    work(session, "K")
    save_session(tmp_path / "session.json", session)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < session.volume.voxels_kji.nbytes
