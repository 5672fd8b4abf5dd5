"""Quantizers against hand-computed tables."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from dfqsam_core.quant.calibration.pending import weight_for_lengths  # noqa: E402
from dfqsam_core.quant.calibration.quantizers import (  # noqa: E402
    HALF_OCTAVE,
    LogarithmicSoftmax,
    UniformQuantizer,
    uniform_codes,
    uniform_parameters,
)
from dfqsam_core.quant.calibration.ranges import ByOutputError, ShrunkenRanges, search_tensor_range  # noqa: E402
from dfqsam_core.quant.calibration.strategies import Strategies  # noqa: E402
from dfqsam_core.quant.calibration.weight_ranges import search_weight_range, weight_codes  # noqa: E402
from dfqsam_core.quant.config import CalibrationConfig  # noqa: E402

RANGES = ShrunkenRanges(8)
HALF = torch.tensor([HALF_OCTAVE])


def test_uniform_codes_follow_the_table() -> None:
    scale, zero_point = uniform_parameters(torch.tensor(-1.0), torch.tensor(2.0), 4)
    x = torch.tensor([-9.0, -1.0, -0.31, -0.09, 0.0, 0.09, 0.31, 2.0, 9.0])
    assert (round(float(scale), 6), float(zero_point)) == (0.2, 5.0)
    assert uniform_codes(x, scale, zero_point, 4).tolist() == [0, 0, 3, 5, 5, 5, 7, 15, 15]


@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(4, 8))
def test_zero_is_representable_and_levels_are_at_most_two_to_the_bits(a: float, b: float, bits: int) -> None:
    low, high = torch.tensor(min(a, b)), torch.tensor(max(a, b))
    quantizer = UniformQuantizer(*uniform_parameters(low, high, bits), bits)
    values = quantizer(torch.linspace(-150, 150, 4001))
    assert float(quantizer(torch.tensor(0.0))) == 0.0
    assert len(values.unique()) <= 2**bits
    assert float(quantizer.zero_point) == round(float(quantizer.zero_point))


def test_softmax_codes_follow_the_table() -> None:
    probability = torch.tensor([[0.5, 0.25, 0.125, 0.0625, 0.0625 - 1e-4, 1e-4]])
    logits = (probability / probability.sum()).log()[None, None]
    softmax = LogarithmicSoftmax(torch.tensor([[[0.5]]]), HALF, 4)
    total = float(probability.sum())
    expected = [min(15, round(2 * math.log2(0.5 / (p / total)))) for p in probability[0].tolist()]
    assert softmax.codes(logits)[0, 0, 0].tolist() == expected
    assert expected[-1] == 15
    assert float(softmax(logits)[..., -1]) == 0.0


def test_four_bit_softmax_has_sixteen_values_with_zero_among_them() -> None:
    logits = torch.linspace(-20, 0, 2000)[None, None, None]
    softmax = LogarithmicSoftmax(torch.tensor([[[1.0]]]), HALF, 4)
    log_probability = logits - logits.logsumexp(-1, keepdim=True)
    wide = LogarithmicSoftmax(torch.tensor([[[float(log_probability.max().exp())]]]), HALF, 4)
    assert len(softmax(logits).unique()) <= 16
    assert wide(logits).unique().tolist()[0] == 0.0
    assert len(wide(logits).unique()) == 16


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_one_wild_output_channel_leaves_the_others_alone(bits: int) -> None:
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    wild = weight.clone()
    wild[3] *= 100
    importance = torch.ones(64)
    for rows in (weight, wild):
        scale, zero_point = search_weight_range(rows, bits, importance, RANGES)
        restored = (weight_codes(rows, scale, zero_point, bits) - zero_point) * scale
        error = (restored - rows).abs().amax(1) / rows.abs().amax(1)
        assert float(error.max()) < 0.6 * 2 ** (3 - bits)


def test_eight_bit_weights_are_symmetric_and_never_use_code_zero() -> None:
    rows = torch.randn(4, 100, generator=torch.Generator().manual_seed(1)) + 3
    scale, zero_point = search_weight_range(rows, 8, torch.ones(100), RANGES)
    codes = weight_codes(-rows, scale, zero_point, 8)
    assert set(zero_point.flatten().tolist()) == {128.0}
    assert int(codes.min()) >= 1


def test_a_searched_softmax_step_serves_what_attention_is_for_better_than_half_octaves() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(2, 3, 40, 200, generator=generator)
    values = 1 + torch.randn(2, 3, 200, 8, generator=generator)
    exact = logits.softmax(-1) @ values
    errors = {}
    for kind in ("searched", "half_octave"):
        search = Strategies.of(CalibrationConfig(softmax_step=kind), threads=1).softmax
        delta, step = search.parameters(logits, 4, (0, 2, 3))
        assert (delta.shape, step.shape) == ((1, 3, 1, 1), (1,))
        errors[kind] = float((LogarithmicSoftmax(delta, step, 4)(logits) @ values - exact).square().mean())
    assert errors["searched"] < 0.6 * errors["half_octave"]


def test_two_sided_ranges_keep_the_small_negative_side_of_a_gelu() -> None:
    x = torch.nn.functional.gelu(0.6 * torch.randn(500, 32, generator=torch.Generator().manual_seed(0)) - 0.8)
    weight = torch.randn(16, 32, generator=torch.Generator().manual_seed(1))
    errors = []
    for two_sided in (False, True):
        search = ByOutputError(ShrunkenRanges(12, two_sided))
        scale, zero_point = search.parameters(x, 4, False, lambda v: v @ weight.T)
        errors.append(float(((UniformQuantizer(scale, zero_point, 4)(x) - x) @ weight.T).square().mean()))
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_giving_a_bad_range_up_early_changes_no_choice(seed: int, threads: int) -> None:
    generator, ranges = torch.Generator().manual_seed(seed), ShrunkenRanges(8, two_sided=True)
    x = torch.nn.functional.gelu(torch.randn(300, 24, generator=generator)) * torch.rand(24, generator=generator).exp()
    weight, looked_at = torch.randn(96, 24, generator=generator), []
    errors = []
    for low, high in ranges.bounds(x, (0, 1)):
        scale, zero_point = uniform_parameters(low, high, 4)
        restored = UniformQuantizer(scale, zero_point, 4)(x)
        errors.append(((restored - x).double() @ weight.T.double()).square().sum().item())
    best = min(range(len(errors)), key=errors.__getitem__)

    def product(values: torch.Tensor) -> torch.Tensor:
        looked_at.append(len(values))
        return values @ weight.T

    found = ByOutputError(ranges, threads).parameters(x, 4, False, product)
    expected = uniform_parameters(*ranges.bounds(x, (0, 1))[best], 4)
    assert [float(part) for part in found] == [float(part) for part in expected]
    assert sum(looked_at) < 0.8 * len(x) * (len(errors) + 1), "most are given up before the end"


def test_a_wide_layers_errors_are_measured_by_a_smaller_product() -> None:
    generator = torch.Generator().manual_seed(0)
    wide, narrow = (torch.nn.Linear(24, out) for out in (72, 32))
    errors = torch.randn(50, 24, generator=generator)
    smaller = weight_for_lengths(wide)
    assert smaller.shape == (24, 24)
    lengths = [(errors @ weight.detach().T).square().sum() for weight in (wide.weight, smaller)]
    torch.testing.assert_close(*lengths)
    torch.testing.assert_close(weight_for_lengths(narrow), narrow.weight.detach(), rtol=0, atol=0)


def test_a_range_that_comes_twice_is_tried_once() -> None:
    """Behind a ReLU every share of the lower end is zero."""
    x = torch.rand(50, 8, generator=torch.Generator().manual_seed(0))
    tried = []

    def product(values: torch.Tensor) -> torch.Tensor:
        tried.append(values)
        return values.clone()

    ByOutputError(ShrunkenRanges(12, two_sided=True)).parameters(x, 4, False, product)
    assert len(tried) == 1 + 12


@pytest.mark.parametrize("threads", [1, 3])
def test_each_head_and_each_row_gets_the_first_of_its_best_ranges(threads: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 40, 8, generator=generator) * torch.tensor([1.0, 5.0, 0.2])[:, None, None]
    scale, zero_point = search_tensor_range(x, 4, (0, 2, 3), RANGES, threads)
    for head in range(3):
        alone = search_tensor_range(x[:, head], 4, (0, 1, 2), RANGES)
        assert (float(scale[0, head]), float(zero_point[0, head])) == tuple(float(part) for part in alone)
    # So many rows that they are searched in parts.
    rows, importance = torch.randn(70, 2000, generator=generator), torch.rand(2000, generator=generator)
    found = search_weight_range(rows, 4, importance, RANGES, threads)
    for row in (0, 31, 32, 69):
        alone = search_weight_range(rows[row][None], 4, importance, RANGES)
        assert [float(part[row]) for part in found] == [float(part) for part in alone]


def test_codes_leave_what_they_are_of_as_it_is() -> None:
    x, scale, zero_point = torch.linspace(-1, 1, 9), torch.tensor(0.1), torch.tensor(7.0)
    before = x.clone()
    UniformQuantizer(scale, zero_point, 4).centred_codes(x)
    weight_codes(x, scale, torch.tensor(128.0), 8)
    assert torch.equal(x, before)
    assert (float(scale), float(zero_point)) == (pytest.approx(0.1), 7.0)
