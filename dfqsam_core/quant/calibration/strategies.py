"""What the words of a calibration's settings stand for: each is turned into its class here, once."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import CalibrationConfig
from .ranges import (
    ByOutputError,
    ByOwnError,
    FullRange,
    InputSearch,
    QuantileRanges,
    QuantilesAndFullRange,
    Ranges,
    ShrunkenRanges,
)
from .rounding import FeedbackRounding, NearestRounding, Rounding
from .softmax_search import (
    HalfOctaveStep,
    SearchedSteps,
    SoftmaxByOwnError,
    SoftmaxByRowError,
    SoftmaxSearch,
    SoftmaxSteps,
)


@dataclass(frozen=True)
class Strategies:
    """How a calibration chooses; see `CalibrationConfig`.

    ranges: tried for queries, keys and values. inputs: search for a layer's input. softmax: search for a softmax.
    weight_ranges: tried for weights. weighs_inputs: weight errors count by the mean square of their inputs.
    rounding: of weights. keeps_places: layers keep where their float weights lie among the codes, for tuning. rows:
    inputs drawn per layer for a search. threads: parts of a search worked on side by side.
    """

    ranges: Ranges
    inputs: InputSearch
    softmax: SoftmaxSearch
    weight_ranges: Ranges
    weighs_inputs: bool
    rounding: Rounding
    keeps_places: bool
    rows: int
    threads: int

    @classmethod
    def of(cls, settings: CalibrationConfig, threads: int, keeps_places: bool = False) -> Strategies:
        """threads: ranges and groups of columns worked on side by side; they do not change the result."""
        shrunken = ShrunkenRanges(settings.candidates, settings.two_sided)
        ranges: dict[str, Ranges] = {"output_error": shrunken, "quantile": QuantileRanges(), "full": FullRange()}
        weight_ranges: dict[str, Ranges] = {
            "output_error": ShrunkenRanges(settings.candidates),
            "quantile": QuantilesAndFullRange(),
            "full": FullRange(),
        }
        steps: dict[str, SoftmaxSteps] = {"searched": SearchedSteps(), "half_octave": HalfOctaveStep()}
        chosen = ranges[settings.range_search]
        by_output = settings.range_search == "output_error"
        roundings: dict[str, Rounding] = {
            "feedback": FeedbackRounding(settings.damping, threads),
            "nearest": NearestRounding(),
        }
        return cls(
            ranges=chosen,
            inputs=ByOutputError(chosen, threads) if by_output else ByOwnError(chosen),
            softmax=SoftmaxByRowError(steps[settings.softmax_step], threads)
            if by_output
            else SoftmaxByOwnError(chosen),
            weight_ranges=weight_ranges[settings.weight_search],
            weighs_inputs=settings.weight_search == "output_error",
            rounding=roundings[settings.rounding],
            keeps_places=keeps_places,
            rows=settings.rows,
            threads=threads,
        )
