"""The study of reparameterization on a plain network changes scales only, never the float function."""

from __future__ import annotations

import torch

from research.studies.plain_cnn import CHANNELS, PlainCnn, channel_ranges, quantized_input, quantized_weight, rescaled


def _network() -> tuple[PlainCnn, torch.Tensor]:
    torch.manual_seed(0)
    model = PlainCnn().eval()
    for norm in model.norms:
        torch.nn.init.normal_(norm.bias)
    return model, torch.randn(2, 1, 64, 64)


def test_rescaling_keeps_the_function_and_evens_out_the_ranges() -> None:
    model, images = _network()
    tops = channel_ranges(model, images)
    even = rescaled(model, [top / top.mean() for top in tops])
    with torch.no_grad():
        torch.testing.assert_close(even(images), model(images), rtol=1e-3, atol=1e-4)
    for top in channel_ranges(even, images):
        assert top.shape == (CHANNELS,)
        assert top.max() / top[top > 1e-3].min() < 1.001


def test_inputs_and_weights_have_sixteen_and_fifteen_levels() -> None:
    model, images = _network()
    value = model.inputs(images)[0]
    assert len(quantized_input(value, value.max()).unique()) <= 16
    weight = quantized_weight(model.convs[1].weight)
    assert max(len(channel.unique()) for channel in weight) <= 15
    model.ranges = [top.max() for top in channel_ranges(model, images)]
    plain, _ = _network()
    assert not torch.allclose(model(images), plain(images))
