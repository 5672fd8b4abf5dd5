"""How models are measured, whatever the models."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ConfigError
from .dataset import Sampling


@dataclass(frozen=True)
class EvaluationProtocol:
    """The objects to measure and how they are measured; one that measures nothing cannot exist (ConfigError).

    Parameters
    ----------
    sampling
        Which slices and objects of a case; random choices depend on its seed alone.
    draws
        How often random clicks are drawn anew, from 1.
    tolerance
        Of the surface measure, in mm, or in pixels of pictures whose spacing is unknown; above 0.
    """

    sampling: Sampling = field(default_factory=Sampling)
    draws: int = 3
    tolerance: float = 2.0

    def __post_init__(self) -> None:
        if self.draws < 1 or self.sampling.every < 1:
            raise ConfigError("Every how many slices, and how many draws of the clicks, must be numbers from 1.")
        if not 0 < self.tolerance < float("inf"):
            raise ConfigError(f"The tolerance {self.tolerance} is not a distance. Give millimetres above 0, such as 2.")
