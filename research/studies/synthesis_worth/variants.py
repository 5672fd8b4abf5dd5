"""Ways to make calibration images, and which two of them tell what a step is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dfqsam_core.evaluate.variants import changed
from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.config import RECIPES

STARTS, NOISE, PAPER = "painted starts", "Gaussian noise", "paper"
_NOISE: dict[str, Any] = {"synthesis.start": "noise"}
_FIXED: dict[str, Any] = {"synthesis.evolve_fraction": 0.0}
_NO_ENTROPY: dict[str, Any] = {"synthesis.entropy_weight": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    STARTS: {"synthesis.iterations": 0},
    "painted: fixed labels": _FIXED,
    "painted: evolution": {},
    "painted: no patch similarity": _NO_ENTROPY,
    NOISE: {"synthesis.source": "noise"},
    "noise: fixed labels": _NOISE | _FIXED,
    "noise: evolution": _NOISE,
    "noise: late evolution": _NOISE | {"synthesis.evolve_start": 0.5},
    "noise: no patch similarity": _NOISE | _NO_ENTROPY,
    PAPER: {},
}
# What is done, and the variants without and with it.
GAINS = {
    "painting instead of noise": (NOISE, STARTS),
    "painted: optimising": (STARTS, "painted: fixed labels"),
    "painted: evolution": ("painted: fixed labels", "painted: evolution"),
    "painted: patch similarity": ("painted: no patch similarity", "painted: evolution"),
    "painted: all of it": (STARTS, "painted: evolution"),
    "noise: optimising": (NOISE, "noise: fixed labels"),
    "noise: evolution": ("noise: fixed labels", "noise: evolution"),
    "noise: late evolution": ("noise: fixed labels", "noise: late evolution"),
    "noise: patch similarity": ("noise: no patch similarity", "noise: evolution"),
    "noise: all of it": (NOISE, "noise: evolution"),
    "noise: the paper's schedule": ("noise: evolution", PAPER),
}


@dataclass(frozen=True)
class Cell:
    """One variant with one seed; all cells of a study have as many images and the same calibration."""

    variant: str
    config: QuantConfig

    @property
    def key(self) -> tuple[str, int]:
        """The key that tells cells apart."""
        return self.variant, self.config.seed


def cells(base: QuantConfig, seeds: int, names: list[str], paper_iterations: int) -> list[Cell]:
    """Every variant of `names` with the seeds 0 .. seeds - 1, those that take longest first."""
    found = [Cell(name, _config(base, name, seed, paper_iterations)) for name in names for seed in range(seeds)]
    return sorted(found, key=lambda cell: -cell.config.synthesis.planned_steps)


def _config(base: QuantConfig, name: str, seed: int, paper_iterations: int) -> QuantConfig:
    config = changed(base, {**VARIANTS[name], "seed": seed})
    if name != PAPER:
        return config
    paper = replace(RECIPES["paper"].synthesis, images=base.synthesis.images, iterations=paper_iterations)
    return replace(config, synthesis=paper)
