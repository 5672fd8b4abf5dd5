"""What the minutes of `default` have been worth, where that was measured: docs/how/method.md has the table."""

from __future__ import annotations

from .config import QuantConfig

_WORTH = (
    "What optimising the synthetic images was worth before parts were tuned and bodies painted, in Dice points over "
    "the painted images that it starts from, at 4 bits: on the laboratory model 0.7 [0.0, 1.4] for one click and "
    "0.8 [0.3, 1.3] for three, on the demonstration model and its outlier twin nothing that can be told from chance; "
    "nothing for a box. On SAM-Med2D's own weights: not measured."
)


def worth_of(config: QuantConfig) -> str:
    """A few sentences for who waits for the recipe `default`; empty for other recipes."""
    return _WORTH if config.recipe == "default" and config.synthesis.planned_steps else ""
