"""A whole quantized network: equivalences that must hold, and quantizers that must be there."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.network.architecture import Architecture  # noqa: E402
from dfqsam_core.quant import QuantConfig  # noqa: E402
from dfqsam_core.quant.calibration.equalize import equalize, scale_detail, scale_queries, scale_values  # noqa: E402
from dfqsam_core.quant.calibration.input_statistics import input_patches  # noqa: E402
from dfqsam_core.quant.calibration.quantized_layers import QuantizedLayer, rows_of_weight, weight_of_rows  # noqa: E402
from dfqsam_core.quant.calibration.quantizers import (  # noqa: E402
    LogarithmicSoftmax,
    UniformQuantizer,
    uniform_parameters,
)
from dfqsam_core.quant.calibration.ranges import FullRange  # noqa: E402
from dfqsam_core.quant.calibration.reparameterize import fold_input_scales  # noqa: E402
from dfqsam_core.quant.calibration.rounding import round_with_feedback  # noqa: E402
from dfqsam_core.quant.calibration.softmax_search import (  # noqa: E402
    SearchedSteps,
    SoftmaxByOwnError,
    SoftmaxByRowError,
)
from dfqsam_core.quant.plan import NetworkPlan  # noqa: E402
from dfqsam_core.quant.reference import load_reference  # noqa: E402
from dfqsam_core.store.model_file import read_model, write_model  # noqa: E402
from Testing.support.quantized import quantized_toy, toy_checkpoint, toy_pixels  # noqa: E402


def encode(model: SamMed2D, pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.image_encoder(model.normalize((pixels * 255).round().expand(-1, 3, -1, -1)))


def activation_quantizers(encoder: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Every place of an encoder where activations become codes, by name; what is missing here runs in float."""
    found: dict[str, torch.nn.Module] = {}
    for path, module in encoder.named_modules():
        if isinstance(module, QuantizedLayer):
            found[f"{path}.input"] = module.input_quantizer
        elif isinstance(module, LogarithmicSoftmax) or (
            isinstance(module, UniformQuantizer) and not path.endswith("input_quantizer")
        ):
            found[path] = module
    return found


def test_fused_quantizer_gives_the_codes_of_the_reparameterized_layer_norm() -> None:
    """T1: RepQ-ViT's moved affine with one scale and one whole zero point, against per-channel codes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 16, generator=generator).double() * torch.logspace(-1, 1, 16)
    gamma, beta = torch.rand(16, generator=generator).double() + 0.5, torch.randn(16, generator=generator).double()
    out = torch.nn.functional.layer_norm(x, (16,), gamma, beta)
    scale, zero_point = uniform_parameters(out.amin(0), out.amax(0), 4)
    fused = UniformQuantizer(scale, zero_point, 4).codes(out)
    common_scale, common_zero = scale.mean(), zero_point.mean().round()
    ratio, shift = scale / common_scale, zero_point - common_zero
    moved = torch.nn.functional.layer_norm(x, (16,), gamma / ratio, (beta + scale * shift) / ratio)
    reparameterized = UniformQuantizer(common_scale, common_zero, 4).codes(moved)
    assert torch.equal(fused, reparameterized)


class FoldedFloatLayer(torch.nn.Module):
    """A linear layer with its input scales moved into the weight, nothing rounded."""

    def __init__(self, layer: torch.nn.Linear, scale: torch.Tensor) -> None:
        super().__init__()
        self.scale, self.rows, self.bias = scale, fold_input_scales(layer.weight, scale), layer.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x / self.scale, self.rows, self.bias)


@pytest.mark.parametrize("adapter_dim", [0, 8], ids=["T2 without adapters", "T3 with adapters"])
def test_moving_scales_into_weights_keeps_the_float_network(adapter_dim: int) -> None:
    model = SamMed2D.from_checkpoint(toy_checkpoint(adapter_dim))
    moved = copy.deepcopy(model)
    for index, block in enumerate(moved.image_encoder.blocks):
        scale = torch.logspace(-1.5, 1.5, 32)[torch.randperm(32, generator=torch.Generator().manual_seed(index))]
        block.attn.qkv = FoldedFloatLayer(block.attn.qkv, scale)
        block.mlp.lin1 = FoldedFloatLayer(block.mlp.lin1, scale)
    original = encode(model, toy_pixels())
    assert float((encode(moved, toy_pixels()) - original).abs().max() / original.abs().max()) < 1e-5


@pytest.mark.parametrize(("adapter_dim", "per_block"), [(0, 8), (8, 12)])
def test_every_quantizer_is_there_and_active(adapter_dim: int, per_block: int) -> None:
    """T9: 8 a block without adapters and 12 with (99 and 147 in ViT-B), besides patch embedding and neck."""
    model, packed = quantized_toy(adapter_dim=adapter_dim)
    for network in (model, load_reference(packed)):
        quantizers = activation_quantizers(network.image_encoder)
        assert len(quantizers) == 3 * per_block + 3
    kinds = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    assert not [path for path, module in model.image_encoder.named_modules() if isinstance(module, kinds)]


def test_each_quantizer_bites() -> None:
    """T9: what enters each quantizer leaves it changed, with at most 2^bits values."""
    model, _ = quantized_toy()
    seen: dict[str, tuple[int, bool]] = {}

    def watch(name: str):  # type: ignore[no-untyped-def]
        def hook(module, inputs, output):  # type: ignore[no-untyped-def]
            per_value = output[0, 0] if output.dim() == 4 else output
            seen[name] = (len(per_value.unique()), bool((inputs[0] != output).any()))

        return hook

    handles = [
        module.register_forward_hook(watch(name))
        for name, module in activation_quantizers(model.image_encoder).items()
        if not name.endswith(".input")
    ]
    encode(model, toy_pixels())
    for handle in handles:
        handle.remove()
    assert len(seen) == 12
    assert all(levels <= 16 and changed for levels, changed in seen.values()), seen


def test_weights_have_at_most_sixteen_levels_per_output_channel() -> None:
    """T8."""
    model, _ = quantized_toy()
    layers = [module for module in model.image_encoder.modules() if isinstance(module, QuantizedLayer)]
    assert len(layers) == 3 * 8 + 3
    for layer in layers:
        rows = layer.weight_codes
        assert int(rows.max()) <= 15
        assert max(len(row.unique()) for row in rows) <= 16


def test_transposed_convolution_is_scaled_along_its_output_axis() -> None:
    """T10: axis 1 of (in, out, kh, kw)."""
    layer = torch.nn.ConvTranspose2d(3, 5, 4, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight[:, 2] *= 100
    rows = rows_of_weight(layer, layer.weight.detach())
    assert rows.shape == (5, 3 * 16)
    assert int(rows.abs().amax(1).argmax()) == 2
    assert torch.equal(weight_of_rows(layer, rows), layer.weight)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_packed_model_gives_the_output_of_the_network_it_came_from(tmp_path, bits: int) -> None:  # type: ignore[no-untyped-def]
    """T11: pack, write, read, unpack, run."""
    model, packed = quantized_toy(bits)
    write_model(tmp_path / "m.safetensors", packed)
    restored = load_reference(read_model(tmp_path / "m.safetensors"))
    torch.testing.assert_close(encode(restored, toy_pixels()), encode(model, toy_pixels()), rtol=1e-5, atol=1e-5)
    box = torch.tensor([[10.0, 10.0, 40.0, 50.0]])
    with torch.no_grad():
        expected, answer = (m.decode(encode(m, toy_pixels(1)), boxes=box)[0] for m in (model, restored))
    torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4)


def test_more_bits_come_nearer_to_the_float_network() -> None:
    original = encode(SamMed2D.from_checkpoint(toy_checkpoint()), toy_pixels())
    errors = [float((encode(quantized_toy(b)[0], toy_pixels()) - original).norm() / original.norm()) for b in (4, 6, 8)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_equalizing_keeps_the_float_network_and_evens_out_channels() -> None:
    """T15: queries against keys and position tables, values against proj, the adapter's two convolutions."""
    model = SamMed2D.from_checkpoint(toy_checkpoint())
    for index, block in enumerate(model.image_encoder.blocks):
        generator = torch.Generator().manual_seed(index)
        scale_values(block.attn, torch.logspace(-1, 1, 32)[torch.randperm(32, generator=generator)].view(2, 16))
        scale_queries(block.attn, torch.logspace(-1, 1, 16)[torch.randperm(16, generator=generator)])
        scale_detail(block.Adapter.spatial, torch.logspace(-1, 1, 32)[torch.randperm(32, generator=generator)])
    before = copy.deepcopy(model)
    images = model.normalize(toy_pixels().expand(-1, 3, -1, -1) * 255)
    with torch.no_grad():
        equalize(model.image_encoder, images)
    original = encode(SamMed2D.from_checkpoint(toy_checkpoint()), toy_pixels())
    for network in (before, model):
        assert float((encode(network, toy_pixels()) - original).abs().max() / original.abs().max()) < 1e-5
    with torch.no_grad():
        rough, even = (value_spread(network, images) for network in (before, model))
    assert rough > 5
    assert even < 1.01


def test_an_adapter_that_never_speaks_is_left_without_harm() -> None:
    """As a fresh adapter, whose convolutions are zero: there is no range to go by."""
    model = SamMed2D.from_checkpoint(toy_checkpoint())
    block = model.image_encoder.blocks[0]
    block.Adapter.spatial[0].weight.data = torch.zeros_like(block.Adapter.spatial[0].weight)
    original = encode(model, toy_pixels())
    with torch.no_grad():
        equalize(model.image_encoder, model.normalize(toy_pixels().expand(-1, 3, -1, -1) * 255))
    assert bool(block.Adapter.spatial[2].weight.isfinite().all())
    torch.testing.assert_close(encode(model, toy_pixels()), original, rtol=1e-4, atol=1e-5)


def test_everything_is_made_on_the_device_of_the_network() -> None:
    """Here the network's device is not torch's default, which is what happens on a GPU."""
    model = SamMed2D.from_checkpoint(toy_checkpoint())
    images = model.normalize(toy_pixels().expand(-1, 3, -1, -1) * 255)
    rows, logits = toy_pixels()[0, 0, :20, :30], torch.rand(1, 2, 4, 4)
    rounding = (rows, rows.amax(1, keepdim=True) / 15, rows.new_zeros(20, 1), 4, rows.T @ rows, 0.01)
    expected = round_with_feedback(*rounding)
    with torch.device("meta"), torch.no_grad():
        equalize(model.image_encoder, images)
        codes = round_with_feedback(*rounding)
        searches = (SoftmaxByOwnError(FullRange()), SoftmaxByRowError(SearchedSteps()))
        found = [search.parameters(logits, 4, (0, 2, 3)) for search in searches]
        patches = input_patches(torch.nn.Linear(30, 2), rows)
    made = [*model.image_encoder.parameters(), *(tensor for pair in (*found, *patches) for tensor in pair)]
    assert {tensor.device.type for tensor in made} == {"cpu"}
    assert torch.equal(codes, expected)


def value_spread(model: SamMed2D, images: torch.Tensor) -> float:
    """Largest over smallest range of the values' channels in the first block, seen on `images`."""
    block, encoder = model.image_encoder.blocks[0], model.image_encoder
    tokens = block.norm1(encoder.patch_embed(images) + encoder.pos_embed)
    ranges = block.attn.qkv(tokens).chunk(3, -1)[2].abs().amax((0, 1, 2))
    return float(ranges.max() / ranges.min())


@pytest.mark.parametrize(("adapter_dim", "transposed", "count"), [(0, True, 99), (192, False, 135), (192, True, 147)])
def test_published_size_has_the_known_number_of_activation_quantizers(
    adapter_dim: int, transposed: bool, count: int
) -> None:
    """T9: ViT-B has 99 without adapters, 135 with, and 147 once ConvTranspose2d is quantized too."""
    architecture = Architecture(768, 12, 12, 3072, adapter_dim)
    config = replace(QuantConfig.from_recipe("default"), transpose_convolutions=transposed)
    attention_places = 12 * 4
    assert len(NetworkPlan.of(architecture, config).integer_layers()) + attention_places == count
