"""Training from start to checkpoint; stops at a time limit and goes on bit for bit with --resume."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dfqsam_core.errors import CheckpointError
from dfqsam_core.model.sam_med2d import SamMed2D
from dfqsam_core.store.file_identity import FileSource

from .bank import load_bank
from .batches import BatchMaker, with_targets
from .checkpoints import half, load_shards, save_shards
from .evaluate import evaluate, summary
from .initial import start
from .network import build, trainable
from .optimise import Optimiser, rate_factor
from .randomness import Rng
from .step import step_loss
from .validation import load_validation
from .weights import Weights

LOG_EVERY = 50
# An average may have to travel, where large files are not welcome; a state stays where it is.
AVERAGE_SHARD_MIB, STATE_SHARD_MIB = 15, 1024
COLUMNS = ("step", "images", "seconds", "rate", "loss", "box", "point", "last", "norm")


@dataclass(frozen=True)
class Plan:
    """What is trained and how long; `steps` fixes the schedule, `time_limit_s` only interrupts it."""

    kind: str
    steps: int
    images: int
    prompts: int
    seed: int
    out: Path
    bank: Path
    validation: Path | None
    weights: Path | None
    base: Path | None
    rate: float
    frozen_blocks: int
    device: str
    time_limit_s: float
    save_every_s: float
    validate_every_s: float


class Training:
    """A network with its optimiser and its place in the schedule."""

    def __init__(self, plan: Plan, resume: bool) -> None:
        self.plan, self.device = plan, torch.device(plan.device)
        set_up_arithmetic()
        model, self.source = start(plan.kind, plan.weights, plan.base, plan.seed)
        self.base_sha256 = _base_sha256(plan, self.source)
        self.model = model.to(self.device)
        chosen = trainable(self.model, plan.kind, plan.frozen_blocks)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in chosen)
        self.optimiser = Optimiser(chosen, plan.steps, plan.rate)
        self.done = 0
        if resume:
            self._resume()
        self.maker = BatchMaker(load_bank(plan.bank), self.device)

    def _resume(self) -> None:
        folder = self.plan.out / "state"
        tensors, facts = load_shards(folder)
        found, wanted = [_described(of) for of in (facts, self._facts)]
        if found != wanted:
            raise CheckpointError(
                f"{folder} is of {found}, not of {wanted}. "
                "Resume with the command that began it, or train into another folder."
            )
        self.optimiser.restore(tensors)
        self.done = int(str(facts["step"]))

    @property
    def _facts(self) -> dict[str, object]:
        plan = self.plan
        return {"kind": plan.kind, "steps": plan.steps, "frozen_blocks": plan.frozen_blocks}

    @property
    def images(self) -> int:
        """Training images so far, those of the starting weights included."""
        return self.source.images + self.done * self.plan.images

    def step(self) -> dict[str, Tensor]:
        """One update; what it did depends on the seed and its number alone."""
        prepared = self.maker.prepare(Rng(self.device, self.plan.seed, 1, self.done), self.plan.images)
        rng = Rng(self.device, self.plan.seed, 0, self.done)
        batch = with_targets(rng, prepared, self.plan.prompts)
        loss, log = step_loss(self.model, batch, rng)
        log["norm"] = self.optimiser.step(loss, self.done)
        self.done += 1
        return log

    def averaged(self) -> SamMed2D:
        """A copy of the network with the averaged weights, for validation."""
        copy = build(self.plan.kind).to(self.device).eval()
        copy.load_state_dict(self.model.state_dict() | self.optimiser.average)
        return copy

    def save(self) -> None:
        """Write the resumable state and, in float16, the averaged network."""
        plan, average = self.plan, self.optimiser.average
        facts = self._facts | {"step": self.done, "images": self.images}
        save_shards(plan.out / "state", self.optimiser.state(), facts, STATE_SHARD_MIB)
        if self.base_sha256 is None:
            average = self.model.state_dict() | average
        else:
            facts["base_sha256"] = self.base_sha256
        save_shards(plan.out / "average", half(average), facts, AVERAGE_SHARD_MIB)


def _described(facts: dict[str, object]) -> str:
    frozen = facts.get("frozen_blocks", 0)
    return f"a {facts['kind']} training of {facts['steps']} steps" + (
        f" behind {frozen} frozen blocks" if frozen else ""
    )


def _base_sha256(plan: Plan, source: Weights) -> str | None:
    # The frozen ViT of the laboratory model is most of its file: an average names that file instead of repeating it.
    if plan.kind == "laboratory" and plan.weights is not None and plan.weights.is_file():
        return FileSource.of(plan.weights).sha256
    return source.base_sha256


def train(plan: Plan, resume: bool = False) -> None:
    """Run `plan` until its last step or its time limit, logging, saving and validating on the way."""
    begun = time.monotonic()
    plan.out.mkdir(parents=True, exist_ok=True)
    training = Training(plan, resume)
    log = _Log(plan.out / "log.csv", COLUMNS)
    saved = validated = time.monotonic()
    print(f"start at step {training.done} of {plan.steps} after {time.monotonic() - begun:.1f} s", flush=True)
    first, since, waiting = training.done, time.monotonic(), []
    while training.done < plan.steps and time.monotonic() - begun < plan.time_limit_s:
        waiting.append(training.step())
        if training.done % LOG_EVERY == 0 or training.done - first < 3:
            _report(training, log, waiting, time.monotonic() - since, training.done - first)
            waiting = []
        if time.monotonic() - saved > plan.save_every_s:
            training.save()
            saved = time.monotonic()
        if time.monotonic() - validated > plan.validate_every_s:
            validate(training)
            validated = time.monotonic()
    training.save()
    validate(training)
    from .curves import draw_curves

    draw_curves([plan.out], plan.out / "curve.png")


def validate(training: Training) -> None:
    """Append the validation Dice of the averaged weights to validation.csv."""
    if training.plan.validation is None:
        return
    scores = summary(evaluate(training.averaged(), load_validation(training.plan.validation, "squashed")))
    rounded = {name: round(value, 4) for name, value in scores.items()}
    _Log(training.plan.out / "validation.csv", ("step", "images", *rounded)).add(
        [training.done, training.images, *rounded.values()]
    )
    print(f"validation at step {training.done}: {rounded}", flush=True)


def _report(training: Training, log: _Log, waiting: Sequence[dict[str, Tensor]], seconds: float, steps: int) -> None:
    means = {name: torch.stack([entry[name].float() for entry in waiting]).mean().item() for name in waiting[0]}
    rate = training.plan.rate * rate_factor(training.done - 1, training.plan.steps)
    row = [round(seconds, 2), round(rate, 4), *(round(means[name], 4) for name in COLUMNS[4:])]
    log.add([training.done, training.images, *row])
    speed = steps * training.plan.images / seconds
    memory = torch.cuda.max_memory_allocated() / 2**30 if training.device.type == "cuda" else 0.0
    listed = " ".join(f"{name} {value:.3f}" for name, value in means.items())
    print(f"step {training.done} {speed:.0f} images/s {memory:.1f} GiB {listed}", flush=True)


class _Log:
    """Rows appended to a CSV file, with its header once."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        if not path.exists():
            self.add(columns)

    def add(self, row: Sequence[object]) -> None:
        with self.path.open("a", newline="") as stream:
            csv.writer(stream).writerow(row)


def set_up_arithmetic() -> None:
    """Reproducible kernels, and tensor cores for float32 products."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
