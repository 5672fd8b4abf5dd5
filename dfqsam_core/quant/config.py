"""What a quantization run is made of; every value here goes onto the model card."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..errors import ConfigError
from .departures import PAPER_DEPARTURES
from .stage_config import CalibrationConfig as CalibrationConfig
from .stage_config import SynthesisConfig as SynthesisConfig
from .stage_config import require


@dataclass(frozen=True)
class QuantConfig:
    """A whole recipe: bits of each part, synthesis and calibration, and the seed.

    Parameters
    ----------
    recipe
        Its name, for reports and cards.
    seed
        0 to 2^63 - 1; the same seed gives the same file.
    weight_bits, activation_bits, softmax_bits
        Of the image encoder, 4 to 8.
    pixel_bits, gate_bits, neck_bits
        Of the inputs of patch embedding, of the adapters' channel gate and of the neck, 4 to 8.
    decoder_bits
        Of the weights of the mask decoder, which is computed in float, 4 to 8.
    per_head
        Ranges of q, k, v and softmax per head, not per tensor.
    transpose_convolutions
        Quantize ConvTranspose2d (the published script leaves it in float).
    synthesis, calibration
        The settings of the two stages.
    departures
        Sentences on what is done otherwise than in the published script, for the card.

    Raises
    ------
    ConfigError
        For a value out of range.
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
            require(4 <= value <= 8, f"{name} must be 4 to 8, not {value}")
        require(0 <= self.seed < 2**63, f"the seed must be 0 to 2^63 - 1, not {self.seed}")

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
        """Return a recipe, with the few changes that the command line offers.

        Parameters
        ----------
        recipe
            "default", "fast", "paper", or "nearest" for comparisons.
        bits
            Of the image encoder's weights, activations and softmax, 4 to 8; other inputs have at least as many.
        seed
            0 to 2^63 - 1.
        images, iterations
            Of the synthesis; None for the recipe's own.
        auxiliary
            As in SynthesisConfig.

        Raises
        ------
        ConfigError
            For an unknown recipe and values out of range.
        """
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
        require(set(values) <= known, f"unknown settings {sorted(set(values) - known)}")
        nested = dict(values)
        nested["synthesis"] = SynthesisConfig(
            **{**values["synthesis"], "variation_target": tuple(values["synthesis"]["variation_target"])}
        )
        nested["calibration"] = CalibrationConfig(**values["calibration"])
        nested["departures"] = tuple(values.get("departures", ()))
        return cls(**nested)


RECIPES: dict[str, QuantConfig] = {
    "default": QuantConfig(),
    "fast": QuantConfig(
        recipe="fast",
        synthesis=SynthesisConfig(images=4, iterations=0),
        calibration=CalibrationConfig(candidates=8, rows=512, rounding="nearest", tuning_steps=4, code_tuning_steps=0),
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
            tuning_steps=0,
            code_tuning_steps=0,
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
            tuning_steps=0,
            code_tuning_steps=0,
        ),
    ),
}

# What people choose among; the others are for comparisons.
OFFERED_RECIPES = ("default", "fast", "paper")
