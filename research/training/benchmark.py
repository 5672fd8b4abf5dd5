"""Times the parts of a training step, and whole steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from .bank import load_bank
from .batches import BatchMaker, with_targets
from .fast import set_up_arithmetic, speed_up
from .initial import start
from .network import embed, mixed_precision
from .optimise import Optimiser
from .randomness import Rng
from .schedule import Schedule
from .step import step_loss

REPEATS = 5
STEPS = 8


class Benchmark:
    """A network, its data and the sizes of a batch; each method times one thing and prints it."""

    def __init__(self, kind: str, images: int, prompts: int, bank: Path, device: str, fast: bool) -> None:
        set_up_arithmetic(fast)
        self.device, self.images, self.prompts = torch.device(device), images, prompts
        self.maker = BatchMaker(load_bank(bank), self.device)
        self.model = start(kind, None)[0].to(self.device)
        self.optimiser = Optimiser(dict(self.model.named_parameters()), Schedule(1000))
        if fast:
            speed_up(self.model)
        self.prepared = self.maker.prepare(Rng(self.device, 0), images)
        self.batch = with_targets(Rng(self.device, 0), self.prepared, prompts)

    def parts(self) -> None:
        """Print the median of each part of a step."""
        self._report("prepare a batch", lambda: self.maker.prepare(Rng(self.device, 0), self.images))
        self._report("choose targets", lambda: with_targets(Rng(self.device, 0), self.prepared, self.prompts))
        self._report("encoder, forward and backward", self._encoder)
        self._report("losses and gradients of a prepared batch", lambda: self._learn(0))

    def steps(self) -> None:
        """Print the mean of whole steps, which follow one another without waiting, as in a training."""
        self._step(0)
        begun = self._now()
        for number in range(1, 1 + STEPS):
            self._step(number)
        mean = 1000 * (self._now() - begun) / STEPS
        print(f"{f'whole step, {self.images / mean * 1000:.0f} images/s':55s} {mean:9.1f} ms", flush=True)

    def profile(self) -> None:
        """Print the dearest operations of preparing a batch and of a step."""
        from torch.profiler import profile

        key = "self_cuda_time_total" if self.device.type == "cuda" else "self_cpu_time_total"
        for work in (lambda: self.maker.prepare(Rng(self.device, 0), self.images), lambda: self._learn(0)):
            with profile() as watched:
                work()
                self._now()
            print(watched.key_averages().table(sort_by=key, row_limit=18, max_name_column_width=60), flush=True)

    def _encoder(self) -> None:
        with mixed_precision(self.device):
            embed(self.model, self.batch.pixels).float().square().mean().backward()

    def _learn(self, number: int) -> None:
        self.optimiser.step(step_loss(self.model, self.batch, Rng(self.device, 0, number))[0], 0)

    def _step(self, number: int) -> None:
        prepared = self.maker.prepare(Rng(self.device, 0, 1, number), self.images)
        self.batch = with_targets(Rng(self.device, 0, number), prepared, self.prompts)
        self._learn(number)

    def _report(self, name: str, work: Callable[[], object]) -> None:
        work()
        taken = []
        for _ in range(REPEATS):
            begun = self._now()
            work()
            taken.append(1000 * (self._now() - begun))
        print(f"{name:55s} {sorted(taken)[REPEATS // 2]:9.1f} ms", flush=True)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def benchmark(kind: str, images: int, prompts: int, bank: Path, device: str, fast: bool, profile: bool) -> None:
    """Print the time of each part of a step, and the images per second of whole steps."""
    timed = Benchmark(kind, images, prompts, bank, device, fast)
    timed.parts()
    timed.steps()
    if profile:
        timed.profile()
    if timed.device.type == "cuda":
        print(f"{torch.cuda.get_device_name()}, peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
