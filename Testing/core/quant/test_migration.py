"""How far channels are evened out is decided by what input and weight lose together."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.quant.calibration.migration import STRENGTHS, SearchedMigration, channel_spread  # noqa: E402
from dfqsam_core.quant.calibration.quantizers import uniform_codes  # noqa: E402
from dfqsam_core.quant.calibration.ranges import ShrunkenRanges  # noqa: E402
from dfqsam_core.quant.plan import IntegerPlan  # noqa: E402

PLAN = IntegerPlan(4, 4, per_channel=True, correct_bias=True)
SEARCH = SearchedMigration(ShrunkenRanges(12, True), ShrunkenRanges(12))


def layer(inequality: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (512, 48) whose channels differ by up to `inequality`, and a weight (32, 48)."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.logspace(0, 1, 48, base=inequality)
    x = torch.randn((512, 48), generator=generator) * factors
    return x, torch.randn((32, 48), generator=generator)


def output_error(x: torch.Tensor, weight: torch.Tensor, strength: float) -> float:
    evened = SEARCH._evened(x, weight, PLAN, channel_spread(x, strength))
    return SEARCH._error(x, weight, PLAN, evened)


@pytest.mark.parametrize("inequality", [1.0, 8.0, 50.0])
def test_no_strength_is_better_than_the_one_that_is_searched(inequality: float) -> None:
    x, weight = layer(inequality)
    found = SEARCH._error(x, weight, PLAN, SEARCH.parameters(x, weight, PLAN))
    every = [output_error(x, weight, strength) for strength in STRENGTHS]
    # It is chosen on an eighth of the rows.
    assert found <= 1.1 * min(every)


def test_neither_of_both_ends_serves_unequal_channels() -> None:
    x, weight = layer(8.0)
    one_scale, *between, even = [output_error(x, weight, strength) for strength in STRENGTHS]
    assert min(between) < 0.95 * min(one_scale, even)


def test_one_zero_point_and_a_scale_for_each_channel() -> None:
    x, weight = layer(20.0)
    scale, zero_point = SEARCH.parameters(x, weight, PLAN)
    assert scale.shape == zero_point.shape == (48,)
    assert len(zero_point.unique()) == 1
    assert len(scale.unique()) > 1
    codes = uniform_codes(x, scale, zero_point, 4)
    assert codes.min() >= 0
    assert codes.max() <= 15
    assert torch.equal(uniform_codes(torch.zeros(48), scale, zero_point, 4), zero_point)


def test_channels_that_never_speak_do_no_harm() -> None:
    x, weight = layer(8.0)
    x[:, 5] = 0
    for silent in (x, torch.zeros_like(x)):
        scale, zero_point = SEARCH.parameters(silent, weight, PLAN)
        assert torch.isfinite(scale).all()
        assert (scale > 0).all()
        assert torch.isfinite(zero_point).all()


def test_threads_do_not_change_the_choice() -> None:
    x, weight = layer(8.0)
    alone, together = (
        SearchedMigration(SEARCH.inputs, SEARCH.weights, threads).parameters(x, weight, PLAN) for threads in (1, 3)
    )
    assert torch.equal(alone[0], together[0])
    assert torch.equal(alone[1], together[1])
