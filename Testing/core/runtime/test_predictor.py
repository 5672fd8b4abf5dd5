from __future__ import annotations

import numpy as np
import pytest

from dfqsam_core.errors import DFQSAMError, PromptError, VolumeError
from dfqsam_core.runtime import Model, SamPredictor, best_mask
from dfqsam_core.runtime.preprocess import mask_probabilities, network_pixels

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 96), dtype=np.uint8)


@pytest.fixture
def predictor(float_model: Model) -> SamPredictor:
    """On an image of 96 x 48 pixels, squashed to 64 x 64."""
    predictor = SamPredictor(float_model)
    predictor.set_image(IMAGE)
    return predictor


class RecordingModel:
    """Passes everything on and keeps what `decode` was asked."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.asked: list[tuple] = []

    def __getattr__(self, name: str):
        return getattr(self.model, name)

    def decode(self, *arguments):
        self.asked.append(arguments)
        return self.model.decode(*arguments)


def asked(model: Model, **prompt) -> tuple:
    recording = RecordingModel(model)
    predictor = SamPredictor(recording)  # type: ignore[arg-type]
    predictor.set_image(IMAGE)
    predictor.predict(**prompt)
    return recording.asked[0]


def test_three_masks_of_the_size_of_the_image(predictor: SamPredictor) -> None:
    masks, iou_predictions, low_res_masks = predictor.predict(np.array([[20, 30]]), np.array([1]))
    assert (masks.shape, masks.dtype) == ((3, 48, 96), np.bool_)
    assert (iou_predictions.shape, low_res_masks.shape) == ((3,), (3, 16, 16))


def test_logits_are_what_masks_are_cut_from(predictor: SamPredictor) -> None:
    masks, _, _ = predictor.predict(box=[10, 5, 60, 40])
    logits, _, _ = predictor.predict(box=[10, 5, 60, 40], return_logits=True)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(masks, logits > 0)


def test_a_single_mask_is_the_first_output(predictor: SamPredictor, float_model: Model) -> None:
    masks, iou, low_res = predictor.predict(box=[0, 0, 96, 48], multimask_output=False)
    raw, raw_iou = float_model.decode(
        predictor.get_image_embedding(), np.array([[[0, 0], [64, 64]]]), np.array([[2, 3]])
    )
    assert (masks.shape, iou.shape) == ((1, 48, 96), (1,))
    np.testing.assert_array_equal(low_res[0], raw[0, 0])
    np.testing.assert_array_equal(iou, raw_iou[0, :1])
    three = predictor.predict(box=[0, 0, 96, 48])
    np.testing.assert_array_equal(three[2], raw[0, 1:])


def test_a_point_without_a_box_ends_with_a_padding_point(float_model: Model) -> None:
    _, coords, labels, mask = asked(float_model, point_coords=[[48, 12]], point_labels=[0])
    np.testing.assert_allclose(coords, [[[32, 16], [0, 0]]])
    assert labels.tolist() == [[0, -1]]
    assert mask is None


def test_the_corners_of_a_box_follow_the_points(float_model: Model) -> None:
    _, coords, labels, _ = asked(float_model, point_coords=[[96, 48]], point_labels=[1], box=[0, 12, 48, 24])
    np.testing.assert_allclose(coords, [[[64, 64], [0, 16], [32, 32]]])
    assert labels.tolist() == [[1, 2, 3]]


def test_one_box_may_come_as_sams_examples_give_it(float_model: Model) -> None:
    flat, row = (asked(float_model, box=box)[1] for box in ([0, 12, 48, 24], np.array([[0, 12, 48, 24]])))
    np.testing.assert_array_equal(row, flat)


def test_a_mask_alone_is_a_prompt_and_becomes_probabilities(float_model: Model) -> None:
    logits = np.random.default_rng(1).standard_normal((1, 16, 16)).astype(np.float32)
    _, coords, labels, mask = asked(float_model, mask_input=logits)
    assert (coords.shape, labels.shape) == ((1, 0, 2), (1, 0))
    np.testing.assert_array_equal(mask, mask_probabilities(logits)[None])


def test_the_image_reaches_the_network_as_bgr(predictor: SamPredictor, float_model: Model) -> None:
    colours = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for image_format in ("RGB", "BGR"):
        predictor.set_image(colours, image_format)
        expected = float_model.encode(network_pixels(colours, 64, image_format))
        np.testing.assert_array_equal(predictor.get_image_embedding(), expected)


def test_an_embedding_can_be_kept_and_set_again(predictor: SamPredictor, float_model: Model) -> None:
    expected = predictor.predict(box=[10, 5, 60, 40])
    other = SamPredictor(float_model)
    other.set_image_embedding(predictor.get_image_embedding(), predictor.original_size)
    for ours, theirs in zip(other.predict(box=[10, 5, 60, 40]), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_an_image_it_says_what_to_do(predictor: SamPredictor) -> None:
    assert predictor.original_size is not None
    predictor.reset_image()
    assert predictor.original_size is None
    for call in (predictor.get_image_embedding, lambda: predictor.predict(box=[0, 0, 9, 9])):
        with pytest.raises(PromptError, match="set_image"):
            call()


def test_a_refused_image_leaves_the_one_before(predictor: SamPredictor) -> None:
    before = predictor.get_image_embedding()
    with pytest.raises(VolumeError):
        predictor.set_image(IMAGE.astype(np.float32))
    assert predictor.get_image_embedding() is before


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (IMAGE.astype(np.int16), "int16, not uint8"),
        (IMAGE[None], "shape"),
        (np.zeros((4, 4, 4), np.uint8), "shape"),
        (np.zeros((0, 4), np.uint8), "shape"),
        ([[1, 2], [3, 4]], "not an array"),
    ],
)
def test_images_that_cannot_be_meant_are_refused(predictor: SamPredictor, image, words: str) -> None:
    with pytest.raises(VolumeError, match=words):
        predictor.set_image(image)


def test_an_unknown_channel_order_is_refused(predictor: SamPredictor) -> None:
    with pytest.raises(VolumeError, match="Use RGB or BGR"):
        predictor.set_image(IMAGE, "GBR")


def test_an_embedding_of_another_network_is_refused(predictor: SamPredictor) -> None:
    with pytest.raises(VolumeError, match="Embed the image again"):
        predictor.set_image_embedding(np.zeros((1, 256, 16, 16), np.float32), (48, 96))
    with pytest.raises(VolumeError, match="impossible"):
        predictor.set_image_embedding(predictor.get_image_embedding(), (0, 96))


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ({}, "no prompt"),
        ({"point_coords": [[1, 2]]}, "point_labels is missing"),
        ({"point_labels": [1]}, "point_coords is missing"),
        ({"point_coords": [1, 2], "point_labels": [1]}, "shape"),
        ({"point_coords": np.empty((0, 2)), "point_labels": []}, "shape"),
        ({"point_coords": [[1, 2]], "point_labels": [1, 0]}, "one label per point"),
        ({"point_coords": [[1, 2]], "point_labels": [2]}, "1 for foreground"),
        ({"point_coords": [[1, 2]], "point_labels": [-1]}, "1 for foreground"),
        ({"point_coords": [[float("nan"), 2]], "point_labels": [1]}, "finite"),
        ({"point_coords": [["a", 2]], "point_labels": [1]}, "numbers"),
        (
            {"point_coords": [[1, 2], [97, 2]], "point_labels": [1, 1]},
            "x = 97, y = 2 lies outside the image of 96 x 48",
        ),
        ({"point_coords": [[1, -1]], "point_labels": [1]}, "outside"),
        ({"box": [1, 2, 3]}, "four numbers"),
        ({"box": [[1, 2, 3, 4], [1, 2, 3, 4]]}, "four numbers"),
        ({"box": [5, 2, 3, 4]}, "swapped"),
        ({"box": [3, 2, 3, 4]}, "no area"),
        ({"box": [0, 0, 200, 40]}, "Clip the box"),
        ({"box": [0, 0, float("inf"), 40]}, "finite"),
        ({"mask_input": np.zeros((16, 16))}, "low_res_masks"),
        ({"mask_input": np.full((1, 16, 16), np.nan)}, "finite"),
    ],
)
def test_prompts_that_cannot_be_meant_are_refused(predictor: SamPredictor, prompt: dict, words: str) -> None:
    with pytest.raises(PromptError, match=words) as refused:
        predictor.predict(**prompt)
    assert isinstance(refused.value, DFQSAMError)


def test_prompts_on_the_rim_are_inside(predictor: SamPredictor) -> None:
    predictor.predict([[-0.5, 47.5], [95.5, 0]], [1, 1], box=[-0.5, 0, 96, 48])


def test_the_best_mask_is_the_one_that_the_model_trusts_most() -> None:
    masks = np.arange(3)[:, None, None] * np.ones((3, 2, 2), int)
    np.testing.assert_array_equal(best_mask(masks, np.array([0.1, 0.9, 0.5])), np.ones((2, 2)))
