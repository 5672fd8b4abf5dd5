"""Training from start to checkpoint; stops at a time limit and goes on bit for bit with --resume."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from dfqsam_core.errors import CheckpointError
from dfqsam_core.model.sam_med2d import SamMed2D
from dfqsam_core.store.file_identity import FileSource

from .bank import load_bank
from .batches import BatchMaker, with_targets
from .checkpoints import half, load_shards, save_shards
from .evaluate import evaluate, summary
from .fast import set_up_arithmetic, speed_up
from .initial import start
from .network import build, trainable
from .optimise import Optimiser
from .outlines import outlined_scans
from .parallel import Group
from .plan import Plan, described
from .randomness import Rng
from .reporting import COLUMNS, Log, large, means
from .schedule import Schedule
from .step import step_loss
from .validation import load_validation
from .weights import Weights

LOG_EVERY = 50
# An average may have to travel, where large files are not welcome; a state stays where it is.
AVERAGE_SHARD_MIB, STATE_SHARD_MIB = 15, 1024
VALIDATION_DRAWS = 3


class Training:
    """A network with its optimiser and its place in the schedule."""

    def __init__(self, plan: Plan, resume: bool) -> None:
        self.plan, self.schedule = plan, Schedule(plan.steps, plan.time_limit_s)
        self.group = Group(plan.device, plan.shares)
        self.device = self.group.device
        set_up_arithmetic(plan.fast)
        model, self.source = start(plan.kind, plan.weights, plan.base, plan.seed)
        self.base_sha256 = _base_sha256(plan, self.source)
        self.model = model.to(self.device)
        chosen = trainable(self.model, plan.kind, plan.frozen_blocks)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in chosen)
        self.optimiser = Optimiser(chosen, self.schedule, plan.rate)
        self.done = self._resume() if resume else 0
        scans = load_bank(plan.bank)
        self.maker = BatchMaker(scans + outlined_scans(scans, plan.outlines), self.device)
        if plan.fast:
            speed_up(self.model)

    def _resume(self) -> int:
        folder = self.plan.out / "state"
        tensors, facts = load_shards(folder)
        found, wanted = [described(of) for of in (facts, self.plan.facts)]
        if found != wanted:
            raise CheckpointError(
                f"{folder} is of {found}, not of {wanted}. "
                "Resume with the command that began it, or train into another folder."
            )
        self.optimiser.restore(tensors)
        self.schedule.earlier_s = float(str(facts.get("spent_s", 0.0)))
        return int(str(facts["step"]))

    @property
    def images(self) -> int:
        """Training images so far, those of the starting weights included."""
        return self.source.images + self.done * self.plan.images

    def step(self) -> dict[str, Tensor]:
        """One update; what it did depends on the seed, its number and the shares of a batch alone."""
        for share in self.group.shares:
            log = self._learn(share)
        log["norm"] = self.optimiser.update(self.done, self.group)
        self.done += 1
        return log

    def _learn(self, share: int) -> dict[str, Tensor]:
        """Add the gradients of one share of a batch; returns what to log of it."""
        plan, shares = self.plan, self.plan.shares
        key = (self.done,) if shares == 1 else (self.done, share)
        prepared = self.maker.prepare(Rng(self.device, plan.seed, 1, *key), plan.images // shares)
        rng = Rng(self.device, plan.seed, 0, *key)
        loss, log = step_loss(
            self.model, with_targets(rng, prepared, plan.prompts, plan.area_power), rng, plan.weighing
        )
        (loss / shares).backward()
        return log

    def averaged(self) -> SamMed2D:
        """A copy of the network with the averaged weights, for validation."""
        copy = build(self.plan.kind).to(self.device).eval()
        copy.load_state_dict(self.model.state_dict() | self.optimiser.average)
        return copy

    def save(self) -> None:
        """Write the resumable state and, in float16, the averaged network."""
        plan, average = self.plan, self.optimiser.average
        facts = plan.facts | {"step": self.done, "images": self.images, "spent_s": self.schedule.spent_s}
        save_shards(plan.out / "state", self.optimiser.state(), facts, STATE_SHARD_MIB)
        if self.base_sha256 is None:
            average = self.model.state_dict() | average
        else:
            facts["base_sha256"] = self.base_sha256
        save_shards(plan.out / "average", half(average), facts, AVERAGE_SHARD_MIB)


def _base_sha256(plan: Plan, source: Weights) -> str | None:
    # The frozen ViT of the laboratory model is most of its file: an average names that file instead of repeating it.
    if plan.kind == "laboratory" and plan.weights is not None and plan.weights.is_file():
        return FileSource.of(plan.weights).sha256
    return source.base_sha256


def train(plan: Plan, resume: bool = False) -> None:
    """Run `plan` until its last step or its time limit, logging, saving and validating on the way."""
    plan.out.mkdir(parents=True, exist_ok=True)
    training = Training(plan, resume)
    schedule, group = training.schedule, training.group
    start_up_s = time.monotonic() - schedule.begun_s
    print(f"start at step {training.done} after {start_up_s:.1f} s", flush=True)
    schedule.start(schedule.earlier_s)
    schedule.progress = group.agreed(schedule.look(training.done))
    watch = _Watch(training) if group.leads else None
    while schedule.progress < 1:
        log = training.step()
        if watch is not None:
            watch.after_step(log)
        schedule.progress = group.agreed(schedule.look(training.done))
    if watch is not None:
        watch.finish()
    group.leave()


class _Watch:
    """What the leading process does beside the steps: it logs, saves and validates."""

    def __init__(self, training: Training) -> None:
        self.training, self.first = training, training.done
        self.log = Log(training.plan.out / "log.csv", COLUMNS)
        self.since = self.saved = self.validated = time.monotonic()
        self.waiting: list[dict[str, Tensor]] = []
        self.seen = -1

    def after_step(self, log: dict[str, Tensor]) -> None:
        """Do what is due after a step that logged `log`."""
        training, plan, now = self.training, self.training.plan, time.monotonic
        self.waiting.append(log)
        if training.done % LOG_EVERY == 0 or training.done - self.first < 3:
            self._report(now() - self.since)
        if now() - self.saved > plan.save_every_s:
            training.save()
            self.saved = now()
        if now() - self.validated > plan.validate_every_s:
            self._validate()
            self.validated = now()

    def finish(self) -> None:
        """Save, validate and draw the curves, where there is something to draw with."""
        self.training.save()
        if self.seen != self.training.done:
            self._validate()
        from .curves import draw_curves

        draw_curves([self.training.plan.out], self.training.plan.out / "curve.png")

    def _validate(self) -> None:
        validate(self.training)
        self.seen = self.training.done

    def _report(self, seconds: float) -> None:
        training, plan = self.training, self.training.plan
        found, self.waiting = means(self.waiting), []
        rate = plan.rate * training.schedule.rate_factor(training.done - 1)
        row = [round(seconds, 2), round(rate, 4), *(round(found[name], 4) for name in COLUMNS[4:])]
        self.log.add([training.done, training.images, *row])
        speed = (training.done - self.first) * plan.images / seconds
        memory = torch.cuda.max_memory_allocated() / 2**30 if training.device.type == "cuda" else 0.0
        listed = " ".join(f"{name} {value:.3f}" for name, value in found.items())
        print(f"step {training.done} {speed:.0f} images/s {memory:.1f} GiB {listed}", flush=True)


def validate(training: Training) -> None:
    """Append the validation Dice of the averaged weights to validation.csv; `large` as in reporting.py."""
    if training.plan.validation is None:
        return
    cases = load_validation(training.plan.validation, "squashed")
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True):
        answers = evaluate(training.averaged(), cases, repeats=VALIDATION_DRAWS)
    scores = summary(answers) | {f"large {name}": value for name, value in summary(large(answers)).items()}
    rounded = {name: round(value, 4) for name, value in scores.items()}
    Log(training.plan.out / "validation.csv", ("step", "images", *rounded)).add(
        [training.done, training.images, *rounded.values()]
    )
    print(f"validation at step {training.done}: {rounded}", flush=True)
