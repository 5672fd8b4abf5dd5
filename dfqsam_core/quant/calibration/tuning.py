"""Tuning a quantized part until its output is nearer to the float network's.

Part by part against the float network's output, as in BRECQ (Li et al. 2021, arXiv 2102.05426, section 3.2), but ranges
of inputs stay as they were chosen. What moves is held in float32 anyway: a scale for each row of weights, biases, and
the LayerNorms' weights and biases (Norm Tweaking, Li et al. 2023, arXiv 2309.02784). Where codes leave the output far
from the float network's, they move as well: rounding is learned, as in AdaRound (Nagel et al. 2020, arXiv 2004.10568),
but by straight-through gradients (Bengio et al. 2013, arXiv 1308.3432), from where float weights lie among the codes.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...base.machine import freed_memory_kept
from ...model.sam_modeling import sam_modeling
from ..plan import CODE_TUNING_IMAGES, TUNING_IMAGES
from .quantized_layers import QuantizedLayer
from .side_by_side import side_by_side

# The largest step: as a share of what is tuned, and of a code.
RATE, CODE_RATE = 3e-3, 1.5e-2
WARM_UP = 0.1
BETAS = (0.9, 0.99)
# How far from its code a float weight is taken to lie at most, in codes: each code is what its start rounds to.
REACH = 0.45
# Error of an output that is far, as a share of the output's variance: 13 dB of signal to noise.
FAR = 0.05


@dataclass(frozen=True)
class Tuned:
    """A tensor that is tuned in its place: where it starts, the unit that steps are taken in, and the largest step.

    codes: lowest and highest of the whole numbers that alone may stand in the place; None where any number may.
    """

    tensor: Tensor
    start: Tensor
    unit: Tensor
    rate: float = RATE
    codes: tuple[int, int] | None = None

    @classmethod
    def of(cls, tensor: Tensor, unit: Tensor) -> Tuned:
        """unit: positive, broadcastable to `tensor`."""
        return cls(tensor.requires_grad_(True), tensor.detach().clone(), unit)

    def place(self, move: Tensor) -> None:
        """Put the start, moved by so many units, into the place."""
        place = self.tensor.detach()
        if self.codes is None:
            place.copy_(self.start + self.unit * move)
        else:
            torch.add(self.start, move, out=place).round_().clamp_(*self.codes)


class _Walk:
    """The way of one tensor that is tuned: how far it has moved, and its own Adam."""

    def __init__(self, value: Tuned) -> None:
        self.value, self.move = value, torch.zeros_like(value.start)
        self.move.grad = torch.zeros_like(self.move)
        # Codes are many: one pass over them instead of nine.
        self.optimizer = torch.optim.Adam([self.move], betas=BETAS, fused=value.codes is not None)

    def step(self, gradients: Sequence[Tensor], share_of_rate: float) -> None:
        """One step by the sum of the images' gradients, added up in order."""
        total, value = self.move.grad, self.value
        assert total is not None
        total.copy_(gradients[0])
        for gradient in gradients[1:]:
            total.add_(gradient)
        if value.codes is None:
            total.mul_(value.unit)
        self.optimizer.param_groups[0]["lr"] = value.rate * share_of_rate
        self.optimizer.step()
        value.place(self.move)

    def back(self) -> None:
        """To the start."""
        self.value.place(torch.zeros_like(self.move))


def is_far(outputs: Tensor, exact: Tensor) -> bool:
    """Return True where `outputs` are so far from the float network's that weight codes have to move as well."""
    return bool((outputs - exact).square().mean() > FAR * exact.var())


def tune(
    part: nn.Module,
    x: Tensor,
    outputs: Tensor,
    exact: Tensor,
    steps: int,
    threads: int,
    tell: Callable[[str], None],
    codes: bool = False,
) -> Tensor:
    """Bring `outputs`, those of the quantized `part` on x, nearer to `exact`, in place; returns them as they are then.

    x, outputs, exact: images first; each step looks at the next four, or two with codes. Where the whole has come no
    nearer, everything is left as it was. threads: images worked on side by side; each has its own gradients, which are
    added up in order, so the result does not depend on them. tell: is told each step. codes: tune weight codes, too.
    """
    walks = [_Walk(value) for value in (*_scales_and_biases(part), *_norms(part), *(_codes(part) if codes else ()))]
    at_once = min(CODE_TUNING_IMAGES if codes else TUNING_IMAGES, len(x))
    power = exact.var().clamp(min=torch.finfo(exact.dtype).tiny)

    def gradients(image: int) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            error = (part(x[image : image + 1]) - exact[image : image + 1]).square().mean() / power
            return torch.autograd.grad(error, [walk.value.tensor for walk in walks])

    # Codes take so much that what is kept would add up to gigabytes.
    with contextlib.nullcontext() if codes else freed_memory_kept():
        for step in range(steps):
            tell(f", tuning step {step + 1} of {steps}")
            images = [(step * at_once + number) % len(x) for number in range(at_once)]
            by_walk = zip(*side_by_side(gradients, images, threads), strict=True)
            share = _share_of_rate(step, steps)
            moves = [functools.partial(walk.step, parts, share) for walk, parts in zip(walks, by_walk, strict=True)]
            side_by_side(lambda move: move(), moves, threads)
    for walk in walks:
        walk.value.tensor.requires_grad_(False)
    _settle_scales(part)
    now = torch.cat(side_by_side(part, x.split(1), threads))
    nearer = bool((now - exact).square().sum() < (outputs - exact).square().sum())
    if not nearer:
        for walk in walks:
            walk.back()
        _settle_scales(part)
    _settle_codes(part)
    return now if nearer else outputs


def _share_of_rate(step: int, steps: int) -> float:
    """A short rise to one, then half a cosine to zero."""
    return min(1.0, (step + 1) / (WARM_UP * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _settle_scales(part: nn.Module) -> None:
    for layer in part.modules():
        if isinstance(layer, QuantizedLayer):
            layer.take_output_scale()


def _settle_codes(part: nn.Module) -> None:
    for layer in part.modules():
        if isinstance(layer, QuantizedLayer):
            layer.weight_codes = layer.weight_codes.detach().to(torch.uint8)


def _codes(part: nn.Module) -> list[Tuned]:
    tuned = []
    for layer in part.modules():
        if isinstance(layer, QuantizedLayer) and layer.places is not None:
            codes = layer.weight_codes.float()
            start = codes + (layer.places - codes).clamp_(-REACH, REACH)
            layer.weight_codes = codes.requires_grad_(True)
            tuned.append(Tuned(codes, start, torch.ones(()), CODE_RATE, layer.code_range))
    return tuned


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
