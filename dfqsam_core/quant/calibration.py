"""Calibration in one pass over the images: each place chooses its quantizer from what quantized places feed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..model.attention import Attention
from ..model.image_encoder import ImageEncoder
from .config import QuantConfig
from .layers import (
    FloatLayer,
    PixelQuantizer,
    QuantizedLayer,
    apply_product,
    input_channel_dim,
    rows_of_weight,
    weight_of_rows,
)
from .quantizers import LogSqrt2Softmax, UniformQuantizer
from .ranges import (
    RangeSearch,
    draw_rows,
    search_input_range,
    search_softmax_delta,
    search_tensor_range,
    search_weight_range,
    weight_codes,
)
from .reparameterize import fold_input_scales


@dataclass(frozen=True)
class LayerPlan:
    """What one layer gets: bits of weight and input, and whether its input is quantized per channel."""

    weight_bits: int
    input_bits: int
    per_channel: bool = False
    correct_bias: bool = False


class PendingLayer(nn.Module):
    """A float layer that becomes a QuantizedLayer at its first input."""

    def __init__(self, layer: FloatLayer, plan: LayerPlan, search: RangeSearch, weight_method: str) -> None:
        super().__init__()
        self.layer, self.plan, self.search, self.weight_method = layer, plan, search, weight_method
        self.quantized: nn.Module | None = None
        self.bias = layer.bias  # attention reads the bias of qkv for its padding tokens

    def forward(self, x: Tensor) -> Tensor:
        """Calibrate on the first x, then run quantized."""
        if self.quantized is None:
            self.quantized = self._calibrate(x)
        return self.quantized(x)

    def _sample(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Linear):
            return draw_rows(x.flatten(0, -2), self.search.rows)
        positions = x.shape[-1] * x.shape[-2]
        return draw_rows(x, max(1, self.search.rows // positions))

    def _calibrate(self, x: Tensor) -> QuantizedLayer:
        layer, plan, sample = self.layer, self.plan, self._sample(x)
        weight = layer.weight.detach()
        scale, zero_point = search_input_range(
            sample, plan.input_bits, plan.per_channel, lambda v: apply_product(layer, v, weight), self.search
        )
        if plan.per_channel:
            quantizer = UniformQuantizer(scale[0], zero_point[0], plan.input_bits)
        else:
            quantizer = UniformQuantizer(scale.reshape(1), zero_point.reshape(1), plan.input_bits)
        result = quantize_weight(layer, quantizer, sample, plan, self.search, self.weight_method)
        return correct_bias(layer, result, sample) if plan.correct_bias else result


def quantize_weight(
    layer: FloatLayer, quantizer: UniformQuantizer, sample: Tensor, plan: LayerPlan, search: RangeSearch, method: str
) -> QuantizedLayer:
    """Choose the weight codes of `layer` for inputs of `quantizer`, whose scales per channel are folded in."""
    rows = rows_of_weight(layer, layer.weight.detach())
    if plan.per_channel:
        rows = fold_input_scales(rows, quantizer.scale)
    power = channel_power(layer, quantizer.centred_codes(sample), rows.shape[1])
    importance = torch.ones_like(power) if method == "quantile" else power
    weight_search = RangeSearch(method, search.candidates, search.rows, search.threads)
    scale, zero_point = search_weight_range(rows, plan.weight_bits, importance, weight_search)
    codes = weight_codes(rows, scale, zero_point, plan.weight_bits)
    scale, zero_point = scale[:, 0], zero_point[:, 0]
    output_scale = scale if plan.per_channel else scale * quantizer.scale
    bias = None if layer.bias is None else layer.bias.detach().clone()
    return QuantizedLayer(layer, quantizer, codes, scale, zero_point, plan.weight_bits, output_scale, bias)


def channel_power(layer: FloatLayer, x: Tensor, row_length: int) -> Tensor:
    """Mean square of each input channel, repeated over the kernel to (row_length,); never zero."""
    channels = x.movedim(input_channel_dim(layer), 0).flatten(1)
    power = channels.square().mean(1)
    power = power + 1e-4 * power.mean() + 1e-12
    return power.repeat_interleave(row_length // len(power))


def correct_bias(layer: FloatLayer, quantized: QuantizedLayer, sample: Tensor) -> QuantizedLayer:
    """Move the mean error of the quantized output on `sample` into the bias."""
    exact, approximate = layer(sample), quantized(sample)
    dims = [d for d in range(exact.dim()) if d != input_channel_dim(layer) % exact.dim()]
    shift = (exact - approximate).mean(dims)
    quantized.bias = shift if quantized.bias is None else quantized.bias + shift
    return quantized


class PendingRange(nn.Module):
    """A place for activations (B, heads, N, C) that chooses its uniform quantizer at the first input."""

    def __init__(self, bits: int, dims: tuple[int, ...], search: RangeSearch) -> None:
        super().__init__()
        self.bits, self.dims, self.search = bits, dims, search
        self.quantized: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Calibrate on the first x, then run quantized."""
        if self.quantized is None:
            self.quantized = UniformQuantizer(*search_tensor_range(x, self.bits, self.dims, self.search), self.bits)
        return self.quantized(x)


class PendingSoftmax(nn.Module):
    """A softmax that chooses its delta at the first logits (B, heads, queries, keys)."""

    def __init__(self, bits: int, dims: tuple[int, ...], search: RangeSearch) -> None:
        super().__init__()
        self.bits, self.dims, self.search = bits, dims, search
        self.quantized: nn.Module | None = None

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrate on the first logits (drawn evenly over images), then run quantized."""
        if self.quantized is None:
            drawn = draw_rows(logits, max(1, self.search.rows // logits.shape[2]))
            self.quantized = LogSqrt2Softmax(search_softmax_delta(drawn, self.bits, self.dims, self.search), self.bits)
        return self.quantized(logits)


def pixel_layer(
    layer: nn.Conv2d, quantizer: PixelQuantizer, config: QuantConfig, search: RangeSearch
) -> QuantizedLayer:
    """The patch embedding on raw pixel codes: std folded into the weights, mean into the bias."""
    rows = fold_input_scales(rows_of_weight(layer, layer.weight.detach()), quantizer.scale)
    weight_search = RangeSearch(config.calibration.weight_search, search.candidates, search.rows)
    scale, zero_point = search_weight_range(rows, config.weight_bits, torch.ones_like(rows[0]), weight_search)
    codes = weight_codes(rows, scale, zero_point, config.weight_bits)
    restored = weight_of_rows(layer, (codes - zero_point) * scale)
    mean_codes = (quantizer.mean / quantizer.step).expand(1, 3, *layer.weight.shape[2:])
    assert layer.bias is not None
    bias = layer.bias.detach() - apply_product(layer, mean_codes, restored).flatten()
    return QuantizedLayer(layer, quantizer, codes, scale[:, 0], zero_point[:, 0], config.weight_bits, scale[:, 0], bias)


def place_quantizers(encoder: ImageEncoder, config: QuantConfig, pixels: PixelQuantizer, threads: int) -> None:
    """Put pending quantizers at each place of the encoder that `config` quantizes; the next forward calibrates them."""
    search = RangeSearch(
        config.calibration.range_search, config.calibration.candidates, config.calibration.rows, threads
    )
    encoder.patch_embed.proj = pixel_layer(encoder.patch_embed.proj, pixels, config, search)  # type: ignore[assignment]
    for path, plan in layer_plans(encoder, config).items():
        parent = encoder.get_submodule(path.rpartition(".")[0])
        layer = cast(FloatLayer, encoder.get_submodule(path))
        setattr(parent, path.rpartition(".")[2], PendingLayer(layer, plan, search, config.calibration.weight_search))
    for block in encoder.blocks:
        _place_attention(cast(Attention, block.attn), config, search)


def _place_attention(attention: Attention, config: QuantConfig, search: RangeSearch) -> None:
    dims = (0, 2, 3) if config.per_head else (0, 1, 2, 3)
    for name in ("query", "key", "value"):
        setattr(attention, name, PendingRange(config.activation_bits, dims, search))
    attention.softmax = PendingSoftmax(config.softmax_bits, dims, search)


def layer_plans(encoder: ImageEncoder, config: QuantConfig) -> dict[str, LayerPlan]:
    """The plan of every quantized layer but the patch embedding, by its path in the encoder."""
    correct = config.calibration.bias_correction
    plans = {}
    for path, module in encoder.named_modules():
        if path == "patch_embed.proj" or not isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            continue
        if isinstance(module, nn.ConvTranspose2d) and not config.transpose_convolutions:
            continue
        bits = config.activation_bits
        if ".channel." in path:
            bits = config.gate_bits
        if path.startswith("neck."):
            bits = config.neck_bits
        per_channel = path.endswith(("attn.qkv", "mlp.lin1"))
        # The bias of qkv is also what padding tokens carry, which no quantization error reaches.
        plans[path] = LayerPlan(config.weight_bits, bits, per_channel, correct and not path.endswith("attn.qkv"))
    return plans


def calibrate(encoder: ImageEncoder, images: Tensor) -> None:
    """Run normalised `images` (B, 3, S, S) through an encoder with pending quantizers and fix what they chose."""
    with torch.no_grad():
        encoder(images)
    for path, module in list(encoder.named_modules()):
        quantized = getattr(module, "quantized", None)
        if isinstance(quantized, nn.Module):
            setattr(encoder.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2], quantized)
