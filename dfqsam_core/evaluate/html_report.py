"""A comparison as one page that needs nothing else: tables, parts of the encoder, and pictures of the worst cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .evaluator import Comparison
from .examples import worst_examples
from .metrics import points
from .pictures import LABEL, MODEL, PROMPT, REFERENCE, example_picture

_METRICS = {"dice": "Dice", "iou": "IoU", "surface_dice": "surface"}


def html_report(comparison: Comparison, result: Mapping[str, Any], pictures: int = 24) -> str:
    """Return the page: `result` is the comparison's report, to which "layers" and "layer_slices" may have been added.

    pictures: how many of the worst objects are shown. Needs jinja2 and matplotlib (the extra "evaluate"). The page is
    one file without scripts and refers to nothing outside of itself.
    """
    environment = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["points"] = points
    cases = [
        vars(example.measurement) | {"drop": example.measurement.drop, "picture": example_picture(example)}
        for example in worst_examples(comparison, pictures)
    ]
    return environment.get_template("report.html").render(
        result={"layers": None} | dict(result),
        metrics=_METRICS,
        cases=cases,
        colours={"label": LABEL, "reference": REFERENCE, "model": MODEL, "prompt": PROMPT},
    )
