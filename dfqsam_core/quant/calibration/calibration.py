"""Quantizing the encoder part by part: each place chooses its quantizer from what quantized places feed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn

from ...model.attention import Attention
from ...model.image_encoder import ImageEncoder
from ...progress import ProgressCallback, report
from ..config import QuantConfig
from .layers import (
    FloatLayer,
    PixelQuantizer,
    QuantizedLayer,
    apply_product,
    replace_module,
    rows_of_weight,
    weight_of_rows,
)
from .pending import LayerPlan, PendingLayer, PendingRange, PendingSoftmax
from .ranges import RangeSearch, search_weight_range, weight_codes
from .reparameterize import fold_input_scales


def calibrate(
    encoder: ImageEncoder,
    images: Tensor,
    pixels: PixelQuantizer,
    config: QuantConfig,
    threads: int = 1,
    progress: ProgressCallback | None = None,
) -> None:
    """Quantize `encoder` in place on normalised `images` (B, 3, S, S).

    Each part runs in float on what the float parts before it give, then quantized on what the quantized parts give.
    threads: range candidates and independent columns worked on side by side; they do not change the result.
    """
    plans, search = layer_plans(encoder, config), RangeSearch.of(config.calibration, threads)
    exact = encoder.patch_embed(images) + encoder.pos_embed
    encoder.patch_embed.proj = pixel_layer(encoder.patch_embed.proj, pixels, config)  # type: ignore[assignment]
    x = encoder.patch_embed(images) + encoder.pos_embed
    for index, block in enumerate(encoder.blocks):
        report(progress, "calibration", index, len(encoder.blocks) + 1, f"block {index + 1}")
        exact, x = _quantize_part(block, _below(plans, f"blocks.{index}."), exact, x, config, search)
    exact, x = exact.permute(0, 3, 1, 2), x.permute(0, 3, 1, 2)
    _quantize_part(encoder.neck, _below(plans, "neck."), exact, x, config, search)


def layer_plans(encoder: ImageEncoder, config: QuantConfig) -> dict[str, LayerPlan]:
    """The plan of every quantized layer but the patch embedding, by its path in the encoder."""
    settings = config.calibration
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
        per_channel = settings.reparameterize and path.endswith(("attn.qkv", "mlp.lin1"))
        # The bias of qkv is also what padding tokens carry, which no quantization error reaches.
        correct = settings.bias_correction and not path.endswith("attn.qkv")
        plans[path] = LayerPlan(config.weight_bits, bits, per_channel, correct)
    return plans


def pixel_layer(layer: nn.Conv2d, quantizer: PixelQuantizer, config: QuantConfig) -> QuantizedLayer:
    """The patch embedding on raw pixel codes: std folded into the weights, mean into the bias."""
    settings = config.calibration
    rows = fold_input_scales(rows_of_weight(layer, layer.weight.detach()), quantizer.scale)
    search = RangeSearch(settings.weight_search, settings.candidates, settings.rows)
    scale, zero_point = search_weight_range(rows, config.weight_bits, torch.ones_like(rows[0]), search)
    codes = weight_codes(rows, scale, zero_point, config.weight_bits)
    restored = weight_of_rows(layer, (codes - zero_point) * scale)
    mean_codes = (quantizer.mean / quantizer.step).expand(1, 3, *layer.weight.shape[2:])
    assert layer.bias is not None
    bias = layer.bias.detach() - apply_product(layer, mean_codes, restored).flatten()
    return QuantizedLayer(layer, quantizer, codes, scale[:, 0], zero_point[:, 0], config.weight_bits, scale[:, 0], bias)


def _below(plans: dict[str, LayerPlan], prefix: str) -> dict[str, LayerPlan]:
    return {path.removeprefix(prefix): plan for path, plan in plans.items() if path.startswith(prefix)}


def _quantize_part(
    part: nn.Module, plans: dict[str, LayerPlan], exact: Tensor, x: Tensor, config: QuantConfig, search: RangeSearch
) -> tuple[Tensor, Tensor]:
    """Quantize one part in place; returns its float output on `exact` and its quantized output on x."""
    inputs, exact = layer_inputs(part, plans, exact)
    for path, plan in plans.items():
        layer = cast(FloatLayer, part.get_submodule(path))
        replace_module(part, path, PendingLayer(layer, plan, search, config.calibration, inputs.pop(path)))
    for module in list(part.modules()):
        if isinstance(module, Attention):
            place_attention(module, config, search)
    x = part(x)
    settle(part)
    return exact, x


def settle(part: nn.Module) -> None:
    """Replace every place that has chosen its quantizer by that quantizer."""
    for path, module in list(part.named_modules()):
        quantized = getattr(module, "quantized", None)
        if isinstance(quantized, nn.Module):
            replace_module(part, path, quantized)


def place_attention(attention: nn.Module, config: QuantConfig, search: RangeSearch) -> None:
    """Let queries, keys, values and softmax of `attention` choose their quantizers at their first input."""
    dims = (0, 2, 3) if config.per_head else (0, 1, 2, 3)
    for name in ("query", "key", "value"):
        setattr(attention, name, PendingRange(config.activation_bits, dims, search))
    attention.softmax = PendingSoftmax(config.softmax_bits, dims, search)


def layer_inputs(part: nn.Module, paths: Iterable[str], x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The input of each layer named in `paths`, in the order in which they run on x, and the part's output."""
    inputs: dict[str, Tensor] = {}

    def listen(path: str) -> Callable[..., None]:
        def keep(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs[path] = arguments[0]

        return keep

    handles = [part.get_submodule(path).register_forward_pre_hook(listen(path)) for path in paths]
    try:
        return inputs, part(x)
    finally:
        for handle in handles:
            handle.remove()
