"""One training in several processes, one a GPU: each makes its own share of a batch, and gradients are averaged.

Started by `python -m torch.distributed.run --nproc-per-node N -m research.training train ...`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from dfqsam_core.errors import ConfigError


class Group:
    """The processes of a training; alone, no method waits for anybody."""

    def __init__(self, device: str, shares: int) -> None:
        """device: "cpu" or "cuda", of which each process takes its own. shares: equal parts of a batch.

        Raises ConfigError when the shares cannot be dealt out evenly.
        """
        self.rank, self.size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        if shares % self.size:
            raise ConfigError(
                f"{shares} shares of a batch cannot be dealt out to {self.size} processes. "
                f"Give --shares a multiple of {self.size}."
            )
        self.shares = range(self.rank, shares, self.size)
        place = int(os.environ.get("LOCAL_RANK", "0"))
        self.device = torch.device("cuda", place) if self.size > 1 and device == "cuda" else torch.device(device)
        if self.size > 1:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)
            dist.init_process_group("cpu:gloo,cuda:nccl" if self.device.type == "cuda" else "gloo")

    @property
    def leads(self) -> bool:
        """True where this process reports, saves and validates."""
        return self.rank == 0

    def add_up(self, gradients: Sequence[Tensor]) -> None:
        """Replace gradients by their sums over the processes, in one exchange."""
        if self.size > 1:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            dist.all_reduce(flat)
            parts = flat.split([gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def agreed(self, value: float) -> float:
        """Return what the leading process says; the others wait for it."""
        told = torch.tensor(value, dtype=torch.float64)
        if self.size > 1:
            dist.broadcast(told, 0)
        return float(told)

    def leave(self) -> None:
        """Wait until all processes are here, and end the group."""
        if self.size > 1:
            self.agreed(0.0)
            dist.destroy_process_group()
