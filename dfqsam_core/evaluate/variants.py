"""A recipe with one thing changed: what each of its parts is worth can then be measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError
from ..quant.config import QuantConfig

WHOLE = "whole recipe"

# Settings of a QuantConfig by dotted name; those with the same synthesis share its images.
VARIANTS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "fixed labels": {"synthesis.evolve_fraction": 0.0},
    "no patch similarity": {"synthesis.entropy_weight": 0.0},
    "patch similarity alone": {"synthesis.segmentation_weight": 0.0},
    "no total variation": {"synthesis.variation_weight": 0.0},
    "synthesis from noise": {"synthesis.start": "noise"},
    "no synthesis: start images": {"synthesis.iterations": 0},
    "no synthesis: Gaussian noise": {"synthesis.source": "noise"},
    "one image": {"synthesis.images": 1},
    "four images": {"synthesis.images": 4},
    "no equalization": {"calibration.equalization": False},
    "no reparameterization": {"calibration.reparameterize": False},
    "ranges per tensor": {"per_head": False},
    "quantile ranges": {"calibration.range_search": "quantile", "calibration.weight_search": "quantile"},
    "full ranges": {"calibration.range_search": "full", "calibration.weight_search": "full"},
    "even ranges": {"calibration.two_sided": False},
    "half-octave softmax": {"calibration.softmax_step": "half_octave"},
    "weights to nearest": {"calibration.rounding": "nearest"},
    "no bias correction": {"calibration.bias_correction": False},
    "codes stay": {"calibration.code_tuning_steps": 0},
    "no tuning": {"calibration.tuning_steps": 0},
}


def changed(config: QuantConfig, settings: Mapping[str, Any]) -> QuantConfig:
    """Return `config` with some settings, by dotted name such as "synthesis.images", replaced.

    Raises ConfigError for a name that there is not, or a value that it cannot have.
    """
    values = config.to_dict()
    for name, value in settings.items():
        part, _, field = name.rpartition(".")
        place = values.get(part) if part else values
        if not isinstance(place, dict) or field not in place:
            known = [key if not isinstance(entry, dict) else f"{key}.*" for key, entry in values.items()]
            raise ConfigError(f"There is no setting {name!r}. Choose one of {', '.join(known)}.")
        if not _fits(place[field], value):
            raise ConfigError(f"The setting {name} cannot be {value!r}; it is {place[field]!r} in the recipe.")
        place[field] = value
    return QuantConfig.from_dict(values)


def _fits(old: Any, new: Any) -> bool:
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    if isinstance(old, (int, float)):
        return isinstance(new, int) or (isinstance(old, float) and isinstance(new, float))
    return isinstance(new, type(old)) or (old is None and isinstance(new, str))


def parse_variant(text: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of a text "NAME:setting=value,setting=value", values as in JSON, words without quotes.

    Raises ConfigError when it is none.
    """
    name, colon, rest = text.partition(":")
    pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
    if not colon or not name.strip() or not all(equals and key.strip() for key, equals, _ in pairs):
        raise ConfigError(f"The variant {text!r} is not NAME:setting=value,... as in 'one image:synthesis.images=1'.")
    return name.strip(), {key.strip(): _value(value.strip()) for key, _, value in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
