"""What a propagation looks at beside the model: where a shape moves, its grey values, and boxes between boxes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.evaluate import dice
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import BoxPrompt, PointPrompt, Volume, VolumeGeometry, VolumeSession, propagate
from dfqsam_core.volume.session.propagation import PropagationConfig
from dfqsam_core.volume.session.propagation.grey_values import GreyValues
from dfqsam_core.volume.session.propagation.registration import moved_mask

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor


def an_ellipse(x: float, y: float, a: float = 14, b: float = 9, shape: tuple[int, int] = (80, 90)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1


def an_image(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    """uint8: 150 in the mask, 90 around it, and noise."""
    noise = np.random.default_rng(seed).normal(0, 5, mask.shape)
    return np.clip(np.where(mask, 150, 90) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("x", "y", "a", "b"), [(43, 41, 14, 9), (40, 40, 17, 11), (40, 40, 11, 7)])
def test_a_mask_follows_what_moves_grows_or_shrinks(x, y, a, b):
    before, after = an_ellipse(40, 40), an_ellipse(x, y, a, b)
    moved = moved_mask(before, an_image(before), an_image(after, 1))
    assert dice(moved, after) > 0.95 > dice(before, after)


def test_a_large_mask_is_moved_on_a_thinned_image():
    before, after = (an_ellipse(x, 120, 80, 60, (240, 260)) for x in (120, 126))
    moved = moved_mask(before, an_image(before), an_image(after, 1))
    assert dice(moved, after) > 0.98 > dice(before, after)


def test_where_nothing_is_seen_to_move_the_mask_stays():
    mask = an_ellipse(40, 40)
    grey = np.full(mask.shape, 100, np.uint8)
    np.testing.assert_array_equal(moved_mask(mask, grey, grey), mask)


@pytest.mark.parametrize("shape", [(1, 90), (90, 1), (1, 300), (2, 300)])
def test_in_a_volume_of_hardly_any_rows_the_mask_stays(shape):
    mask = np.ones(shape, bool)
    np.testing.assert_array_equal(moved_mask(mask, an_image(mask), an_image(mask, 1)), mask)


def test_a_mask_at_the_border_of_the_image_stays_within_it():
    before, after = an_ellipse(2, 3), an_ellipse(4, 4)
    moved = moved_mask(before, an_image(before), an_image(after, 1))
    assert dice(moved, after) > 0.9


def test_the_field_agrees_with_that_of_simpleitks_demons():
    before, after = an_ellipse(40, 40), an_ellipse(43, 41)
    images = [an_image(mask, n) for n, mask in enumerate((before, after))]
    moving, fixed = (sitk.DiscreteGaussian(sitk.GetImageFromArray(image / np.float32(255)), 0.5) for image in images)
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfIterations(30)
    demons.SetSmoothDisplacementField(True)
    demons.SetStandardDeviations(2.0)
    transform = sitk.DisplacementFieldTransform(demons.Execute(fixed, moving))
    theirs = sitk.GetArrayFromImage(sitk.Resample(sitk.GetImageFromArray(before.astype(np.float32)), fixed, transform))
    assert dice(moved_mask(before, *images), theirs > 0.5) > 0.95


def test_the_number_of_threads_changes_no_byte():
    code = (
        "import hashlib; from Testing.core.volume.test_registration import *; m = an_ellipse(40, 40);"
        "print(hashlib.sha256(moved_mask(m, an_image(m), an_image(an_ellipse(43, 41), 1)).tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for threads in ("1", "4")
    }
    assert len(digests) == 1


def test_grey_values_tell_the_segment_from_what_is_around_it():
    mask = an_ellipse(40, 40)
    image = an_image(mask)
    values = GreyValues.of(mask, image)
    assert values.share(mask, image) == pytest.approx(1, abs=1e-6)
    beside = an_ellipse(15, 60, 8, 6)
    assert values.share(beside, image) < 0.2
    assert 0.3 < values.share(mask | np.roll(mask, 28, axis=1), image) < 0.8


def test_a_segment_like_its_surroundings_is_never_told_from_them():
    mask = an_ellipse(40, 40)
    flat = np.full(mask.shape, 100, np.uint8)
    assert GreyValues.of(mask, flat).share(an_ellipse(15, 60, 8, 6), flat) == 1
    assert GreyValues.of(np.ones_like(mask), flat).share(mask, flat) == 1


def test_the_chain_stops_where_the_grey_values_are_those_of_the_surroundings():
    voxels = np.stack([an_image(an_ellipse(40, 40), k) for k in range(9)])
    voxels[6:] = np.where(an_ellipse(40, 40), 95, voxels[6:])
    session = a_session(voxels)
    session.add_prompt(1, BoxPrompt((26, 31, 2), (54, 49, 2)))
    stops = propagate(session, 1, "K", 0, 8, PropagationConfig(min_stability=0)).stops
    assert stops[1].last_index == 5
    assert "likeness" in stops[1].reason


def a_session(voxels: np.ndarray) -> VolumeSession:
    volume = Volume(voxels, VolumeGeometry(np.diag([-1.0, -1.0, 1.0, 1.0]), voxels.shape[::-1]))
    session = VolumeSession(volume, MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=GreyPredictor())
    session.add_segment(1, "object")
    return session


def boxes_asked_for(session: VolumeSession, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Boxes of all later predictions, as the model gets them."""
    asked: list[np.ndarray] = []
    predict = GreyPredictor.predict

    def watched(self, point_coords=None, point_labels=None, box=None, mask_input=None, multimask_output=True):
        asked.append(box)
        return predict(self, point_coords, point_labels, box, mask_input, multimask_output)

    monkeypatch.setattr(GreyPredictor, "predict", watched)
    return asked


def test_between_two_boxes_the_model_gets_the_boxes_between_them(monkeypatch):
    session = a_session(np.full((5, 40, 40), 100, np.uint8))
    session.add_prompt(1, BoxPrompt((10, 10, 0), (19, 29, 0)))
    session.add_prompt(1, BoxPrompt((14, 11, 4), (21, 30, 4)))
    asked = boxes_asked_for(session, monkeypatch)
    propagate(session, 1, "K", 0, 4, PropagationConfig(min_stability=0))
    assert len(asked) == 3
    assert all(box.dtype == np.float32 for box in asked)
    assert [box.tolist() for box in asked] == [
        [11, 10.25, 20.5, 30.25],
        [12, 10.5, 21, 30.5],
        [13, 10.75, 21.5, 30.75],
    ]


def test_between_points_alone_the_model_gets_the_box_of_the_shape_between(monkeypatch):
    voxels = np.stack([an_image(an_ellipse(40, 40), k) // 60 * 60 for k in range(3)])
    session = a_session(voxels)
    for k in (0, 2):
        session.add_prompt(1, PointPrompt((40, 40, k)))
    asked = boxes_asked_for(session, monkeypatch)
    propagate(session, 1, "K", 0, 2, PropagationConfig(min_stability=0))
    assert [box.tolist() == np.round(box).tolist() for box in asked] == [True]
