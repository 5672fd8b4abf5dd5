"""Column-by-column rounding: what it multiplies, and that it beats rounding to nearest on what a layer really sees."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from dfqsam_core.quant.calibration import rounding  # noqa: E402
from dfqsam_core.quant.calibration.input_statistics import input_patches  # noqa: E402
from dfqsam_core.quant.calibration.quantized_layers import apply_product, rows_of_weight  # noqa: E402
from dfqsam_core.quant.calibration.quantizers import UniformQuantizer, uniform_parameters  # noqa: E402
from dfqsam_core.quant.calibration.ranges import ShrunkenRanges  # noqa: E402
from dfqsam_core.quant.calibration.rounding import round_with_feedback  # noqa: E402
from dfqsam_core.quant.calibration.strategies import Strategies  # noqa: E402
from dfqsam_core.quant.calibration.weight_fit import fit_weight  # noqa: E402
from dfqsam_core.quant.calibration.weight_ranges import search_weight_range, weight_codes  # noqa: E402
from dfqsam_core.quant.config import CalibrationConfig  # noqa: E402
from dfqsam_core.quant.plan import IntegerPlan  # noqa: E402

LAYERS = {
    "linear": (nn.Linear(5, 3), (2, 4, 5)),
    "convolution": (nn.Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 8, 8)),
    "transposed, overlapping": (nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1, bias=False), (2, 3, 5, 6)),
    "transposed, apart": (nn.ConvTranspose2d(3, 5, 2, stride=2, bias=False), (2, 3, 5, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_patches_times_rows_are_the_layers_product(name: str) -> None:
    layer, shape = LAYERS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    rows = rows_of_weight(layer, layer.weight.detach())
    product = apply_product(layer, x, layer.weight.detach())
    pairs = input_patches(layer, x)
    if isinstance(layer, nn.Linear):
        expected = [product.flatten(0, -2)]
    else:
        steps = layer.stride[0] if isinstance(layer, nn.ConvTranspose2d) else 1
        phases = [product[:, :, y::steps, x::steps] for y in range(steps) for x in range(steps)]
        expected = [phase.permute(0, 2, 3, 1).flatten(0, 2) for phase in phases]
    for (columns, patches), wanted in zip(pairs, expected, strict=True):
        torch.testing.assert_close(patches @ rows[:, columns].T, wanted, rtol=1e-4, atol=1e-5)


def correlated_inputs(count: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 8, generator=generator) @ torch.randn(8, width, generator=generator) + 0.1 * torch.randn(
        count, width, generator=generator
    )


def test_feedback_errs_less_on_correlated_inputs_than_rounding_to_nearest() -> None:
    x = correlated_inputs(400, 150)
    rows = torch.randn(20, 150, generator=torch.Generator().manual_seed(2))
    scale, zero_point = search_weight_range(rows, 4, torch.ones(150), ShrunkenRanges(8))
    codes = {
        "nearest": weight_codes(rows, scale, zero_point, 4),
        "feedback": round_with_feedback(rows, scale, zero_point, 4, x.T @ x / len(x), 0.01),
    }
    errors = {name: float((((c - zero_point) * scale - rows) @ x.T).square().mean()) for name, c in codes.items()}
    assert codes["feedback"].min() >= 0
    assert codes["feedback"].max() <= 15
    assert errors["feedback"] < 0.3 * errors["nearest"]


def test_independent_inputs_leave_nothing_to_feed_back() -> None:
    rows = torch.randn(6, 40, generator=torch.Generator().manual_seed(2))
    scale, zero_point = search_weight_range(rows, 4, torch.ones(40), ShrunkenRanges(8))
    moment = torch.diag(torch.rand(40, generator=torch.Generator().manual_seed(4)) + 0.1)
    codes = round_with_feedback(rows, scale, zero_point, 4, moment, 0.01)
    assert torch.equal(codes, weight_codes(rows, scale, zero_point, 4))


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_fitted_layer_has_the_float_layers_mean_output_for_any_number_of_threads(per_channel: bool) -> None:
    layer = nn.Linear(150, 20)
    exact = correlated_inputs(300, 150)
    x = exact + 0.3
    low, high = (x.amin(0), x.amax(0)) if per_channel else (x.min().view(1), x.max().view(1))
    quantizer = UniformQuantizer(*uniform_parameters(low, high, 4), 4)
    plan, searches = IntegerPlan(4, 4, correct_bias=True), [Strategies.of(CalibrationConfig(), n) for n in (1, 3)]
    fitted = [fit_weight(layer, plan, quantizer, x, exact, strategies) for strategies in searches]
    with torch.no_grad():
        torch.testing.assert_close(fitted[0](x).mean(0), layer(exact).mean(0), rtol=1e-3, atol=1e-3)
    assert torch.equal(fitted[0].weight_codes, fitted[1].weight_codes)


@pytest.mark.parametrize("threads", [1, 3])
def test_many_columns_are_rounded_as_few_are(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    x = correlated_inputs(400, 150)
    rows = torch.randn(20, 150, generator=torch.Generator().manual_seed(2))
    scale, zero_point = search_weight_range(rows, 4, torch.ones(150), ShrunkenRanges(8))
    moment = x.T @ x / len(x)
    whole = round_with_feedback(rows, scale, zero_point, 4, moment, 0.01)
    monkeypatch.setattr(rounding, "_MANY_COLUMNS", 100)
    monkeypatch.setattr(rounding, "_PART", 40)
    assert torch.equal(round_with_feedback(rows, scale, zero_point, 4, moment, 0.01, threads), whole)
