"""Tuning what a quantized part keeps in float until its output is nearer to the float network's.

Part by part against the float network's output, as in BRECQ (Li et al. 2021, arXiv 2102.05426, section 3.2), but codes
and ranges of inputs stay as they were chosen. What moves is held in float32 anyway: a scale for each row of weights,
biases, and the LayerNorms' weights and biases (Norm Tweaking, Li et al. 2023, arXiv 2309.02784).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...model.sam_modeling import sam_modeling
from ..plan import TUNING_IMAGES
from .quantized_layers import QuantizedLayer
from .side_by_side import side_by_side

# The largest step, as a share of what is tuned.
RATE = 3e-3
WARM_UP = 0.1
BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class Tuned:
    """A tensor that is tuned in its place: its values at the start, and the unit that steps are taken in."""

    tensor: Tensor
    start: Tensor
    unit: Tensor

    @classmethod
    def of(cls, tensor: Tensor, unit: Tensor) -> Tuned:
        """unit: positive, broadcastable to `tensor`."""
        return cls(tensor.requires_grad_(True), tensor.detach().clone(), unit)


def tune(
    part: nn.Module,
    x: Tensor,
    outputs: Tensor,
    exact: Tensor,
    steps: int,
    threads: int,
    tell: Callable[[str], None],
) -> Tensor:
    """Bring `outputs`, those of the quantized `part` on x, nearer to `exact`, in place; returns them as they are then.

    x, outputs, exact: images first; each step looks at the next four. Where the whole has come no nearer, everything is
    left as it was. threads: images worked on side by side; each has its own gradients, which are added up in order, so
    the result does not depend on them. tell: is told each step.
    """
    tuned = [*_scales_and_biases(part), *_norms(part)]
    moves = [torch.zeros_like(value.start) for value in tuned]
    optimizer = torch.optim.Adam(moves, betas=BETAS)
    power = exact.var().clamp(min=torch.finfo(exact.dtype).tiny)

    def gradients(image: int) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            error = (part(x[image : image + 1]) - exact[image : image + 1]).square().mean() / power
            return torch.autograd.grad(error, [value.tensor for value in tuned])

    for step in range(steps):
        tell(f", tuning step {step + 1} of {steps}")
        images = [(step * TUNING_IMAGES + number) % len(x) for number in range(min(TUNING_IMAGES, len(x)))]
        for value, move, *parts in zip(tuned, moves, *side_by_side(gradients, images, threads), strict=True):
            move.grad = sum(parts, torch.zeros_like(move)) * value.unit
        optimizer.param_groups[0]["lr"] = RATE * _share_of_rate(step, steps)
        optimizer.step()
        for value, move in zip(tuned, moves, strict=True):
            value.tensor.detach().copy_(value.start + value.unit * move)
    for value in tuned:
        value.tensor.requires_grad_(False)
    _settle_scales(part)
    now = torch.cat(side_by_side(part, x.split(1), threads))
    if (now - exact).square().sum() < (outputs - exact).square().sum():
        return now
    for value in tuned:
        value.tensor.copy_(value.start)
    _settle_scales(part)
    return outputs


def _share_of_rate(step: int, steps: int) -> float:
    """A short rise to one, then half a cosine to zero."""
    return min(1.0, (step + 1) / (WARM_UP * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _settle_scales(part: nn.Module) -> None:
    for layer in part.modules():
        if isinstance(layer, QuantizedLayer):
            layer.take_output_scale()


def _scales_and_biases(part: nn.Module) -> list[Tuned]:
    tuned = []
    for path, layer in part.named_modules():
        if isinstance(layer, QuantizedLayer):
            tuned.append(Tuned.of(layer.output_scale, layer.output_scale.detach().clone()))
            # The bias of qkv is also what padding tokens carry, which are exact.
            if layer.bias is not None and not path.endswith("attn.qkv"):
                tuned.append(Tuned.of(layer.bias, layer.bias.detach().abs().mean() + 1e-3))
    return tuned


def _norms(part: nn.Module) -> list[Tuned]:
    tuned = []
    for module in part.modules():
        if isinstance(module, (nn.LayerNorm, sam_modeling().common.LayerNorm2d)):
            weight, bias = (nn.Parameter(p.detach().clone(), requires_grad=False) for p in (module.weight, module.bias))
            module.weight, module.bias = weight, bias
            size = weight.abs().mean()
            tuned += [Tuned.of(weight, size), Tuned.of(bias, bias.abs().mean() + 0.1 * size)]
    return tuned
