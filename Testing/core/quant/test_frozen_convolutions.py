"""Convolutions that are laid out once: values and gradients of torch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from dfqsam_core.quant.pipeline import single_threaded_kernels  # noqa: E402
from dfqsam_core.quant.synthesis import frozen_convolutions  # noqa: E402
from dfqsam_core.quant.synthesis.frozen_convolutions import FrozenConvolution, freeze_convolutions  # noqa: E402

LAYERS = {
    "strided": nn.Conv2d(24, 40, 3, stride=2, padding=1, bias=False),
    "strided, with bias": nn.Conv2d(24, 40, 3, stride=2, padding=1),
    "whose last column nobody reads": nn.Conv2d(24, 40, 2, stride=3),
    "transposed": nn.ConvTranspose2d(24, 40, 4, stride=2, padding=1, bias=False),
    "transposed, with bias": nn.ConvTranspose2d(24, 40, 4, stride=2, padding=1),
}


def passes(layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's output and the gradient of x."""
    x = x.clone().requires_grad_(True)
    y = layer(x)
    (y.sin() * 3).sum().backward()
    assert x.grad is not None
    return y.detach(), x.grad


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format], ids=["channels last", "first"])
@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_the_layer(name: str, order: torch.memory_format) -> None:
    layer = LAYERS[name].requires_grad_(False)
    frozen = FrozenConvolution(layer)
    generator = torch.Generator().manual_seed(0)
    with single_threaded_kernels():
        for _ in range(2):
            x = torch.randn(1, 24, 17, 16, generator=generator).contiguous(memory_format=order)
            for mine, torchs in zip(passes(frozen, x), passes(layer, x), strict=True):
                assert mine.stride() == torchs.stride()
                torch.testing.assert_close(mine, torchs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
def test_where_torch_cannot_lay_weights_out_the_layer_itself_serves(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """The operations are no documented part of torch: another build has others, or none."""

    def refuse(*_: object) -> None:
        raise error("no such operation")

    monkeypatch.setattr(frozen_convolutions, "_laid_out", refuse)
    layer = LAYERS["strided"].requires_grad_(False)
    x = torch.randn(1, 24, 16, 16).contiguous(memory_format=torch.channels_last)
    for mine, torchs in zip(passes(FrozenConvolution(layer), x), passes(layer, x), strict=True):
        assert torch.equal(mine, torchs)


@pytest.mark.parametrize("name", LAYERS)
def test_inputs_of_another_size_are_served_too(name: str) -> None:
    """An odd side leaves another edge for the gradient than an even one."""
    layer = LAYERS[name].requires_grad_(False)
    frozen = FrozenConvolution(layer)
    for side in (16, 17, 20):
        x = torch.randn(1, 24, side, side).contiguous(memory_format=torch.channels_last)
        for mine, torchs in zip(passes(frozen, x), passes(layer, x), strict=True):
            torch.testing.assert_close(mine, torchs, rtol=1e-5, atol=1e-5)


def test_all_but_grouped_convolutions_of_a_network_are_frozen() -> None:
    inner, grouped = nn.Sequential(nn.ConvTranspose2d(4, 4, 2)), nn.Conv2d(4, 4, 1, groups=2)
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), inner, grouped)
    freeze_convolutions(network)
    assert [type(module) for module in network.children()] == [FrozenConvolution, nn.ReLU, nn.Sequential, nn.Conv2d]
    assert isinstance(inner[0], FrozenConvolution)
