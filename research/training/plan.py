"""What is trained, on what, how long and in which manner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .losses import CLICK_SPREAD, Weighing


@dataclass(frozen=True)
class Plan:
    """One training.

    steps: length of the schedule; time_limit_s only interrupts it then. None: the schedule ends at time_limit_s.
    images: of a step, in `shares` equal parts, which are dealt out to the processes. outlines: files for
    `outlined_scans`. area_power: as in `choose_targets`. click_spread, annotated_quality: as in `Weighing`.
    fast: kernels that are compiled and not reproducible.
    """

    kind: str
    steps: int | None
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
    shares: int = 1
    outlines: tuple[Path, ...] = ()
    area_power: float = 0.0
    click_spread: float = CLICK_SPREAD
    annotated_quality: bool = False
    fast: bool = False

    @property
    def weighing(self) -> Weighing:
        """How the loss treats a single click."""
        return Weighing(self.click_spread, self.annotated_quality)

    @property
    def facts(self) -> dict[str, object]:
        """The values that must not change when the training goes on."""
        return {"kind": self.kind, "steps": self.steps, "frozen_blocks": self.frozen_blocks, "shares": self.shares}


def described(facts: dict[str, object]) -> str:
    """A plan's `facts` in words; a state written before there were shares has one."""
    length = "by the clock" if facts["steps"] is None else f"of {facts['steps']} steps"
    frozen, shares = facts.get("frozen_blocks", 0), facts.get("shares", 1)
    behind = f" behind {frozen} frozen blocks" if frozen else ""
    return f"a {facts['kind']} training {length}{behind}" + (f" in {shares} shares" if shares != 1 else "")
