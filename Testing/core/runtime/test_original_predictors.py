"""Each convention's float model answers as the program does that it comes from, on real slices of odd sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.ndimage import binary_dilation, binary_erosion

from dfqsam_core.runtime import SamPredictor, load_model
from dfqsam_core.runtime.resizing import resized_picture
from dfqsam_core.volume import SliceFrame, auto_window, read_volume
from Testing.support.toy import random_tensors, toy_architecture

pytest.importorskip("torch")
pytest.importorskip("skimage")

from Testing.support.original_sam import medsam_mask, medsam_square, original_predictor, original_sam

# By name: volume, its axis, slice, and rows and columns that are left, so that no side is even or the network's.
SLICES = {
    "CT": ("data/ct/ts_abdomen_small/image.nii.gz", "K", 0.5, 10_001, 187),
    "MR": ("data/mr/spine_errsm30/t2.nii.gz", "I", 0.5, 10_001, 301),
    "MR, small": ("data/mr/ts_abdomen_small/image.nii.gz", "K", 0.5, 123, 10_001),
}


@pytest.fixture(scope="module", params=[256, 1024])
def network(request: Any, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A checkpoint with a small random image encoder, MobileSAM's trained prompt encoder and mask decoder; and SAM."""
    a = replace(toy_architecture(adapter_dim=0), image_size=request.param, patch_size=16, window_size=14)
    tensors = random_tensors(a, 1)
    trained = load_file(shared / "models" / "mobilesam.safetensors")
    is_trained = {name: trained.get(name, np.empty(0)).shape == tensors[name].shape for name in tensors}
    # The end of the image encoder's neck, too, so that the decoder sees numbers of the size that it knows.
    tensors |= {name: np.float32(trained[name]) for name in tensors if is_trained[name]}
    path = tmp_path_factory.mktemp("sam") / f"sam-{request.param}.safetensors"
    save_file(tensors, path)
    return path, original_sam(a, tensors)


@pytest.fixture(params=SLICES)
def image(request: Any, shared: Path, network: tuple[Path, Any]) -> np.ndarray:
    """uint8 (H, W) as the model sees a slice; the large network, which is slow, sees one alone."""
    if "1024" in network[0].name and request.param != "CT":
        pytest.skip("the rule does not depend on the size")
    name, axis, share, rows, columns = SLICES[request.param]
    volume = read_volume(shared / name)
    index = int(share * volume.geometry.size_along(axis))
    plane = SliceFrame.of(volume.geometry, axis).view(volume.voxels_kji, index)[:rows, :columns]
    return np.ascontiguousarray(auto_window(volume.voxels_kji, volume.modality).apply(plane))


def assert_same(values: np.ndarray, expected: np.ndarray, threshold: float) -> None:
    """Masks (H, W) are equal but for single pixels of the border: at the threshold, and where it is made lower.

    The trained decoder has little to say on what a random encoder saw: at its own threshold many masks are empty.
    """
    for level in (threshold, *np.quantile(expected, (0.3, 0.6, 0.9))):
        mask, same = values > level, expected > level
        border = binary_dilation(same) & ~binary_erosion(same)
        np.testing.assert_allclose(expected[mask != same], level, atol=1e-3)
        assert np.count_nonzero(mask != same) <= max(2, 0.002 * np.count_nonzero(border))


def box_in(image: np.ndarray) -> np.ndarray:
    """A box (4,) xyxy off the middle."""
    height, width = image.shape
    return np.array([0.2 * width, 0.31 * height, 0.63 * width, 0.72 * height])


def prompts_in(image: np.ndarray) -> dict[str, dict[str, Any]]:
    """What segment_anything's predictor is asked."""
    height, width = image.shape
    click = {"point_coords": np.array([[width // 2, height // 3]]), "point_labels": np.array([1])}
    against = np.array([[0.7 * width, 0.7 * height]])
    clicks = {"point_coords": np.concatenate([click["point_coords"], against]), "point_labels": np.array([1, 0])}
    return {"click": click, "clicks": clicks, "box": {"box": box_in(image)}, "all": clicks | {"box": box_in(image)}}


def test_sam_answers_as_segment_anything_does(network: tuple[Path, Any], image: np.ndarray) -> None:
    path, sam = network
    ours = SamPredictor(load_model(path, threads=1, conventions="sam"))
    theirs = original_predictor(sam)
    ours.set_image(image)
    theirs.set_image(np.repeat(image[:, :, None], 3, axis=2))
    np.testing.assert_allclose(ours.get_image_embedding(), theirs.get_image_embedding().numpy(), atol=2e-4)
    for prompts in prompts_in(image).values():
        for many in (True, False):
            asked: dict[str, Any] = {**prompts, "multimask_output": many, "return_logits": True}
            logits, estimates, low_res = ours.predict(**asked)
            expected, their_estimates, their_low_res = theirs.predict(**asked)
            np.testing.assert_allclose(low_res, their_low_res, atol=2e-2)
            np.testing.assert_allclose(estimates, their_estimates, atol=1e-3)
            for values, same in zip(logits, expected, strict=True):
                assert_same(values, same, threshold=0)
        # Its logits are the mask prompt of the next call.
        asked |= {"mask_input": low_res[:1]}
        assert_same(ours.predict(**asked)[0][0], theirs.predict(**asked)[0][0], threshold=0)


def test_medsam_answers_as_its_published_steps_do(network: tuple[Path, Any], image: np.ndarray) -> None:
    path, sam = network
    ours = SamPredictor(load_model(path, threads=1, conventions="medsam"))
    ours.set_image(image)
    expected, probabilities = medsam_mask(sam, image, box_in(image))
    (logits,), _, _ = ours.predict(box=box_in(image), return_logits=True)
    assert_same(1 / (1 + np.exp(-logits)), probabilities, threshold=0.5)
    (mask,), _, _ = ours.predict(box=box_in(image))
    np.testing.assert_array_equal(mask, logits > 0)
    assert "1024" in path.name or 0 < np.count_nonzero(expected) < expected.size


def test_colours_are_seen_in_the_order_that_each_was_trained_with(network: tuple[Path, Any], image: np.ndarray) -> None:
    path, sam = network
    colours = np.stack([image, image // 2, 255 - image], axis=2)
    theirs = original_predictor(sam)
    theirs.set_image(colours)
    ours = SamPredictor(load_model(path, threads=1, conventions="sam"))
    ours.set_image(colours)
    np.testing.assert_allclose(ours.get_image_embedding(), theirs.get_image_embedding().numpy(), atol=2e-4)


# Rows, columns, rows and columns of the square: enlarged, made smaller, both, and lines.
SHAPES = [(37, 61, 64), (200, 130, 64), (300, 20, 64), (1, 90, 32), (90, 1, 32), (7, 1500, 64), (1, 1, 32)]


@pytest.mark.parametrize(("rows", "columns", "side"), SHAPES)
@pytest.mark.parametrize("kind", ["noise", "blocks", "one value"])
def test_medsams_pictures_are_resized_to_the_bit(rows: int, columns: int, side: int, kind: str) -> None:
    rng = np.random.default_rng(rows)
    picture = {
        "noise": rng.integers(0, 256, (rows, columns)),
        # Splines swing beyond both values.
        "blocks": np.where(np.add.outer(np.arange(rows) // 5, np.arange(columns) // 5) % 2, 250, 4),
        "one value": np.full((rows, columns), 91),
    }[kind].astype(np.uint8)
    np.testing.assert_array_equal(
        resized_picture(picture, (side, side), "bicubic"), medsam_square(np.repeat(picture[:, :, None], 3, -1), side)
    )
