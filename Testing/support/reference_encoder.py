"""The image encoder in plain numpy, written from docs/how/model_file.md alone: token by token, in float64 and int64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from dfqsam_core.network.pixels import PIXEL_MEAN, PIXEL_STD
from dfqsam_core.store.model_file import StoredModel

# Turns the float values before a quantizer into codes; `own` is what the reference itself makes of them.
CodeSource = Callable[[str, np.ndarray, np.ndarray], np.ndarray]


def own_codes(name: str, values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The reference's own codes."""
    return own


def codes_of(values: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, bits: int) -> np.ndarray:
    """clamp(round_half_even(values / scale) + zero_point, 0, 2^bits - 1) as int64."""
    steps = np.round(values / scale) + zero_point
    return np.clip(steps, 0, 2**bits - 1).astype(np.int64)


class ReferenceEncoder:
    """Runs `model` on uint8 pixels (S, S, 3); tokens are rows (grid * grid, channels).

    code_source: called at each quantizer; a test can put the engine's codes in and compare the values before them.
    inputs: after a run, the float input of each layer, and q, k, v and probabilities of each attention.
    """

    def __init__(self, model: StoredModel, code_source: CodeSource = own_codes) -> None:
        self.model, self.a, self.code_source = model, model.architecture, code_source
        self.inputs: dict[str, np.ndarray] = {}

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Embedding (1, out_chans, grid, grid) of one image."""
        x = self.patches(pixels) + self.t("image_encoder.pos_embed").reshape(-1, self.a.embed_dim)
        for number in range(self.a.depth):
            x = self.block(f"image_encoder.blocks.{number}", x, self.a.window_of(number) or self.a.grid)
        neck = "image_encoder.neck"
        x = self.norm(f"{neck}.1", self.conv(f"{neck}.0", x, 1, 0))
        x = self.norm(f"{neck}.3", self.conv(f"{neck}.2", x, 1, 1))
        return x.T.reshape(1, -1, self.a.grid, self.a.grid)

    def t(self, name: str) -> np.ndarray:
        return self.model.tensors[name].astype(np.float64)

    def norm(self, name: str, x: np.ndarray, epsilon: float = 1e-6) -> np.ndarray:
        return self.standard(x, epsilon) * self.t(f"{name}.weight") + self.t(f"{name}.bias")

    @staticmethod
    def standard(x: np.ndarray, epsilon: float) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)

    def is_integer(self, layer: str) -> bool:
        return f"{layer}.input.scale" in self.model.tensors

    def operand(self, layer: str, x: np.ndarray) -> np.ndarray:
        """What the product of `layer` multiplies its weight with: codes minus zero point, or x itself."""
        self.inputs[layer] = x
        if not self.is_integer(layer):
            return x
        scale, zero = self.t(f"{layer}.input.scale"), self.t(f"{layer}.input.zero_point")
        own = codes_of(x, scale, zero, self.model.input_bits(layer))
        return self.code_source(layer, x, own) - zero.astype(np.int64)

    def normed_operand(self, norm: str, layer: str, x: np.ndarray) -> np.ndarray:
        """The same behind a LayerNorm, whose affine carries scale and zero point."""
        plain = self.norm(norm, x)
        if not self.is_integer(layer):
            return self.operand(layer, plain)
        scale, zero = self.t(f"{layer}.input.scale"), self.t(f"{layer}.input.zero_point")
        steps = self.standard(x, 1e-6) * (self.t(f"{norm}.weight") / scale) + (self.t(f"{norm}.bias") / scale + zero)
        own = np.clip(np.round(steps), 0, 2 ** self.model.input_bits(layer) - 1).astype(np.int64)
        return self.code_source(layer, steps, own) - zero.astype(np.int64)

    def weight(self, layer: str) -> np.ndarray:
        """Weight (out, in, taps): codes minus zero point as int64, or float64."""
        spec = self.model.layers[layer]
        if self.is_integer(layer):
            weight = self.model.weight_codes(layer).astype(np.int64)
        else:
            weight = self.model.float_weight(layer).astype(np.float64)
            weight = weight.swapaxes(0, 1) if spec.kind == "conv_transpose" else weight
        return weight.reshape(spec.out_channels, spec.in_channels, -1)

    def finish(self, layer: str, accumulated: np.ndarray) -> np.ndarray:
        """Rescale the integer sum (rows, out), add the bias."""
        if self.is_integer(layer):
            scale = self.t(f"{layer}.input.scale")
            accumulated = accumulated * (self.t(f"{layer}.weight.scale") * (scale[0] if scale.size == 1 else 1))
        bias = f"{layer}.bias"
        return accumulated + self.t(bias) if bias in self.model.tensors else accumulated

    def linear(self, layer: str, operand: np.ndarray) -> np.ndarray:
        return self.finish(layer, operand @ self.weight(layer)[:, :, 0].T)

    def patches(self, pixels: np.ndarray) -> np.ndarray:
        layer, a = "image_encoder.patch_embed.proj", self.a
        if self.is_integer(layer):
            bits = self.model.input_bits(layer)
            own = codes_of(pixels.astype(float), np.array(255 / (2**bits - 1)), np.array(0), bits)
            values = self.code_source(layer, pixels.astype(float), own.reshape(pixels.shape)).reshape(pixels.shape)
        else:
            values = self.inputs[layer] = (pixels - np.array(PIXEL_MEAN)) / np.array(PIXEL_STD)
        grid = values.reshape(a.grid, a.patch_size, a.grid, a.patch_size, 3).transpose(0, 2, 4, 1, 3)
        weight = self.weight(layer).reshape(a.embed_dim, -1)
        return self.finish(layer, grid.reshape(a.grid**2, -1) @ weight.T)

    def conv(self, layer: str, x: np.ndarray, stride: int, padding: int) -> np.ndarray:
        weight = self.weight(layer)
        size, side = math.isqrt(weight.shape[2]), math.isqrt(len(x))
        image = self.operand(layer, x).reshape(side, side, -1)
        image = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
        outputs = range(0, side + 2 * padding - size + 1, stride)
        rows = [image[y : y + size, x : x + size].transpose(2, 0, 1).ravel() for y in outputs for x in outputs]
        return self.finish(layer, np.stack(rows) @ weight.reshape(len(weight), -1).T)

    def conv_transpose(self, layer: str, x: np.ndarray) -> np.ndarray:
        """4 x 4, stride 2, padding 1: every input paints its kernel onto a canvas, whose rim is cut off."""
        weight, side = self.weight(layer), math.isqrt(len(x))
        operand = self.operand(layer, x).reshape(side, side, -1)
        canvas = np.zeros((2 * side + 2, 2 * side + 2, len(weight)), operand.dtype)
        for i in range(side):
            for j in range(side):
                stamp = np.einsum("oit,i->to", weight, operand[i, j]).reshape(4, 4, -1)
                canvas[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += stamp
        return self.finish(layer, canvas[1:-1, 1:-1].reshape(4 * side * side, -1))

    def block(self, name: str, x: np.ndarray, side: int) -> np.ndarray:
        attention = f"{name}.attn"
        qkv = self.linear(f"{attention}.qkv", self.normed_operand(f"{name}.norm1", f"{attention}.qkv", x))
        x = x + self.linear(f"{attention}.proj", self.operand(f"{attention}.proj", self.attend(attention, qkv, side)))
        hidden = self.linear(f"{name}.mlp.lin1", self.normed_operand(f"{name}.norm2", f"{name}.mlp.lin1", x))
        hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
        out = x + self.linear(f"{name}.mlp.lin2", self.operand(f"{name}.mlp.lin2", hidden))
        return out + self.adapter(f"{name}.Adapter", self.norm(f"{name}.norm2", x)) if self.a.has_adapters else out

    def adapter(self, name: str, x: np.ndarray) -> np.ndarray:
        gate = np.maximum(
            self.linear(f"{name}.channel.0", self.operand(f"{name}.channel.0", x.mean(0, keepdims=True))), 0
        )
        gate = 1 / (1 + np.exp(-self.linear(f"{name}.channel.2", self.operand(f"{name}.channel.2", gate))))
        small = np.maximum(self.conv(f"{name}.spatial.0", x * gate, 2, 1), 0)
        spatial = np.maximum(self.conv_transpose(f"{name}.spatial.2", small), 0)
        return self.norm(f"{name}.norm", x + spatial, 1e-5)

    def attend(self, name: str, qkv: np.ndarray, side: int) -> np.ndarray:
        """Attention of each token over all places of its window; places outside the grid hold the bias of qkv."""
        grid, heads, width = self.a.grid, self.a.num_heads, self.a.head_dim
        # One row stands for all padding places.
        rows = np.concatenate([qkv, self.t(f"{name}.qkv.bias")[None]]) if grid % side else qkv
        q, k, v = rows.reshape(-1, 3, heads, width).transpose(1, 2, 0, 3)
        scaled = self.representable(f"{name}.q", self.model.input_bits(name), q * width**-0.5)
        k, v = (
            self.representable(f"{name}.{part}", self.model.input_bits(name), x) for part, x in (("k", k), ("v", v))
        )
        logits, keys = np.empty((heads, grid * grid, side * side)), np.empty((grid * grid, side * side), int)
        for token in range(grid * grid):
            y, x = divmod(token, grid)
            places = [(y // side * side + i, x // side * side + j) for i in range(side) for j in range(side)]
            keys[token] = [a * grid + b if a < grid and b < grid else grid * grid for a, b in places]
            for head in range(heads):
                along_h = [q[head, token] @ self.t(f"{name}.rel_pos_h")[y - a + side - 1] for a, _ in places]
                along_w = [q[head, token] @ self.t(f"{name}.rel_pos_w")[x - b + side - 1] for _, b in places]
                logits[head, token] = k[head, keys[token]] @ scaled[head, token] + along_h + along_w
        out = np.einsum("hqk,hqkc->qhc", self.probabilities(name, logits), v[:, keys])
        return out.reshape(grid * grid, -1)

    def representable(self, name: str, bits: int | None, x: np.ndarray) -> np.ndarray:
        """The values (heads, tokens, width) that the codes of q, k or v stand for."""
        self.inputs[name] = x
        if bits is None:
            return x
        scale, zero = (self.t(f"{name}.{kind}")[:, None, None] for kind in ("scale", "zero_point"))
        return scale * (self.code_source(name, x, codes_of(x, scale, zero, bits)) - zero)

    def probabilities(self, name: str, logits: np.ndarray) -> np.ndarray:
        top = logits.max(-1, keepdims=True)
        log_sum = top + np.log(np.exp(logits - top).sum(-1, keepdims=True))
        self.inputs[f"{name}.softmax"] = np.exp(logits - log_sum)
        bits = self.model.softmax_bits(name)
        if bits is None:
            return np.exp(logits - log_sum)
        delta = self.t(f"{name}.softmax.scale")[:, None, None]
        step = self.t(f"{name}.softmax.step")
        distance = log_sum + np.log(delta) - logits
        own = np.clip(np.round(distance / step), 0, 2**bits - 1).astype(np.int64)
        codes = self.code_source(f"{name}.softmax", distance, own)
        return np.where(codes < 2**bits - 1, delta * np.exp(-codes * step), 0)
