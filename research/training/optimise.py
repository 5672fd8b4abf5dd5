"""Optimiser, learning rate and running average of the weights; all state is a flat set of named tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .parallel import Group
from .schedule import Schedule

ENCODER_RATE, DECODER_RATE = 8e-4, 2.5e-4
ENCODER_DECAY, DECODER_DECAY = 0.05, 0.01
CLIP_NORM = 1.0


class Optimiser:
    """AdamW on named parameters with a gradient clip and an exponential moving average of the weights."""

    def __init__(self, parameters: dict[str, nn.Parameter], schedule: Schedule, rate: float = 1.0) -> None:
        """rate: scale of all learning rates; below 1 to go on from weights that are trained already."""
        self.parameters, self.schedule, self.rate = parameters, schedule, rate
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
        """Backpropagate and update; returns what `update` does."""
        loss.backward()
        return self.update(step)

    def update(self, step: int, group: Group | None = None) -> Tensor:
        """Update by the gradients, unless their norm is not finite; returns that norm, before clipping.

        step: updates before this one. group: processes whose gradients are added up first.
        """
        for part in self.adam.param_groups:
            part["lr"] = part["base"] * self.schedule.rate_factor(step)
        tensors = list(self.parameters.values())
        if group is not None:
            group.add_up([p.grad for p in tensors if p.grad is not None])
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
