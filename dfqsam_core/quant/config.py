"""What a quantization run is made of; every value here goes onto the model card."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import ConfigError
from .departures import PAPER_DEPARTURES


@dataclass(frozen=True)
class SynthesisConfig:
    """Synthetic calibration images (DFQ-SAM section 3; method facts in docs/how/method.md).

    images: how many, each with its own start and seed. iterations: Adam steps per image.
    start: "anatomy" (smooth random fields with blobs) or "noise" (Gaussian, as published).
    source: "synthetic", or "noise" to skip the optimisation (the lower bound of comparisons).
    learning_rate: for pixels in 0..1, warmed up and annealed in each of `rounds` equal rounds.
    evolve_start, evolve_fraction: parts of the steps between which labels evolve, before every evolve_every-th step but
    the first, by grid_points x grid_points clicks. evolve_agreement: IoU that a mask needs with the answers to its box
    and to other clicks. The four weights multiply the loss terms.
    jitter: largest circular shift in pixels.
    entropy_points: nodes of the density grid; entropy_tokens: tokens drawn per block.
    """

    images: int = 12
    iterations: int = 40
    rounds: int = 1
    start: Literal["anatomy", "noise"] = "anatomy"
    source: Literal["synthetic", "noise"] = "synthetic"
    learning_rate: float = 0.03
    evolve_start: float = 0.0
    evolve_fraction: float = 0.8
    evolve_every: int = 6
    grid_points: int = 8
    evolve_agreement: float = 0.85
    segmentation_weight: float = 1.0
    entropy_weight: float = 0.05
    variation_weight: float = 10.0
    auxiliary_weight: float = 0.5
    variation_target: tuple[float, float] = (0.02, 0.05)
    jitter: int = 15
    entropy_points: int = 64
    entropy_tokens: int = 64
    auxiliary: str | None = None

    def __post_init__(self) -> None:
        _require(1 <= self.images <= 4096, f"images must be 1 to 4096, not {self.images}")
        _require(0 <= self.iterations <= 100_000, f"iterations must be 0 to 100000, not {self.iterations}")
        _require(self.evolve_every >= 1, f"evolve_every must be at least 1, not {self.evolve_every}")
        for name in ("evolve_start", "evolve_fraction", "evolve_agreement"):
            _require(0 <= getattr(self, name) <= 1, f"{name} must be 0 to 1, not {getattr(self, name)}")
        least = {"rounds": 1, "grid_points": 1, "jitter": 0, "entropy_points": 2, "entropy_tokens": 2}
        for name, value in least.items():
            _require(getattr(self, name) >= value, f"{name} must be at least {value}, not {getattr(self, name)}")
        _require_choices(self)

    @property
    def planned_steps(self) -> int:
        """Steps of each image; none where the images stay noise."""
        return self.iterations if self.source == "synthetic" else 0

    def evolves_at(self, step: int) -> bool:
        """Return True where labels evolve before this step (0, 1, ...): never at a start image."""
        first, last = self.evolve_start * self.iterations, self.evolve_fraction * self.iterations
        return step > 0 and first <= step <= last and step % self.evolve_every == 0


@dataclass(frozen=True)
class CalibrationConfig:
    """How the float network is prepared, and how ranges and weight codes are found.

    equalization: first rescale channels that share a quantizer to like ranges, where that is exact.
    reparameterize: one range per channel for the inputs of qkv and lin1 (RepQ-ViT), not one for all channels.
    range_search: "output_error" tries `candidates` shrunken ranges and keeps the one with the least error at the
    layer's output; "quantile" keeps the best of three quantiles by tensor error (RepQ-ViT); "full" takes all.
    two_sided: shrink the two ends of an activation's range by different shares.
    softmax_step: "searched", or "half_octave" as in RepQ-ViT.
    weight_search: "output_error" weighs weight errors by the mean square of the inputs; the rest as range_search.
    rounding: of weights, "feedback" (GPTQ, with `damping` as a share of the mean diagonal) or "nearest".
    bias_correction: move the mean output error on the calibration images into the bias.
    rows: inputs drawn per layer for the search.
    """

    equalization: bool = True
    reparameterize: bool = True
    range_search: Literal["output_error", "quantile", "full"] = "output_error"
    two_sided: bool = True
    softmax_step: Literal["searched", "half_octave"] = "searched"
    weight_search: Literal["output_error", "quantile", "full"] = "output_error"
    rounding: Literal["feedback", "nearest"] = "feedback"
    damping: float = 0.01
    candidates: int = 12
    rows: int = 1024
    bias_correction: bool = True

    def __post_init__(self) -> None:
        _require(self.candidates >= 1, f"candidates must be at least 1, not {self.candidates}")
        _require(self.rows >= 1, f"rows must be at least 1, not {self.rows}")
        _require(0 < self.damping <= 10, f"damping must be above 0 and at most 10, not {self.damping}")
        _require_choices(self)


@dataclass(frozen=True)
class QuantConfig:
    """A whole recipe: bits of each part, synthesis and calibration, and the seed.

    weight_bits, activation_bits, softmax_bits: image encoder. pixel_bits: input of the patch embedding. gate_bits:
    inputs of the adapters' channel gate. neck_bits: inputs of the neck. decoder_bits: weights of the mask decoder,
    which is computed in float. per_head: q, k, v and softmax ranges per head instead of per tensor.
    transpose_convolutions: quantize ConvTranspose2d (the published script leaves it in float).
    """

    recipe: str = "default"
    seed: int = 0
    weight_bits: int = 4
    activation_bits: int = 4
    softmax_bits: int = 4
    pixel_bits: int = 8
    gate_bits: int = 8
    neck_bits: int = 8
    decoder_bits: int = 8
    per_head: bool = True
    transpose_convolutions: bool = True
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    departures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.name.endswith("_bits")):
            value = getattr(self, name)
            _require(4 <= value <= 8, f"{name} must be 4 to 8, not {value}")
        _require(0 <= self.seed < 2**63, f"the seed must be 0 to 2^63 - 1, not {self.seed}")

    @classmethod
    def from_recipe(
        cls,
        recipe: str = "default",
        *,
        bits: int = 4,
        seed: int = 0,
        images: int | None = None,
        iterations: int | None = None,
        auxiliary: str | None = None,
    ) -> QuantConfig:
        """Return a recipe of `RECIPES` with the command line's few changes applied."""
        if recipe not in RECIPES:
            raise ConfigError(f"There is no recipe {recipe!r}. Choose one of: {', '.join(sorted(RECIPES))}.")
        base = RECIPES[recipe]
        changes: dict[str, Any] = {"images": images, "iterations": iterations, "auxiliary": auxiliary}
        synthesis = replace(base.synthesis, **{key: value for key, value in changes.items() if value is not None})
        return replace(
            base,
            seed=seed,
            weight_bits=bits,
            activation_bits=bits,
            softmax_bits=bits,
            **{name: max(bits, getattr(base, name)) for name in ("pixel_bits", "gate_bits", "neck_bits")},
            synthesis=synthesis,
        )

    def to_dict(self) -> dict[str, Any]:
        """Every parameter as JSON-ready values."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> QuantConfig:
        """Inverse of `to_dict`. Raises ConfigError for unknown keys."""
        known = {f.name for f in fields(cls)}
        _require(set(values) <= known, f"unknown settings {sorted(set(values) - known)}")
        nested = dict(values)
        nested["synthesis"] = SynthesisConfig(
            **{**values["synthesis"], "variation_target": tuple(values["synthesis"]["variation_target"])}
        )
        nested["calibration"] = CalibrationConfig(**values["calibration"])
        nested["departures"] = tuple(values.get("departures", ()))
        return cls(**nested)


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ConfigError(f"The quantization settings are wrong: {problem}.")


def _require_choices(settings: SynthesisConfig | CalibrationConfig) -> None:
    """Raise ConfigError where a setting is none of the words that its type lists."""
    for name, hint in get_type_hints(type(settings)).items():
        if get_origin(hint) is Literal:
            value, words = getattr(settings, name), get_args(hint)
            _require(value in words, f"{name} must be one of {', '.join(words)}, not {value!r}")


RECIPES: dict[str, QuantConfig] = {
    "default": QuantConfig(),
    "fast": QuantConfig(
        recipe="fast",
        synthesis=SynthesisConfig(images=4, iterations=20),
        calibration=CalibrationConfig(candidates=8, rows=512, rounding="nearest"),
    ),
    "paper": QuantConfig(
        recipe="paper",
        pixel_bits=4,
        gate_bits=4,
        neck_bits=4,
        per_head=False,
        transpose_convolutions=False,
        synthesis=SynthesisConfig(
            images=1,
            iterations=1500,
            rounds=3,
            start="noise",
            learning_rate=0.045,
            evolve_every=25,
            variation_weight=10.0,
            variation_target=(0.0113, 0.0124),
            entropy_points=10,
            entropy_tokens=256,
        ),
        calibration=CalibrationConfig(
            equalization=False,
            range_search="quantile",
            weight_search="quantile",
            rounding="nearest",
            bias_correction=False,
        ),
        departures=PAPER_DEPARTURES,
    ),
    "nearest": QuantConfig(
        recipe="nearest",
        per_head=False,
        calibration=CalibrationConfig(
            equalization=False,
            reparameterize=False,
            range_search="full",
            weight_search="full",
            rounding="nearest",
            bias_correction=False,
        ),
    ),
}

# What people choose among; the others are for comparisons.
OFFERED_RECIPES = ("default", "fast", "paper")
