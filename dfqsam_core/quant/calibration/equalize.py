"""Exact changes of the float network that make it easier to quantize: its function stays the same.

Cross-layer equalization (Nagel et al. 2019, arXiv 1906.04721, section 4.1), here by the ranges of activations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from ...model.attention import Attention
from ...model.image_encoder import Block, ImageEncoder
from ...progress import ProgressCallback, report

_LEAST_SHARE = 1e-3
_SILENCE = 1e-30


def equalize(encoder: ImageEncoder, images: Tensor, progress: ProgressCallback | None = None) -> None:
    """Give the channels that one quantizer shares like ranges on normalised `images` (B, 3, S, S), in place.

    Values and the columns of the projection, queries and keys with the position tables, and the two convolutions of
    each adapter are scaled against each other.
    """
    ranges = _channel_ranges(encoder, images, progress)
    for block, (projected, detail) in zip(_blocks(encoder), ranges, strict=True):
        attention = block.attn
        q, k, v = projected.view(3, attention.num_heads, attention.head_dim)
        scale_values(attention, 1 / _share(v))
        # The position tables serve all heads, so queries have one scale per channel of a head.
        scale_queries(attention, (_share(k) / _share(q)).log().mean(0).mul(0.5).exp())
        if detail is not None:
            scale_detail(block.Adapter.spatial, 1 / _share(detail))


def scale_values(attention: Attention, scale: Tensor) -> None:
    """Multiply the values by `scale` (heads, head_dim), which the projection undoes."""
    _scale_rows(attention.qkv, 2, scale.flatten())
    attention.proj.weight.data = attention.proj.weight / scale.flatten()


def scale_queries(attention: Attention, scale: Tensor) -> None:
    """Multiply the queries of each head by `scale` (head_dim,), which keys and position tables undo."""
    everywhere = scale.repeat(attention.num_heads)
    _scale_rows(attention.qkv, 0, everywhere)
    _scale_rows(attention.qkv, 1, 1 / everywhere)
    attention.rel_pos_h.data = attention.rel_pos_h / scale
    attention.rel_pos_w.data = attention.rel_pos_w / scale


def scale_detail(spatial: nn.Sequential, scale: Tensor) -> None:
    """Multiply what an adapter's ReLU passes on by `scale` (channels,) > 0, which the transposed convolution undoes."""
    first, second = cast(nn.Conv2d, spatial[0]), cast(nn.ConvTranspose2d, spatial[2])
    first.weight.data = first.weight * scale[:, None, None, None]
    second.weight.data = second.weight / scale[:, None, None, None]


def _scale_rows(qkv: nn.Linear, part: int, scale: Tensor) -> None:
    factors = scale.new_ones(3, len(scale))
    factors[part] = scale
    qkv.weight.data = qkv.weight * factors.flatten()[:, None]
    qkv.bias.data = qkv.bias * factors.flatten()


def _share(ranges: Tensor) -> Tensor:
    """Ranges relative to the largest; those of channels that never speak are kept from vanishing, even if none does."""
    return (ranges / ranges.amax().clamp(min=_SILENCE)).clamp(min=_LEAST_SHARE)


def _channel_ranges(
    encoder: ImageEncoder, images: Tensor, progress: ProgressCallback | None
) -> list[tuple[Tensor, Tensor | None]]:
    """For each block the largest magnitude of q, k and v (3 * dim,) and of the adapter's inner channels (dim,)."""
    seen: dict[tuple[int, str], Tensor] = {}

    def listen(key: tuple[int, str], dims: tuple[int, ...]) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[key] = output.abs().amax(dims)
            report(progress, "calibration", 0, 1, f"evening out channels, block {key[0] + 1}")

        return keep

    handles = []
    for index, block in enumerate(_blocks(encoder)):
        handles.append(block.attn.qkv.register_forward_hook(listen((index, "qkv"), (0, 1))))
        if hasattr(block, "Adapter"):
            spatial = block.Adapter.spatial
            handles.append(spatial[1].register_forward_hook(listen((index, "detail"), (0, 2, 3))))
    try:
        encoder(images)
    finally:
        for handle in handles:
            handle.remove()
    return [(seen[index, "qkv"], seen.get((index, "detail"))) for index in range(len(encoder.blocks))]


def _blocks(encoder: ImageEncoder) -> list[Block]:
    return [cast(Block, block) for block in encoder.blocks]
