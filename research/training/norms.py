"""How unequal the channels of LayerNorm outputs are: what makes a ViT hard to quantize."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dfqsam_core.model.sam_med2d import SamMed2D

from .network import embed
from .validation import Case

KINDS = ("norm1", "norm2", "Adapter.norm")


@torch.no_grad()
def channel_spread(model: SamMed2D, cases: list[Case]) -> dict[str, dict[str, float]]:
    """Largest over median channel range (max - min over all cases), mean and worst over the layers of each kind."""
    low: dict[str, Tensor] = {}
    high: dict[str, Tensor] = {}

    def watch(name: str) -> object:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            flat = output.flatten(0, -2).float()
            low[name] = torch.minimum(low.get(name, flat.amin(0)), flat.amin(0))
            high[name] = torch.maximum(high.get(name, flat.amax(0)), flat.amax(0))

        return hook

    named = [(name, module) for name, module in model.image_encoder.named_modules() if name.endswith(KINDS)]
    handles = [module.register_forward_hook(watch(name)) for name, module in named]
    for case in cases:
        embed(model, torch.from_numpy(case.pixels)[None].float().to(model.pixel_mean.device))
    for handle in handles:
        handle.remove()
    ratio = {name: float((high[name] - low[name]).max() / (high[name] - low[name]).median()) for name in low}
    return {kind: _mean_and_worst([value for name, value in ratio.items() if _kind(name) == kind]) for kind in KINDS}


def _kind(name: str) -> str:
    return "Adapter.norm" if name.endswith("Adapter.norm") else name.rsplit(".", 1)[-1]


def _mean_and_worst(values: list[float]) -> dict[str, float]:
    return {"mean": round(sum(values) / max(1, len(values)), 3), "worst": round(max(values, default=0.0), 3)}
