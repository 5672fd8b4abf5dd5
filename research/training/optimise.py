"""Optimiser, learning rate and running average of the weights; all state is a flat set of named tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

WARM_UP_STEPS = 300
ENCODER_RATE, DECODER_RATE = 8e-4, 2.5e-4
ENCODER_DECAY, DECODER_DECAY = 0.05, 0.01
CLIP_NORM = 1.0


def rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, then a half cosine to 1 % at `steps`."""
    warm = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(1, steps // 10)))
    return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


class Optimiser:
    """AdamW on named parameters with a gradient clip and an exponential moving average of the weights."""

    def __init__(self, parameters: dict[str, nn.Parameter], steps: int, rate: float = 1.0) -> None:
        """rate: scale of all learning rates; below 1 to go on from weights that are trained already."""
        self.parameters, self.steps, self.rate = parameters, steps, rate
        self.average = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self.adam = torch.optim.AdamW(self._groups(), betas=(0.9, 0.98), fused=True)

    def _groups(self) -> list[dict[str, object]]:
        groups = []
        for encoder in (True, False):
            full, decay = (ENCODER_RATE, ENCODER_DECAY) if encoder else (DECODER_RATE, DECODER_DECAY)
            rate = full * self.rate
            own = [p for name, p in self.parameters.items() if name.startswith("image_encoder.") == encoder]
            for matrix in (True, False):
                chosen = [p for p in own if (p.ndim > 1) == matrix]
                groups.append({"params": chosen, "lr": rate, "base": rate, "weight_decay": decay if matrix else 0.0})
        return [group for group in groups if group["params"]]

    def step(self, loss: Tensor, step: int) -> Tensor:
        """Backpropagate and update, unless the gradient norm is not finite; returns that norm, before clipping."""
        for group in self.adam.param_groups:
            group["lr"] = group["base"] * rate_factor(step, self.steps)
        loss.backward()
        tensors = list(self.parameters.values())
        norm = nn.utils.clip_grad_norm_(tensors, CLIP_NORM)
        self.adam.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]  # as torch.amp.GradScaler does
        self.adam.grad_scale = None  # type: ignore[attr-defined]
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        keep = min(0.999, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in tensors], 1 - keep)
        return norm

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed training needs: weights, average and both moments, by name."""
        named: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            named[f"weight/{name}"], named[f"average/{name}"] = parameter.detach(), self.average[name]
            for key, value in self.adam.state.get(parameter, {}).items():
                named[f"adam.{key}/{name}"] = value if value.ndim else value.reshape(1)
        return named

    @torch.no_grad()
    def restore(self, named: dict[str, Tensor]) -> None:
        """Take up what `state` returned."""
        for name, parameter in self.parameters.items():
            parameter.copy_(named[f"weight/{name}"])
            self.average[name].copy_(named[f"average/{name}"])
            if f"adam.step/{name}" in named:
                moments = {key: named[f"adam.{key}/{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
                moments["step"] = moments["step"].reshape(())
                self.adam.state[parameter] = {
                    key: value.to(parameter.device, copy=True) for key, value in moments.items()
                }
