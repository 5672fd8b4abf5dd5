"""Writes the layers of a network into a graph: integer where the file holds codes, float where it holds a weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...store.model_file import StoredModel
from .im2col import TapTable
from .onnx_builder import CONTRIB, GraphBuilder
from .weights import code_weight, float_weight

# Instruction sets before VNNI add two neighbouring products of an unsigned and a signed byte in 16 bits, saturating.
_LARGEST_PAIR = 2**15 - 1


@dataclass(frozen=True)
class _InputQuantizer:
    """Quantizer of a layer's input; scale, zero_point: (1,) or (in,)."""

    scale: np.ndarray
    zero_point: np.ndarray
    bits: int

    @property
    def is_per_channel(self) -> bool:
        return self.scale.size > 1


@dataclass(frozen=True)
class OutputUnit:
    """Makes a product emit y * factor + offset instead of y; both (out,)."""

    factor: np.ndarray
    offset: np.ndarray


class LayerWriter:
    """Appends the layers of `model` to `graph`, by their names in the float state dict.

    Values have their channels on the last axis. A layer with weight and input codes is an integer product; one with
    weight codes alone gets them as float32 weights; one without codes stays float.

    Where the graph keeps taps, an integer layer L gives `L.input`, the float values before its quantizer (in units of
    codes for attn.qkv and mlp.lin1, whose quantizer is folded into the LayerNorm), `L.codes`, and `L.output` (not
    attn.qkv, whose output is in units of the codes of q, k and v).
    """

    def __init__(self, graph: GraphBuilder, model: StoredModel) -> None:
        self.graph = graph
        self.model = model

    def is_integer(self, layer: str) -> bool:
        """Return whether `layer` multiplies codes by codes."""
        return self.model.is_quantized(layer) and f"{layer}.input.scale" in self.model.tensors

    def linear(self, layer: str, x: str, bias: np.ndarray | None = None) -> str:
        """A linear layer, or a convolution of one tap, on x (..., in); bias (out,) instead of its own."""
        return self.product(layer, self.quantized(layer, x), bias=bias)

    def quantized(self, layer: str, x: str) -> str:
        """Codes of x where `layer` is integer, else x itself."""
        if not self.is_integer(layer):
            return x
        quantizer = self._quantizer(layer)
        return self.quantize(layer, x, quantizer.scale, quantizer.zero_point, quantizer.bits, axis=-1)

    def quantize(self, name: str, x: str, scale: np.ndarray, zero_point: np.ndarray, bits: int, axis: int) -> str:
        """Codes clamp(round_half_even(x / scale) + zero_point, 0, 2^bits - 1), uint8; scale: (1,) or along `axis`."""
        self.graph.tap(f"{name}.input", x)
        if scale.size == 1:
            scale, zero_point = scale.reshape(()), zero_point.reshape(())
        elif axis == -1:
            # The engine's own quantizer is slow where neighbouring values have different scales.
            steps = self.graph.op("Round", self.graph.op("Div", x, self.graph.constant(scale)))
            x = self.graph.op("Add", steps, self.graph.constant(zero_point.astype(np.float32)))
            scale, zero_point = np.array(1, np.float32), np.array(0, np.uint8)
        codes = self.graph.op("QuantizeLinear", x, *map(self.graph.constant, (scale, zero_point)), axis=axis)
        return self.graph.tap(f"{name}.codes", self.clamp(codes, bits))

    def codes(self, x: str, bits: int) -> str:
        """Codes of x in units of codes: rounded half to even and limited to 0 .. 2^bits - 1, uint8."""
        one, zero = self.graph.floats(1), self.graph.constant(np.uint8(0))
        return self.clamp(self.graph.op("QuantizeLinear", x, one, zero), bits)

    def clamp(self, codes: str, bits: int) -> str:
        """Codes, uint8, limited to 2^bits - 1."""
        # Not Min: onnxruntime 1.23, the newest for Python 3.10, has none for uint8.
        last = np.uint8(2**bits - 1)
        return codes if bits == 8 else self.graph.op("Clip", codes, *map(self.graph.constant, (np.uint8(0), last)))

    def norm(self, name: str, x: str, epsilon: float) -> str:
        """LayerNorm `name` over the last axis."""
        return self._layer_norm(x, self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), epsilon)

    def normed_input(self, norm: str, layer: str, x: str, epsilon: float) -> str:
        """Input of `layer` behind LayerNorm `norm`: codes, their quantizer folded into the LayerNorm, or floats."""
        if not self.is_integer(layer):
            return self.norm(norm, x, epsilon)
        quantizer = self._quantizer(layer)
        gamma = self.tensor(f"{norm}.weight") / quantizer.scale
        beta = self.tensor(f"{norm}.bias") / quantizer.scale + quantizer.zero_point.astype(np.float32)
        steps = self._layer_norm(x, gamma, beta, epsilon)
        return self.quantize(layer, steps, np.ones(1, np.float32), np.zeros(1, np.uint8), quantizer.bits, axis=-1)

    def product(self, layer: str, x: str, taps: np.ndarray | None = None, bias: np.ndarray | None = None) -> str:
        """Product of x (..., taps * in), as `quantized` gives it, and the weight of `layer`, with scale and bias.

        taps: flat kernel elements in the order of x; None for all in their own order (only one in a linear layer).
        bias: float32 (out,), instead of the layer's own.
        """
        weight = self._weight(layer)
        y = self._product(layer, weight if taps is None else weight[:, taps], x, bias)
        return self.graph.tap(f"{layer}.output", y)

    def product_in_parts(self, layer: str, x: str, units: list[OutputUnit]) -> list[str]:
        """A linear layer whose output channels are cut into equal parts, each in a unit of its own."""
        count = self.model.layers[layer].out_channels // len(units)
        columns = [slice(start, start + count) for start in range(0, count * len(units), count)]
        weight, bias = self._weight(layer), self.bias(layer)
        values = []
        for part, unit in zip(columns, units, strict=True):
            part_bias = (bias[part] * unit.factor + unit.offset).astype(np.float32)
            if self.is_integer(layer):
                scale = (self.tensor(f"{layer}.weight.scale")[part] * unit.factor).astype(np.float32)
                values.append(self._integer_product(layer, weight[..., part], x, scale, part_bias))
            else:
                matrix = (weight[:, 0, part] * unit.factor).astype(np.float32)
                product = self.graph.op("MatMul", x, self.graph.weight(matrix))
                values.append(self.graph.op("Add", product, self.graph.constant(part_bias)))
        return values

    def convolution(self, layer: str, x: str, table: TapTable) -> str:
        """A convolution on x (positions, in), gathered tap by tap; padding is exact zero."""
        codes = self.quantized(layer, x)
        return self.product(layer, self._gather(layer, codes, table), table.kernel)

    def transposed_convolution(self, layer: str, x: str, phases: list[TapTable]) -> str:
        """A transposed convolution on x (positions, in): (positions, phases * out), one product per output phase."""
        codes, weight = self.quantized(layer, x), self._weight(layer)
        parts = [self._product(layer, weight[:, phase.kernel], self._gather(layer, codes, phase)) for phase in phases]
        return self.graph.tap(f"{layer}.output", self.graph.concat(*parts, axis=1))

    def spread(self, layer: str, x: str) -> str:
        """A transposed convolution whose taps do not overlap, on x (..., in): (..., taps * out)."""
        weight, codes = self._weight(layer), self.quantized(layer, x)
        taps = weight.shape[1]
        y = self._product(layer, weight.reshape(len(weight), 1, -1), codes, np.tile(self.bias(layer), taps))
        return self.graph.tap(f"{layer}.output", y)

    def tensor(self, name: str) -> np.ndarray:
        """A float tensor of the model as float32; position tables are stored as float16."""
        return np.asarray(self.model.tensors[name], np.float32)

    def bias(self, layer: str) -> np.ndarray:
        """Bias of `layer`, float32 (out,); zeros where it has none."""
        zeros = np.zeros(self.model.layers[layer].out_channels, np.float32)
        return self.model.tensors.get(f"{layer}.bias", zeros)

    def _weight(self, layer: str) -> np.ndarray:
        """Weight (in, taps, out): int8 codes minus their zero point of an integer layer, else float32."""
        return (code_weight if self.is_integer(layer) else float_weight)(self.model, layer)

    def _gather(self, layer: str, x: str, table: TapTable) -> str:
        """Rows (outputs, taps * in) of the inputs that each output sees; x: (positions, in)."""
        channels = self.model.layers[layer].in_channels
        pad = np.zeros((1, channels), np.float32)
        if self.is_integer(layer):
            pad = np.broadcast_to(self._quantizer(layer).zero_point, (1, channels))
        padded = self.graph.concat(x, self.graph.constant(pad), axis=0)
        return self.graph.reshape(self.graph.gather(padded, table.positions), len(table.positions), -1)

    def _product(self, layer: str, weight: np.ndarray, x: str, bias: np.ndarray | None = None) -> str:
        """x (..., taps * in) times weight (in, taps, n * out), n times the layer's channels; bias None is its own."""
        bias = self.bias(layer) if bias is None else bias
        if self.is_integer(layer):
            scale = self.tensor(f"{layer}.weight.scale")
            return self._integer_product(layer, weight, x, np.tile(scale, len(bias) // len(scale)), bias)
        y = self.graph.op("MatMul", x, self.graph.weight(_matrix(weight)))
        return self.graph.op("Add", y, self.graph.constant(bias)) if bias.any() else y

    def _integer_product(
        self, layer: str, weight: np.ndarray, codes: str, weight_scale: np.ndarray, bias: np.ndarray
    ) -> str:
        """scale * sum (code - zero point) W + bias; zero points of single channels become part of the bias."""
        quantizer = self._quantizer(layer)
        input_scale, zero_point = np.array(1, np.float32), np.array(0, np.uint8)
        if quantizer.is_per_channel:
            # Not @, which has no quick way for integers.
            offset = np.einsum("i,ito->o", quantizer.zero_point.astype(np.int32), weight, dtype=np.int32)
            bias = (bias - weight_scale.astype(np.float64) * offset).astype(np.float32)
        else:
            input_scale, zero_point = quantizer.scale[0], quantizer.zero_point[0]
        matrix, matrix_zero_point = self._integer_matrix(layer, weight)
        return self.graph.op(
            "MatMulIntegerToFloat",
            codes,
            matrix,
            *map(self.graph.constant, (input_scale, weight_scale, zero_point)),
            matrix_zero_point,
            self.graph.constant(bias) if bias.any() else None,
            domain=CONTRIB,
        )

    def _integer_matrix(self, layer: str, weight: np.ndarray) -> tuple[str, str | None]:
        """Weight (taps * in, out) and its zero point: signed bytes where no product can saturate, else unsigned."""
        weight_bits, input_bits = self.model.weight_bits(layer) or 0, self._quantizer(layer).bits
        largest = (2 ** min(weight_bits, 7) - 1) * (2**input_bits - 1)
        matrix = _matrix(weight)
        if 2 * largest <= _LARGEST_PAIR:
            return self.graph.weight(matrix), None
        return self.graph.weight(matrix.view(np.uint8) + np.uint8(128)), self.graph.constant(np.uint8(128))

    def _layer_norm(self, x: str, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> str:
        affine = map(self.graph.constant, (gamma, beta))
        return self.graph.op("LayerNormalization", x, *affine, axis=-1, epsilon=epsilon)

    def _quantizer(self, layer: str) -> _InputQuantizer:
        scale, zero_point = (self.model.tensors[f"{layer}.input.{part}"] for part in ("scale", "zero_point"))
        return _InputQuantizer(scale, zero_point, self.model.input_bits(layer) or 8)


def _matrix(weight: np.ndarray) -> np.ndarray:
    """The matrix (taps * in, out) of a weight (in, taps, out)."""
    return np.ascontiguousarray(weight.swapaxes(0, 1)).reshape(-1, weight.shape[2])
