"""The decoder's graphs against segment-anything's own PromptEncoder and MaskDecoder (test T6)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dfqsam_core.network.layers import decoder_layers
from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.graph.decoder import build_decoder, build_mask_encoder
from dfqsam_core.store.model_file import StoredModel
from Testing.support.packed import card_of, quantized_weight
from Testing.support.packed_toy import float_toy
from Testing.support.toy import toy_architecture

torch = pytest.importorskip("torch")
if importlib.util.find_spec("segment_anything") is None:
    pytest.skip("segment-anything is not installed", allow_module_level=True)

SIZE, GRID = 64, 4
GENERATOR = np.random.default_rng(0)
EMBEDDING = GENERATOR.standard_normal((1, 256, GRID, GRID), np.float32)
POINTS = GENERATOR.uniform(0, SIZE, (3, 2, 2)).astype(np.float32)
LABELS = np.array([[1, 0], [1, 1], [0, -1]])
BOXES = np.array([[3, 4, 40, 50], [0, 0, 64, 64], [10.5, 20.25, 11, 63]], np.float32)
MASKS = GENERATOR.uniform(0, 1, (3, 1, 4 * GRID, 4 * GRID)).astype(np.float32)

Answer = tuple[np.ndarray, np.ndarray]


def with_padding_point(points: np.ndarray, labels: np.ndarray) -> Answer:
    return np.pad(points, ((0, 0), (0, 1), (0, 0))), np.pad(labels, ((0, 0), (0, 1)), constant_values=-1)


def with_box(points: np.ndarray, labels: np.ndarray, boxes: np.ndarray) -> Answer:
    corners = np.broadcast_to([2, 3], (len(boxes), 2))
    return np.concatenate([points, boxes.reshape(-1, 2, 2)], 1), np.concatenate([labels, corners], 1)


NOTHING = np.empty((3, 0, 2), np.float32), np.empty((3, 0), np.int64)
# Our points and labels, our mask; SAM's points, boxes and masks.
PROMPTS: dict[str, tuple[Answer, Any, dict[str, Any]]] = {
    "points": (with_padding_point(POINTS, LABELS), None, {"points": (POINTS, LABELS)}),
    "one point": (
        with_padding_point(POINTS[:1, :1], LABELS[:1, :1]),
        None,
        {"points": (POINTS[:1, :1], LABELS[:1, :1])},
    ),
    "box": (with_box(*NOTHING, BOXES), None, {"boxes": BOXES}),
    "points and box": (with_box(POINTS, LABELS, BOXES), None, {"points": (POINTS, LABELS), "boxes": BOXES}),
    "points and mask": (with_padding_point(POINTS, LABELS), MASKS, {"points": (POINTS, LABELS), "masks": MASKS}),
    "box and mask": (with_box(*NOTHING, BOXES), MASKS, {"boxes": BOXES, "masks": MASKS}),
    "mask": (NOTHING, MASKS, {"masks": MASKS}),
}


@pytest.fixture(scope="module")
def toy() -> StoredModel:
    return float_toy()


def decode(model: StoredModel) -> Callable[[Answer, np.ndarray | None], Answer]:
    decoder = create_session(build_decoder(model), threads=1)
    mask_encoder = create_session(build_mask_encoder(model), threads=1)

    def run(points: Answer, mask: np.ndarray | None) -> Answer:
        dense = model.tensors["prompt_encoder.no_mask_embed.weight"].reshape(1, 1, -1)
        if mask is not None:
            dense = mask_encoder.run(None, {"mask_probabilities": mask})[0]
        inputs = {"point_coords": points[0], "point_labels": points[1].astype(np.int64)}
        return tuple(decoder.run(None, {"image_embedding": EMBEDDING, "dense_embedding": dense, **inputs}))

    return run


def sam_decode(model: StoredModel) -> Callable[[dict[str, Any]], Answer]:
    from dfqsam_core.model.sam_med2d import SamMed2D

    network = SamMed2D(model.architecture).eval()
    network.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in model.tensors.items()})

    def tensors(values: Any) -> Any:
        return tuple(map(tensors, values)) if isinstance(values, tuple) else torch.as_tensor(values)

    def run(prompts: dict[str, Any]) -> Answer:
        given = {name: tensors(prompts[name]) if name in prompts else None for name in ("points", "boxes", "masks")}
        with torch.no_grad():
            sparse, dense = network.prompt_encoder(**given)
            position = network.prompt_encoder.get_dense_pe()
            masks, iou = network.mask_decoder.predict_masks(torch.from_numpy(EMBEDDING), position, sparse, dense)
        return masks.numpy(), iou.numpy()

    return run


@pytest.fixture(scope="module")
def ours(toy: StoredModel) -> Callable[[Answer, np.ndarray | None], Answer]:
    return decode(toy)


@pytest.fixture(scope="module")
def theirs(toy: StoredModel) -> Callable[[dict[str, Any]], Answer]:
    return sam_decode(toy)


@pytest.mark.parametrize("kind", PROMPTS)
def test_every_kind_of_prompt_answers_as_segment_anything_does(ours, theirs, kind: str) -> None:
    points, mask, sam_prompts = PROMPTS[kind]
    masks, iou = ours(points, mask)
    expected_masks, expected_iou = theirs(sam_prompts)
    assert masks.shape == (len(points[0]), 4, 4 * GRID, 4 * GRID)
    np.testing.assert_allclose(masks, expected_masks, atol=3e-5)
    np.testing.assert_allclose(iou, expected_iou, atol=1e-5)


def test_prompts_of_one_batch_do_not_see_each_other(ours) -> None:
    points, labels = with_padding_point(POINTS, LABELS)
    together = ours((points, labels), MASKS)
    alone = [ours((points[i : i + 1], labels[i : i + 1]), MASKS[i : i + 1]) for i in range(3)]
    for index in range(2):
        np.testing.assert_allclose(together[index], np.concatenate([answer[index] for answer in alone]), atol=1e-5)


def weight_only(bits: int) -> StoredModel:
    """The toy with every decoder layer, and the prompt encoder's, stored as codes without input quantizers."""
    architecture, tensors = toy_architecture(), dict(float_toy().tensors)
    layers = decoder_layers(architecture)
    for layer in layers:
        tensors |= quantized_weight(layer, tensors.pop(f"{layer.name}.weight"), bits)
    entries = [
        {"name": layer.name, "kind": layer.kind, "macs": layer.macs, "weight_bits": bits, "input_bits": None}
        for layer in layers
    ]
    return StoredModel(architecture, card_of(architecture, entries, tensors), tensors)


def test_stored_codes_become_the_weights_they_stand_for() -> None:
    packed = weight_only(bits=8)
    names = float_toy().tensors
    weights = {
        name: packed.tensors[name] if name in packed.tensors else packed.float_weight(name.removesuffix(".weight"))
        for name in names
    }
    expected = sam_decode(StoredModel(packed.architecture, {"layers": []}, weights))
    points, mask, sam_prompts = PROMPTS["points and mask"]
    for ours, theirs in zip(decode(packed)(points, mask), expected(sam_prompts), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=3e-5)


def test_the_mask_grid_is_in_image_order(toy: StoredModel) -> None:
    encoder = create_session(build_mask_encoder(toy), threads=1)
    empty = np.zeros((1, 1, 4 * GRID, 4 * GRID), np.float32)
    corner = empty.copy()
    corner[0, 0, 4:8, 12:16] = 1
    changed = np.abs(np.subtract(*(encoder.run(None, {"mask_probabilities": mask})[0] for mask in (corner, empty))))
    assert np.flatnonzero(changed.max((0, 2))).tolist() == [1 * GRID + 3]
