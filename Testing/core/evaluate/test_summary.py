"""Tables and verdicts from a handful of measurements."""

from __future__ import annotations

import itertools

import pytest

from dfqsam_core.errors import CheckFailed
from dfqsam_core.evaluate.scores import Measurement, Scores
from dfqsam_core.evaluate.summary import check_drop, size_bounds, summarize, summarize_sizes

NUMBERS = itertools.count()


def scores(dice: float) -> Scores:
    """Scores of which only Dice matters."""
    return Scores(dice, dice / (2 - dice), surface_dice=dice**2)


def measured(
    prompt: str, modality: str, model: float, reference: float, name: str = "", draw: int = 0, share: float = 0.01
) -> Measurement:
    """One object, another one each time unless it is named, of which only the two Dice values matter."""
    return Measurement(
        case="case",
        modality=modality,
        slice_index=0,
        name=name or f"object {next(NUMBERS)}",
        pixels=100,
        share=share,
        prompt=prompt,
        draw=draw,
        model=scores(model),
        reference=scores(reference),
        ellipse=scores(0.8),
        agreement=0.9,
    )


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


def test_draws_of_one_object_are_averaged_before_objects_are() -> None:
    (row,) = summarize(
        [
            measured("1pt", "CT", 0.4, 0.6, "liver", 0),
            measured("1pt", "CT", 0.6, 0.6, "liver", 1),
            measured("1pt", "CT", 0.8, 0.8, "spleen", 0),
            measured("1pt", "CT", 0.8, 0.8, "spleen", 1),
        ]
    )
    assert (row["objects"], row["model"]["mean"]) == (2, pytest.approx(0.65))
    # Two objects lose 0.1 and 0: no resampling of them can lose more.
    assert row["drop"]["high"] == pytest.approx(0.1)


def test_thirds_by_size_hold_every_object_once() -> None:
    measurements = [
        measured("box", "CT", 0.8, 0.8 + share, share=share) for share in (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
    ]
    rows = summarize_sizes(measurements, size_bounds(measurements))
    assert [(row["size"], row["objects"]) for row in rows] == [("small", 2), ("medium", 2), ("large", 2)]
    assert [round(row["drop"]["mean"], 6) for row in rows] == [0.015, 0.035, 0.055]


def test_iou_and_outlines_have_their_own_drop() -> None:
    (row,) = summarize([measured("box", "CT", 0.5, 1.0)])
    assert row["iou"]["drop"]["mean"] == pytest.approx(1 - 1 / 3)
    assert row["surface_dice"]["drop"]["mean"] == pytest.approx(0.75)
