"""The report as one page that needs nothing else, has no script and refers to nothing outside of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..evaluate.metrics import points
from ..evaluate.pictures import LABEL, MODEL, PROMPT, REFERENCE

_TASKS = ("encoder", "decoder", "first click", "next click")


def report_page(result: Mapping[str, Any]) -> str:
    """Return the page of what `make_report` found; needs jinja2 and matplotlib (the extra "evaluate")."""
    environment = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["points"] = points
    return environment.get_template("page.html").render(
        result=result,
        overall=[(part, overall_rows(part["rows"])) for part in result["recipes"]],
        tasks=_TASKS,
        colours={"label": LABEL, "float": REFERENCE, "packed": MODEL, "prompt": PROMPT},
        pictures=sum(len(part["pictures"]) for part in result["recipes"]),
    )


def overall_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows over all modalities, one a prompt; of data of one modality its own."""
    return [row for row in rows if row["modality"] == "all"] or rows
