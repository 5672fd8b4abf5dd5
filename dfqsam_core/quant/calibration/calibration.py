"""Quantizing the encoder part by part: each place chooses its quantizer from what quantized places feed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn

from ...errors import CheckpointError
from ...model.attention import Attention
from ...model.image_encoder import ImageEncoder
from ...progress import ProgressCallback, report
from ..plan import AttentionPlan, NetworkPlan
from .pending import PendingLayer, PendingRange, PendingSoftmax
from .quantized_layers import (
    FloatLayer,
    PixelQuantizer,
    QuantizedLayer,
    apply_product,
    replace_module,
    rows_of_weight,
    weight_of_rows,
)
from .reparameterize import fold_input_scales
from .strategies import Strategies
from .tuning import is_far, tune
from .weight_ranges import search_weight_range, weight_codes


def calibrate(
    encoder: ImageEncoder,
    images: Tensor,
    pixels: PixelQuantizer,
    plan: NetworkPlan,
    threads: int = 1,
    progress: ProgressCallback | None = None,
) -> int:
    """Quantize `encoder` in place, as `plan` says, on normalised `images` (B, 3, S, S).

    Each part runs in float on what the float parts before it give, then quantized on what the quantized parts give.
    threads: range candidates and independent columns worked on side by side; they do not change the result.
    Returns the number of parts, blocks and neck, whose weight codes were tuned.
    """
    strategies = Strategies.of(plan.config.calibration, threads, keeps_places=plan.code_tuning_steps > 0)
    exact = encoder.patch_embed(images) + encoder.pos_embed
    weight_bits = plan.integer_layers()["patch_embed.proj"].weight_bits
    encoder.patch_embed.proj = pixel_layer(encoder.patch_embed.proj, pixels, weight_bits, strategies)  # type: ignore[assignment]
    x = encoder.patch_embed(images) + encoder.pos_embed
    parts, tuned = len(encoder.blocks) + 1, 0
    for index, block in enumerate(encoder.blocks):
        tell = _teller(progress, index, parts, f"block {index + 1}")
        exact, x, codes_tuned = _quantize_part(block, f"blocks.{index}.", exact, x, plan, strategies, tell)
        tuned += codes_tuned
    exact, x = exact.permute(0, 3, 1, 2), x.permute(0, 3, 1, 2)
    tell = _teller(progress, parts - 1, parts, "neck")
    *_, codes_tuned = _quantize_part(encoder.neck, "neck.", exact, x, plan, strategies, tell)
    return tuned + codes_tuned


def _teller(progress: ProgressCallback | None, index: int, parts: int, name: str) -> Callable[[str], None]:
    """What tells that part `index` is worked on, and a word more about it."""
    return lambda more: report(progress, "calibration", index, parts, name + more)


def pixel_layer(layer: nn.Conv2d, quantizer: PixelQuantizer, bits: int, strategies: Strategies) -> QuantizedLayer:
    """The patch embedding on raw pixel codes, with weights of `bits` bits: std folded into them, mean into the bias."""
    rows = fold_input_scales(rows_of_weight(layer, layer.weight.detach()), quantizer.scale)
    scale, zero_point = search_weight_range(
        rows, bits, torch.ones_like(rows[0]), strategies.weight_ranges, strategies.threads
    )
    codes = weight_codes(rows, scale, zero_point, bits)
    restored = weight_of_rows(layer, (codes - zero_point) * scale)
    mean_codes = (quantizer.mean / quantizer.step).expand(1, 3, *layer.weight.shape[2:])
    assert layer.bias is not None
    bias = layer.bias.detach() - apply_product(layer, mean_codes, restored).flatten()
    return QuantizedLayer(layer, quantizer, codes, scale[:, 0], zero_point[:, 0], bits, scale[:, 0], bias)


def _quantize_part(
    part: nn.Module,
    prefix: str,
    exact: Tensor,
    x: Tensor,
    plan: NetworkPlan,
    strategies: Strategies,
    tell: Callable[[str], None],
) -> tuple[Tensor, Tensor, bool]:
    """Quantize the encoder's part `prefix` in place.

    Returns its float output on `exact`, its quantized one on x, and whether its weight codes were tuned.
    """
    tell("")
    plans = plan.integer_layers(f"image_encoder.{prefix}")
    inputs, exact = layer_inputs(part, plans, exact)
    for path, value in inputs.items():
        require_squares(value, f"image_encoder.{prefix}{path}")
    for path, layer_plan in plans.items():
        layer = cast(FloatLayer, part.get_submodule(path))
        replace_module(part, path, PendingLayer(layer, layer_plan, strategies, inputs.pop(path)))
    for path, module in list(part.named_modules()):
        if isinstance(module, Attention):
            bits = plan.attentions[f"image_encoder.{prefix}{path}"]
            place_attention(module, bits, plan.config.per_head, strategies)
    fed, x = x, part(x)
    settle(part)
    tunes_codes = plan.code_tuning_steps > 0 and is_far(x, exact)
    steps = plan.code_tuning_steps if tunes_codes else plan.tuning_steps
    if steps:
        x = tune(part, fed, x, exact, steps, strategies.threads, tell, tunes_codes)
    for module in part.modules():
        if isinstance(module, QuantizedLayer):
            module.places = None
    return exact, x, tunes_codes


def require_squares(value: Tensor, name: str) -> None:
    """Raise CheckpointError where what layer `name` gets in the float network is too large for errors to be squared."""
    if not torch.linalg.vector_norm(value).isfinite():
        largest = value.abs().max()
        found = "overflows" if largest.isnan() else f"reaches {largest:.1e}"
        raise CheckpointError(
            f"The input of {name} {found} on the synthetic images, too much for errors to be squared. The checkpoint's "
            "weights are damaged, or its training diverged: take another one."
        )


def settle(part: nn.Module) -> None:
    """Replace every place that has chosen its quantizer by that quantizer."""
    for path, module in list(part.named_modules()):
        quantized = getattr(module, "quantized", None)
        if isinstance(quantized, nn.Module):
            replace_module(part, path, quantized)


def place_attention(attention: nn.Module, bits: AttentionPlan, per_head: bool, strategies: Strategies) -> None:
    """Let queries, keys, values and, if it is coded, softmax of `attention` choose quantizers at their first input."""
    dims = (0, 2, 3) if per_head else (0, 1, 2, 3)
    for name in ("query", "key", "value"):
        setattr(attention, name, PendingRange(bits.input_bits, dims, strategies))
    if bits.softmax_bits is not None:
        attention.softmax = PendingSoftmax(bits.softmax_bits, dims, strategies)


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
