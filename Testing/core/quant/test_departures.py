"""What recipes say of themselves: the page and the card say the same, and it is what the recipe does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.departures import PAPER_DEPARTURES
from dfqsam_core.quant.worth import worth_of

METHOD = Path(__file__).parents[3] / "docs" / "how" / "method.md"


def test_the_page_lists_each_departure_that_the_card_lists_and_no_other() -> None:
    _, section = METHOD.read_text(encoding="utf-8").split("### Where `paper` departs\n", 1)
    items = section.split("\n## ", 1)[0].split("\n- ")[1:]
    assert [" ".join(item.split()) for item in items] == list(PAPER_DEPARTURES)


def test_the_numbers_in_the_departures_are_the_recipes() -> None:
    pytest.importorskip("torch")
    from dfqsam_core.quant.synthesis.label_evolution import EvolutionRules

    paper, rules = QuantConfig.from_recipe("paper"), EvolutionRules()
    assert paper.departures == PAPER_DEPARTURES
    assert (paper.synthesis.evolve_every, paper.synthesis.evolve_fraction) == (25, 0.8)
    assert (paper.synthesis.evolve_start, paper.synthesis.evolve_agreement, rules.most_fill) == (0, 0.85, 0.85)
    assert rules.least_contrast == 1
    assert (rules.joining, rules.most_labels, rules.least_area, rules.most_area) == (2, 12, 0.002, 0.12)
    assert (paper.synthesis.jitter, paper.synthesis.entropy_points, paper.decoder_bits) == (15, 10, 8)


def test_what_defaults_minutes_have_been_worth_is_what_the_page_measured() -> None:
    said = worth_of(QuantConfig.from_recipe("default"))
    table = METHOD.read_text(encoding="utf-8").split("\n## 1.", 1)[0]
    numbers = re.findall(r"\d\.\d \[\d\.\d, \d\.\d\]", said)
    assert len(numbers) == 2
    assert all(f"+{number} |" in table for number in numbers)
    # Nothing was measured of other recipes, and nothing is optimised without steps.
    silent = (QuantConfig.from_recipe("fast"), QuantConfig.from_recipe("default", iterations=0))
    assert [worth_of(config) for config in silent] == ["", ""]
