"""What a person asks first about a model: its licence, its limits, and how well it does."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.resources import DEMO_CHECKPOINT, resource_path

from .library import embedded_models

_PAGE = str(Path(DEMO_CHECKPOINT).with_suffix(".md"))
_UNMEASURED = "Not measured on this computer. `dfqsam verify` measures it on your own labelled images."
_FLOAT_LICENCE = "A float checkpoint does not say; whoever published it does."
_FLOAT_LIMITS = "For research only. Every mask needs the eye of an expert; nothing here was validated for clinical use."


def card_terms(description: dict[str, Any], path: Path) -> list[dict[str, str]]:
    """Licence, intended use, limits and Dice as rows of name and text; description: of `describe`, of the file `path`.

    Of the embedded models Dice and licence are those of the page that comes with them.
    """
    card = description.get("card") or {}
    page = _embedded_page() if path in embedded_models() else ""
    licence = card.get("licence") or (_found(r"Licence: ([^;]+);", page) or _FLOAT_LICENCE)
    dice = [f"{kind} {value}" for kind, value in _validated(page)]
    measured = "; ".join(map(str, card.get("measured") or ()))
    rows = {
        "Licence": licence,
        "Intended use": card.get("intended_use", ""),
        "Limits": " ".join(card.get("limits") or ()) or _FLOAT_LIMITS,
        "Dice": measured
        or (f"Of the float model, on subjects it never saw: {', '.join(dice)}." if dice else _UNMEASURED),
    }
    return [{"name": name, "text": text} for name, text in rows.items() if text]


def _embedded_page() -> str:
    with contextlib.suppress(DFQSAMError, OSError):
        return " ".join(resource_path(_PAGE).read_text(encoding="utf-8").split("\n"))
    return ""


def _validated(page: str) -> list[tuple[str, str]]:
    """Mean Dice over all targets by kind of prompt, from the table of the page."""
    heads = _found(r"\| targets \| number \| ellipse \|([^\n]*?)\| best of 3", page).split("|")
    values = _found(r"\| all \| \d+ \| [^|]+\|(.*?)\| CT \|", page).split("|")
    words = {"box": "with a box", "1pt": "with one click", "3pt": "with three clicks", "5pt": "with five clicks"}
    pairs = [(head.strip(), value.split()) for head, value in zip(heads, values, strict=False)]
    return [(words[head], value[0]) for head, value in pairs if head in words and value]


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""
