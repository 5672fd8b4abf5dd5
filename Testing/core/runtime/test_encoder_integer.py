"""Every code and every product of the engine, against docs/how/model_file.md in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.attention_layout import AttentionLayout, real_tokens
from dfqsam_core.network.layers import encoder_layers
from dfqsam_core.store.model_file import StoredModel
from Testing.support.packed_toy import calibrated_toy, random_pixels
from Testing.support.reference_encoder import ReferenceEncoder

Taps = dict[str, np.ndarray]

# Heads of 20 channels: their scale 20^-0.5 is no power of two. 5 x 5 tokens in windows of 2: three kinds of rims.
ODD_SIZES = Architecture(40, 2, 2, 24, window_size=2, global_attn_indexes=(1,), image_size=40, patch_size=8)

MODELS = {
    "4 bits": {},
    "4 bits, pixels and neck 8": {"exceptions": {"patch_embed.proj": (8, 8), "neck.0": (8, 8), "neck.2": (8, 8)}},
    "3-bit inputs": {"input_bits": 3},
    "5-bit weights": {"weight_bits": 5, "input_bits": 6},
    "6 bits": {"weight_bits": 6, "input_bits": 6},
    "7-bit weights": {"weight_bits": 7, "input_bits": 8},
    "8 bits": {"weight_bits": 8, "input_bits": 8},
    "ConvTranspose2d float": {"exceptions": {"spatial.2": (None, None)}},
    "float norms' layers": {"exceptions": {"qkv": (None, None), "lin1": (4, None)}},
    "pixels float": {"exceptions": {"patch_embed.proj": (None, None)}},
    "attention float": {"attention": (None, None)},
    "softmax float": {"attention": (4, None)},
    "softmax alone": {"attention": (None, 4)},
    "weights alone": {"exceptions": {"": (4, None)}, "attention": (None, None)},
    "one scale for each input": {"per_channel": ()},
    "a scale for each channel": {"per_channel": ("",)},
    "odd sizes": {"architecture": ODD_SIZES},
}


class EngineCodes:
    """Checks each quantizer of the engine, then hands the engine's codes to the reference.

    So a code that flips by float rounding does no harm behind it, and every value between two quantizers is compared
    for exactly the same codes before it.
    """

    def __init__(self, model: StoredModel, taps: Taps) -> None:
        self.model, self.taps = model, taps
        self.seen: set[str] = set()

    def __call__(self, name: str, values: np.ndarray, own: np.ndarray) -> np.ndarray:
        self.seen.add(name)
        if name.endswith("softmax"):
            engine_values, codes = self._softmax(name, values.shape)
        elif self._is_head(name):
            engine_values, codes = self._by_head(name, values, own)
        else:
            engine_values, codes = self._plain(name, values.shape)
        tolerance = 1e-5 * max(1, np.abs(values).max())
        np.testing.assert_allclose(engine_values, values, atol=tolerance, err_msg=f"{name}: float input")
        # Where rounding was clear, the reference's code is the engine's.
        assert np.abs(codes - own).max() <= 1, name
        assert (codes != own).mean() < 0.01, name
        return codes

    def _plain(self, name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        values, codes = self.taps[f"{name}.input"], self.taps[f"{name}.codes"]
        np.testing.assert_array_equal(codes, self._codes_in_float32(name, values), err_msg=f"{name}: not its quantizer")
        return values.reshape(shape), codes.reshape(shape).astype(np.int64)

    def _codes_in_float32(self, name: str, values: np.ndarray) -> np.ndarray:
        scale, zero, bits = np.float32(1), np.float32(0), self._bits(name)
        if name.endswith("patch_embed.proj"):
            scale = np.float32(255 / (2**bits - 1))
        elif not name.endswith(("attn.qkv", "mlp.lin1")):
            scale, zero = (
                self.model.tensors[f"{name}.input.{part}"].astype(np.float32) for part in ("scale", "zero_point")
            )
        return np.clip(np.round(values.astype(np.float32) / scale) + zero, 0, 2**bits - 1)

    def _by_head(self, name: str, values: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """q, k or v as (heads, tokens, width) in the order of the grid; the product emits them in units of codes."""
        steps, codes = self.taps[f"{name}.input"], self.taps[f"{name}.codes"].astype(np.int64)
        expected = np.clip(np.round(steps), 0, 2 ** self._bits(name) - 1)
        np.testing.assert_array_equal(codes[: len(steps)], expected, err_msg=f"{name}: not its quantizer")
        restore = self._layout(name).restore
        scale, zero = (self.model.tensors[f"{name}.{part}"].astype(float) for part in ("scale", "zero_point"))
        tokens, width = len(restore), values.shape[2]
        in_heads = steps[restore].reshape(tokens, -1, width).transpose(1, 0, 2)
        engine_values = np.concatenate([(in_heads - zero[:, None, None]) * scale[:, None, None], values[:, tokens:]], 1)
        # q has no row for padding, whose code nobody asks for.
        by_head = codes[: len(steps)][restore].reshape(tokens, -1, width).transpose(1, 0, 2)
        pads = codes[len(steps) :].reshape(-1, len(values), width).transpose(1, 0, 2)
        return engine_values, np.concatenate([by_head, pads if pads.size else own[:, tokens:]], axis=1)

    def _layout(self, name: str) -> AttentionLayout:
        a = self.model.architecture
        return real_tokens(a.grid, a.window_of(int(name.split(".")[2])))

    def _bits(self, name: str) -> int:
        return self.model.input_bits(name.rsplit(".", 1)[0] if self._is_head(name) else name)

    @staticmethod
    def _is_head(name: str) -> bool:
        return name.endswith((".q", ".k", ".v"))

    def _softmax(self, name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """The windows' values and codes as (heads, tokens, keys)."""
        attention = name.rsplit(".", 1)[0]
        values, codes = np.empty(shape), np.empty(shape, np.int64)
        layout, start = self._layout(name), 0
        for number, group in enumerate(layout.groups):
            distance = self.taps[f"{name}.{number}.input"]
            bits = self.model.softmax_bits(attention)
            expected = np.clip(np.round(distance / self.model.tensors[f"{attention}.softmax.step"]), 0, 2**bits - 1)
            np.testing.assert_array_equal(self.taps[f"{name}.{number}.codes"], expected)
            for window in range(group.windows):
                tokens = layout.order[start : start + group.queries]
                values[:, tokens] = distance[:, window]
                codes[:, tokens] = self.taps[f"{name}.{number}.codes"][:, window]
                start += group.queries
        return values, codes


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def model(request: pytest.FixtureRequest) -> StoredModel:
    return calibrated_toy(seed=5, **request.param)


def test_every_code_is_the_one_that_the_format_defines(encode, model) -> None:
    pixels = random_pixels(model.architecture, 6)
    taps = encode(model, pixels, taps=True)
    engine = EngineCodes(model, taps)
    embedding = ReferenceEncoder(model, engine)(pixels)
    np.testing.assert_allclose(taps["image_embedding"], embedding, atol=1e-4)
    coded = {name.removesuffix(".codes") for name in taps if name.endswith(".codes")}
    assert {name.split(".softmax.")[0] + ".softmax" if ".softmax." in name else name for name in coded} == engine.seen


def test_every_integer_product_is_exact(encode, model, request: pytest.FixtureRequest) -> None:
    is_openvino = request.node.callspec.params["encode"] == "openvino"
    pixels = random_pixels(model.architecture, 7)
    taps = encode(model, pixels, taps=True)
    reference = ReferenceEncoder(model, lambda name, values, own: taps[f"{name}.codes"].astype(np.int64))
    integer_layers = [layer for layer in encoder_layers(model.architecture) if reference.is_integer(layer.name)]
    for layer in integer_layers:
        name = layer.name
        if name.endswith("patch_embed.proj"):
            expected = reference.patches(taps[f"{name}.codes"][0])
        elif layer.kind == "conv_transpose":
            expected = reference.conv_transpose(name, taps[f"{name}.codes"].astype(float))
        elif layer.kind == "conv":
            size = layer.weight_shape[2]
            expected = reference.conv(
                name, taps[f"{name}.codes"].astype(float), 2 if "spatial" in name else 1, size // 2
            )
        else:
            expected = reference.linear(
                name, taps[f"{name}.codes"] - model.tensors[f"{name}.input.zero_point"].astype(int)
            )
        step = reference.finish(name, np.ones(layer.out_channels)) - reference.finish(
            name, np.zeros(layer.out_channels)
        )
        output = taps[f"{name}.output"] if not name.endswith("attn.qkv") else joined_qkv(model, taps, name, expected)
        if layer.kind == "conv_transpose":
            output = in_image_order(output, layer.out_channels)
        # What could saturate is a product of floats there.
        in_float = is_openvino and model.weight_bits(name) > 6
        # A quarter of what one unit of the accumulator is worth: no integer can be off by one.
        tolerance = 4e-6 * np.abs(expected).max() if in_float else step / 4
        assert (np.abs(output - expected) < tolerance).all(), name
    assert len(integer_layers) == len([name for name in model.tensors if name.endswith(".input.scale")])


def joined_qkv(model: StoredModel, taps: Taps, name: str, expected: np.ndarray) -> np.ndarray:
    """The three parts of the product behind each other, in the order of the grid and without the units of their codes.

    Where q, k and v have no codes they are not tapped.
    """
    a, attention = model.architecture, name.removesuffix(".qkv")
    if model.input_bits(attention) is None:
        return expected
    restore, parts = real_tokens(a.grid, a.window_of(int(name.split(".")[2]))).restore, []
    for part in "qkv":
        scale, zero = (
            np.repeat(model.tensors[f"{attention}.{part}.{kind}"].astype(float), a.head_dim)
            for kind in ("scale", "zero_point")
        )
        unscaled = a.head_dim**0.5 if part == "q" else 1.0
        parts.append((taps[f"{attention}.{part}.input"][restore] - zero) * scale * unscaled)
    return np.concatenate(parts, axis=1)


def in_image_order(phases: np.ndarray, channels: int) -> np.ndarray:
    side = math.isqrt(len(phases))
    return phases.reshape(side, side, 2, 2, channels).transpose(0, 2, 1, 3, 4).reshape(-1, channels)


def test_four_bits_are_at_most_sixteen_levels(encode) -> None:
    taps = encode(calibrated_toy(), random_pixels(calibrated_toy().architecture), taps=True)
    codes = {name: set(np.unique(values)) for name, values in taps.items() if name.endswith(".codes")}
    assert all(levels <= set(range(16)) for levels in codes.values())
    # Three blocks of: 4 layers of the transformer, 4 of the adapter, q, k, v and softmax (4 window groups or 1).
    assert len(codes) == 3 * (8 + 3) + (4 + 4 + 1) + 3


def test_taps_do_not_change_the_result(encode) -> None:
    model, pixels = calibrated_toy(), random_pixels(calibrated_toy().architecture)
    plain, tapped = encode(model, pixels), encode(model, pixels, taps=True)
    assert list(plain) == ["image_embedding"]
    # The engine joins other nodes, so a float may round another way and a few codes may flip.
    assert np.abs(plain["image_embedding"] - tapped["image_embedding"]).mean() < 0.02
