"""How far the parts of a packed model are from its float original, on given images: to judge, never to calibrate.

Needs torch.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..model import SamMed2D
from ..model.image_encoder import ImageEncoder
from ..quant.reference import load_reference
from ..runtime.preprocess import network_pixels
from ..store.checkpoint import Checkpoint, read_checkpoint
from ..store.model_file import StoredModel, is_packed_model, read_model
from .evaluator import Evaluator

LAYER_SLICES = 8

# A module and its input; the module's own parts are named by attribute, which torch gives no types.
_Part = Callable[[Any, Tensor], Tensor]

# Parts that begin and end in tensors which no rescaling of channels can change, so that float and packed agree on them.
_ATTENTION: dict[str, _Part] = {"attn": lambda block, x: block.attn(block.norm1(x))}
_MLP: dict[str, _Part] = {
    "mlp.lin1": lambda block, x: block.mlp.lin1(block.norm2(x)),
    "mlp": lambda block, x: block.mlp(block.norm2(x)),
}
_ADAPTER: dict[str, _Part] = {
    "Adapter.channel": lambda block, x: block.Adapter.channel(block.norm2(x).mean((1, 2))),
    "Adapter": lambda block, x: block.Adapter(block.norm2(x)),
}


def layer_noise(checkpoint: Checkpoint, packed: StoredModel, images: np.ndarray) -> list[dict[str, Any]]:
    """Return one row per part of the image encoder, in the order in which they run.

    images: (B, S, S, 3), as the network sees them. A row holds "name" and two ratios of signal to noise power in
    dB: "own", with this part alone quantized, on what the float network feeds it, and "sum", with everything before it
    quantized, too. "attn" is LayerNorm 1 to proj, "mlp.lin1" LayerNorm 2 to lin1, "mlp" to lin2, "Adapter" to its norm.
    Raises ConfigError when the two networks differ in their sizes.
    """
    if (checkpoint.architecture, checkpoint.conventions) != (packed.architecture, packed.conventions):
        raise ConfigError(
            f"The model is a {packed.architecture.name} run as {packed.conventions.title}, the reference a "
            f"{checkpoint.architecture.name} run as {checkpoint.conventions.title}. "
            "Compare a model with the checkpoint that it was made from."
        )
    exact, quantized = SamMed2D.from_checkpoint(checkpoint), load_reference(packed)
    pixels = exact.normalize(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    with torch.no_grad():
        return list(_rows(exact.image_encoder, quantized.image_encoder, pixels))


def _rows(exact: ImageEncoder, quantized: ImageEncoder, pixels: Tensor) -> Iterator[dict[str, Any]]:
    walk = _Walk((exact, quantized), pixels)
    yield walk.row("patch_embed", lambda encoder, x: encoder.patch_embed(x))
    walk.advance(lambda encoder, x: encoder.patch_embed(x) + encoder.pos_embed)
    for index in range(len(exact.blocks)):
        yield from _block_rows(index, _Walk((exact.blocks[index], quantized.blocks[index]), walk.exact, walk.other))
        walk.advance(lambda encoder, x: encoder.blocks[index](x))  # noqa: B023 (runs at once)
    walk.advance(lambda _, x: x.permute(0, 3, 1, 2))
    yield walk.row("neck.0", lambda encoder, x: encoder.neck[0](x))
    yield walk.row("neck", lambda encoder, x: encoder.neck(x))


def _block_rows(index: int, walk: _Walk) -> Iterator[dict[str, Any]]:
    name = f"blocks.{index}"
    whole = walk.row(name, lambda module, x: module(x))
    yield from (walk.row(f"{name}.{part}", run) for part, run in _ATTENTION.items())
    walk.advance(lambda module, x: x + module.attn(module.norm1(x)))
    parts = _MLP | (_ADAPTER if hasattr(walk.modules[0], "Adapter") else {})
    yield from (walk.row(f"{name}.{part}", run) for part, run in parts.items())
    yield whole


class _Walk:
    """A float module and its quantized twin side by side; `exact` and `other` are what has reached each of them."""

    def __init__(self, modules: tuple[nn.Module, nn.Module], exact: Tensor, other: Tensor | None = None) -> None:
        self.modules, self.exact, self.other = modules, exact, exact if other is None else other

    def row(self, name: str, run: _Part) -> dict[str, Any]:
        signal = run(self.modules[0], self.exact)
        own, both = (decibels(signal, run(self.modules[1], x)) for x in (self.exact, self.other))
        return {"name": name, "own": own, "sum": both}

    def advance(self, run: _Part) -> None:
        self.exact, self.other = run(self.modules[0], self.exact), run(self.modules[1], self.other)


def decibels(signal: Tensor, approximate: Tensor) -> float:
    """Power of `signal` over power of its error, in dB; infinite where there is none."""
    noise = float((signal.double() - approximate.double()).square().sum())
    return 10 * math.log10(float(signal.double().square().sum()) / noise) if noise else math.inf


def check_parts(model_path: str | os.PathLike, reference_path: str | os.PathLike) -> None:
    """Raise what `measure_layers` would: to know it before the long work."""
    if not is_packed_model(model_path) or is_packed_model(reference_path):
        raise ConfigError("Parts can be compared only of a packed model and its float checkpoint. Leave out --layers.")


def measure_layers(
    evaluator: Evaluator,
    model_path: str | os.PathLike,
    reference_path: str | os.PathLike,
    conventions: str | None = None,
) -> list[dict[str, Any]]:
    """Return the rows of `layer_noise` on at most eight slices, evenly spread over the evaluator's.

    Raises ConfigError unless the model is packed and the reference a float checkpoint of the same sizes.
    """
    check_parts(model_path, reference_path)
    checkpoint = read_checkpoint(reference_path, conventions)
    slices = evaluator.slices
    chosen = np.unique(np.linspace(0, len(slices) - 1, LAYER_SLICES).round().astype(int))
    size = checkpoint.architecture.image_size
    images = np.stack([network_pixels(slices[index].image, size, "RGB", checkpoint.conventions) for index in chosen])
    return layer_noise(checkpoint, read_model(model_path), images)
