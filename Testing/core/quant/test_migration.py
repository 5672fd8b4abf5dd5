"""How far channels are evened out is decided by what input and weight lose together."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.quant.calibration.migration import STRENGTHS, SearchedMigration, joint_error  # noqa: E402
from dfqsam_core.quant.calibration.quantizers import uniform_codes, uniform_parameters  # noqa: E402
from dfqsam_core.quant.calibration.ranges import FullRange, ShrunkenRanges  # noqa: E402
from dfqsam_core.quant.plan import IntegerPlan  # noqa: E402

SHARED = IntegerPlan(4, 4, per_channel=True, correct_bias=True)
OWN = replace(SHARED, own_zero_points=True)
SEARCH = SearchedMigration(ShrunkenRanges(12, True), ShrunkenRanges(12))
FULL = SearchedMigration(FullRange(), ShrunkenRanges(12))


def layer(inequality: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (512, 48) about means of their own, whose channels differ by up to `inequality`, and a weight (32, 48)."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.logspace(0, 1, 48, base=inequality)
    x = (torch.randn((512, 48), generator=generator) + torch.randn(48, generator=generator)) * factors
    return x, torch.randn((32, 48), generator=generator)


def errors(x: torch.Tensor, weight: torch.Tensor, plan: IntegerPlan) -> list[float]:
    """Of each strength with the full range."""
    candidates = FULL.own if plan.own_zero_points else FULL.shared
    every = [next(iter(candidates(x, strength, 4))) for strength in STRENGTHS]
    return [joint_error(x, weight, plan, quantizer, FULL.weights) for quantizer in every]


@pytest.mark.parametrize("plan", [SHARED, OWN], ids=["one zero point", "own zero points"])
@pytest.mark.parametrize("inequality", [1.0, 8.0, 50.0])
def test_no_strength_is_better_than_the_one_that_is_searched(plan: IntegerPlan, inequality: float) -> None:
    x, weight = layer(inequality)
    found = joint_error(x, weight, plan, FULL.parameters(x, weight, plan), FULL.weights)
    # It is chosen on an eighth of the rows.
    assert found <= 1.1 * min(errors(x, weight, plan))


def test_neither_of_both_ends_serves_unequal_channels() -> None:
    one_scale, *between, even = errors(*layer(8.0), SHARED)
    assert min(between) < 0.97 * min(one_scale, even)


def test_one_zero_point_and_a_scale_for_each_channel() -> None:
    x, weight = layer(20.0)
    scale, zero_point = SEARCH.parameters(x, weight, SHARED)
    assert scale.shape == zero_point.shape == (48,)
    assert len(zero_point.unique()) == 1
    assert len(scale.unique()) > 1
    assert torch.equal(uniform_codes(torch.zeros(48), scale, zero_point, 4), zero_point)


def test_with_own_zero_points_the_whole_strength_is_a_range_for_each_channel() -> None:
    x, _ = layer(20.0)
    scale, zero_point = next(iter(FULL.own(x, 1.0, 4)))
    expected = uniform_parameters(x.amin(0), x.amax(0), 4)
    assert torch.allclose(scale, expected[0])
    assert torch.equal(zero_point, expected[1])
    for strength in STRENGTHS:
        scale, zero_point = next(iter(FULL.own(x, strength, 4)))
        codes = uniform_codes(x, scale, zero_point, 4)
        # Wider scales leave codes unused, but cut nothing off.
        assert ((codes - zero_point) * scale - x).abs().le(0.501 * scale + 1e-5).all()


@pytest.mark.parametrize("plan", [SHARED, OWN], ids=["one zero point", "own zero points"])
def test_channels_that_never_speak_do_no_harm(plan: IntegerPlan) -> None:
    x, weight = layer(8.0)
    x[:, 5] = 0
    for silent in (x, torch.zeros_like(x)):
        scale, zero_point = SEARCH.parameters(silent, weight, plan)
        assert torch.isfinite(scale).all()
        assert (scale > 0).all()
        assert ((zero_point >= 0) & (zero_point <= 15)).all()


def test_threads_do_not_change_the_choice() -> None:
    x, weight = layer(8.0)
    alone, together = (replace(SEARCH, threads=threads).parameters(x, weight, OWN) for threads in (1, 3))
    assert torch.equal(alone[0], together[0])
    assert torch.equal(alone[1], together[1])
