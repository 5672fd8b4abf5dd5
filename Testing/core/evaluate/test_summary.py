"""Tables and verdicts from a handful of measurements."""

from __future__ import annotations

import pytest

from dfqsam_core.errors import CheckFailed
from dfqsam_core.evaluate.compare import Measurement
from dfqsam_core.evaluate.summary import check_drop, summarize


def measured(prompt: str, modality: str, model: float, reference: float) -> Measurement:
    """One object of which only the two Dice values matter."""
    return Measurement("case", modality, 0, "liver", 100, prompt, model, reference, 0.9, 0.8)


def test_rows_by_modality_and_prompt_and_one_over_all() -> None:
    rows = summarize(
        [
            measured("box", "CT", 0.8, 0.9),
            measured("1pt", "CT", 0.5, 0.5),
            measured("box", "MR", 0.6, 0.6),
            measured("box", "CT", 0.7, 0.7),
        ]
    )
    shown = [(row["modality"], row["prompt"], row["objects"], round(row["drop"]["mean"], 6)) for row in rows]
    assert shown == [
        ("CT", "box", 2, 0.05),
        ("CT", "1pt", 1, 0.0),
        ("MR", "box", 1, 0.0),
        ("all", "box", 3, 0.033333),
        ("all", "1pt", 1, 0.0),
    ]
    assert rows[0]["drop"]["low"] == pytest.approx(0.0)
    assert rows[0]["drop"]["high"] == pytest.approx(0.1)


def test_one_modality_needs_no_row_over_all() -> None:
    assert [row["modality"] for row in summarize([measured("box", "CT", 0.8, 0.8)])] == ["CT"]


def test_a_drop_beyond_the_limit_fails_and_names_the_prompt() -> None:
    rows = summarize([measured("box", "CT", 0.80, 0.83), measured("1pt", "CT", 0.5, 0.5)])
    with pytest.raises(CheckFailed, match=r"more than 2\.0 points against the reference: box 3\.00"):
        check_drop(rows, 2.0)
    check_drop(rows, 3.5)


def test_the_verdict_is_over_all_modalities() -> None:
    rows = summarize([measured("box", "CT", 0.80, 0.83), measured("box", "MR", 0.83, 0.83)])
    check_drop(rows, 2.0)


def test_a_gain_never_fails() -> None:
    check_drop(summarize([measured("box", "CT", 0.9, 0.5)]), 0.0)
