"""What the minutes of `default` have been worth, where that was measured: docs/how/method.md has the table."""

from __future__ import annotations

from .config import QuantConfig

_WORTH = (
    "What optimising the synthetic images has been worth at 4 bits, in Dice points over the painted images that it "
    "starts from: on the demonstration model and its outlier twin nothing that can be told from chance; on the "
    "laboratory model, before parts were tuned and bodies painted, 0.7 [0.0, 1.4] for one click, 0.8 [0.3, 1.3] for "
    "three, nothing for a box. On SAM-Med2D's own weights: not measured."
)


def worth_of(config: QuantConfig) -> str:
    """A few sentences for who waits for the recipe `default`; empty for other recipes."""
    return _WORTH if config.recipe == "default" and config.synthesis.planned_steps else ""
