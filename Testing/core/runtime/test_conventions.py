"""What lies between a picture and a network, by the conventions of SAM and MedSAM; their originals are beside this."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from dfqsam_core import SamPredictor, load_model
from dfqsam_core.errors import PromptError
from dfqsam_core.network.conventions import CONVENTIONS, MEDSAM, SAM, SAM_MED2D
from dfqsam_core.runtime.preprocess import full_size_logits, network_coordinates, network_pixels
from Testing.support.toy import random_tensors, toy_architecture

SIDES = st.integers(1, 700)
NAMES = st.sampled_from(sorted(CONVENTIONS))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float checkpoint of 64-pixel images without adapters."""
    path = tmp_path_factory.mktemp("toy") / "toy.safetensors"
    save_file(random_tensors(toy_architecture(adapter_dim=0), 2), path)
    return path


@given(NAMES, SIDES, SIDES, st.floats(0, 1), st.floats(0, 1))
def test_coordinates_go_forth_and_back(name: str, height: int, width: int, u: float, v: float) -> None:
    conventions, xy = CONVENTIONS[name], np.array([u * width, v * height])
    rows, columns = conventions.resized_shape((height, width), 1024)
    there = network_coordinates(xy, (height, width), 1024, conventions)
    assert (there <= (columns + 1e-3, rows + 1e-3)).all()
    np.testing.assert_allclose(there / (columns / width, rows / height), xy, rtol=1e-5, atol=1e-3)


@given(SIDES, SIDES)
def test_sam_keeps_the_aspect_within_a_pixel(height: int, width: int) -> None:
    rows, columns = SAM.resized_shape((height, width), 1024)
    assert max(rows, columns) == 1024
    assert abs(rows - max(1, 1024 * height / max(height, width))) <= 0.5
    assert abs(columns - max(1, 1024 * width / max(height, width))) <= 0.5
    assert MEDSAM.resized_shape((height, width), 1024) == SAM_MED2D.resized_shape((height, width), 1024) == (1024, 1024)


@given(NAMES, st.integers(1, 90), st.integers(1, 90))
def test_every_picture_becomes_a_square_of_its_kind(name: str, height: int, width: int) -> None:
    conventions = CONVENTIONS[name]
    image = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    pixels = network_pixels(image, 64, conventions=conventions)
    assert (pixels.shape, pixels.flags.c_contiguous) == ((64, 64, 3), True)
    assert pixels.dtype == (np.uint8 if conventions.has_whole_pixels else np.float32)
    assert 0 <= pixels.min() <= pixels.max() <= 255


def test_what_fills_sams_square_is_zero_once_it_is_normalised() -> None:
    pixels = network_pixels(np.full((20, 40), 255, np.uint8), 64, conventions=SAM)
    beside = (pixels[32:] - np.float32(SAM.pixel_mean)) / np.float32(SAM.pixel_std)
    np.testing.assert_array_equal(beside, np.zeros_like(beside))
    np.testing.assert_array_equal(pixels[:32], np.full((32, 64, 3), 255, np.float32))


def test_medsam_sees_each_slice_from_its_darkest_to_its_brightest_pixel() -> None:
    ramp = np.linspace(90, 110, 64).astype(np.uint8)[None].repeat(64, axis=0)
    pixels = network_pixels(ramp, 64, conventions=MEDSAM)
    assert (pixels.min(), pixels.max()) == (0, 255)
    flat = network_pixels(np.full((10, 10), 77, np.uint8), 64, conventions=MEDSAM)
    np.testing.assert_array_equal(flat, np.zeros_like(flat))


def test_a_mask_of_sam_lies_where_the_picture_is() -> None:
    logits = np.full((1, 16, 16), -8.0, np.float32)
    # Of the square that a picture of 20 x 40 fills to its half, the lower quarter of the picture.
    logits[:, 6:8] = 8
    mask = full_size_logits(logits, (20, 40), 64, SAM)[0] > 0
    np.testing.assert_array_equal(mask, np.arange(20)[:, None].repeat(40, axis=1) >= 15)


def test_sam_gives_three_masks_for_one_prompt_and_one_for_several(path: Path) -> None:
    predictor = SamPredictor(load_model(path, threads=1, conventions="sam"))
    predictor.set_image(np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8))
    one, two = (
        {"point_coords": [[9, 9]], "point_labels": [1]},
        {"point_coords": [[9, 9], [2, 3]], "point_labels": [1, 0]},
    )
    box = {"box": [3, 3, 20, 30]}
    counts = [len(predictor.predict(**prompts)[0]) for prompts in (one, box, two, one | box)]
    assert counts == [3, 3, 1, 1]
    low_res = predictor.predict(**one)[2][:1]
    assert len(predictor.predict(**one, mask_input=low_res)[0]) == 1


def test_medsam_takes_boxes_alone_and_gives_one_mask(path: Path) -> None:
    predictor = SamPredictor(load_model(path, threads=1, conventions="medsam"))
    predictor.set_image(np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8))
    masks, _, low_res = predictor.predict(box=[3, 3, 20, 30])
    assert len(masks) == 1
    for prompts in (
        {"point_coords": [[9, 9]], "point_labels": [1]},
        {"box": [3, 3, 20, 30], "point_coords": [[9, 9]], "point_labels": [1]},
        {"box": [3, 3, 20, 30], "mask_input": low_res},
    ):
        with pytest.raises(PromptError, match=r"MedSAM was trained with boxes alone, not with \w+\. Draw a box"):
            predictor.predict(**prompts)
    with pytest.raises(PromptError, match="MedSAM was trained to give one mask, not three"):
        predictor.predict(box=[3, 3, 20, 30], multimask_output=True)
