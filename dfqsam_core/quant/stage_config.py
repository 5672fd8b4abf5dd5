"""Settings of the two stages of a quantization: synthesis and calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from ..errors import ConfigError
from ..store.file_identity import FileSource, refuse_missing


@dataclass(frozen=True)
class SynthesisConfig:
    """Settings of the synthetic images (DFQ-SAM section 3; docs/how/method.md says what each is for).

    Parameters
    ----------
    images
        How many, 1 to 4096, each with its own start and seed.
    iterations
        Adam steps per image, 0 to 100000.
    rounds
        Equal parts of the steps, in each of which the learning rate is warmed up and annealed.
    start
        "anatomy" (painted: bodies and tissue in turn) or "noise" (Gaussian, as published).
    source
        "synthetic", or "noise" to skip the optimisation (the lower bound of comparisons).
    learning_rate
        For pixels in 0..1.
    evolve_start, evolve_fraction
        Parts of the steps, 0..1, between which labels evolve.
    evolve_every
        Labels evolve before every such step but the first.
    grid_points
        They evolve by grid_points x grid_points clicks.
    evolve_agreement
        IoU that a mask needs with the answers to its box and to other clicks, 0..1.
    segmentation_weight, entropy_weight, variation_weight, auxiliary_weight
        Factors of the loss terms.
    variation_target
        Lowest and highest total variation that an image is drawn towards.
    jitter
        Largest circular shift, pixels.
    entropy_points, entropy_tokens
        Nodes of the density grid, and tokens drawn per block.
    auxiliary
        A TorchScript or ONNX segmenter that adds pixel labels, by its path; None for none.

    Raises
    ------
    ConfigError
        For a value out of range.
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
        require(1 <= self.images <= 4096, f"images must be 1 to 4096, not {self.images}")
        require(0 <= self.iterations <= 100_000, f"iterations must be 0 to 100000, not {self.iterations}")
        require(self.evolve_every >= 1, f"evolve_every must be at least 1, not {self.evolve_every}")
        for name in (
            "learning_rate",
            *(f"{term}_weight" for term in ("segmentation", "entropy", "variation", "auxiliary")),
        ):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"{name} must be a number of at least 0, not {value}")
        target = self.variation_target
        numbers = all(isinstance(value, (int, float)) for value in target)
        require(
            len(target) == 2 and numbers and 0 <= target[0] <= target[1],
            f"variation_target must be two rising numbers of at least 0, not {list(target)}",
        )
        for name in ("evolve_start", "evolve_fraction", "evolve_agreement"):
            require(0 <= getattr(self, name) <= 1, f"{name} must be 0 to 1, not {getattr(self, name)}")
        least = {"rounds": 1, "grid_points": 1, "jitter": 0, "entropy_points": 2, "entropy_tokens": 2}
        for name, value in least.items():
            require(getattr(self, name) >= value, f"{name} must be at least {value}, not {getattr(self, name)}")
        _require_choices(self)

    @property
    def planned_steps(self) -> int:
        """Steps of each image; none where the images stay noise."""
        return self.iterations if self.source == "synthetic" else 0

    def auxiliary_source(self) -> FileSource | None:
        """Which file the auxiliary segmenter is, None for none; raises ConfigError where it cannot be read."""
        if self.auxiliary is None:
            return None
        refuse_missing(Path(self.auxiliary), ConfigError)
        return FileSource.of(self.auxiliary)

    def evolves_at(self, step: int) -> bool:
        """Return True where labels evolve before this step (0, 1, ...): never at a start image."""
        first, last = self.evolve_start * self.iterations, self.evolve_fraction * self.iterations
        return step > 0 and first <= step <= last and step % self.evolve_every == 0


@dataclass(frozen=True)
class CalibrationConfig:
    """Settings of the calibration: how the float network is prepared, and how ranges and weight codes are found.

    Parameters
    ----------
    equalization
        First rescale channels that share a quantizer to like ranges, where that is exact.
    reparameterize
        One range per channel for the inputs of qkv and lin1 (RepQ-ViT), not one for all channels.
    range_search
        "output_error" tries `candidates` shrunken ranges and keeps the one with the least error at the layer's output;
        "quantile" keeps the best of three quantiles by tensor error (RepQ-ViT); "full" takes all.
    two_sided
        Shrink the two ends of an activation's range by different shares.
    softmax_step
        "searched", or "half_octave" as in RepQ-ViT.
    weight_search
        "output_error" weighs weight errors by the mean square of the inputs; the rest as range_search.
    rounding
        Of weights: "feedback" (GPTQ) or "nearest".
    damping
        Of the feedback, as a share of the mean diagonal, above 0 and at most 10.
    candidates
        Ranges tried, at least 1.
    rows
        Inputs drawn per layer for the search, at least 1.
    bias_correction
        Move the mean output error on the calibration images into the bias.
    tuning_steps
        Steps in which scales, biases and norms of each part are then tuned to the float network's output, 0 to 500.
    code_tuning_steps
        Steps in place of these where 4 bits leave a part far from that output: its weight codes are tuned, too. 0 to
        500, 0 for never.

    Raises
    ------
    ConfigError
        For a value out of range.
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
    tuning_steps: int = 20
    code_tuning_steps: int = 50

    def __post_init__(self) -> None:
        require(self.candidates >= 1, f"candidates must be at least 1, not {self.candidates}")
        require(self.rows >= 1, f"rows must be at least 1, not {self.rows}")
        for name in ("tuning_steps", "code_tuning_steps"):
            # Scales of weights, moved by the largest share in each step, stay positive through 600.
            require(0 <= getattr(self, name) <= 500, f"{name} must be 0 to 500, not {getattr(self, name)}")
        require(0 < self.damping <= 10, f"damping must be above 0 and at most 10, not {self.damping}")
        _require_choices(self)


def require(condition: bool, problem: str) -> None:
    """Raise ConfigError with the problem where the condition does not hold."""
    if not condition:
        raise ConfigError(f"The quantization settings are wrong: {problem}.")


def _require_choices(settings: SynthesisConfig | CalibrationConfig) -> None:
    """Raise ConfigError where a setting is none of the words that its type lists."""
    for name, hint in get_type_hints(type(settings)).items():
        if get_origin(hint) is Literal:
            value, words = getattr(settings, name), get_args(hint)
            require(value in words, f"{name} must be one of {', '.join(words)}, not {value!r}")
