"""Tuning a quantized network: outputs come nearer, codes stay unless a part is far off, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.network.architecture import Architecture  # noqa: E402
from dfqsam_core.progress import Cancelled, Progress  # noqa: E402
from dfqsam_core.quant import QuantConfig, quantize  # noqa: E402
from dfqsam_core.quant.calibration import tuning  # noqa: E402
from dfqsam_core.quant.calibration.quantized_layers import QuantizedLayer  # noqa: E402
from dfqsam_core.quant.calibration.quantizers import UniformQuantizer, logarithmic_codes, uniform_codes  # noqa: E402
from dfqsam_core.quant.calibration.tuning import REACH, is_far, tune  # noqa: E402
from dfqsam_core.quant.pipeline import pack  # noqa: E402
from dfqsam_core.quant.plan import NetworkPlan  # noqa: E402
from dfqsam_core.quant.reference import load_reference  # noqa: E402
from dfqsam_core.store.checkpoint import Checkpoint  # noqa: E402
from dfqsam_core.store.file_identity import FileSource  # noqa: E402
from dfqsam_core.store.model_file import StoredModel, read_model  # noqa: E402
from Testing.support.quantized import toy_checkpoint, toy_checkpoint_file, toy_config, toy_pixels  # noqa: E402
from Testing.support.toy import random_tensors  # noqa: E402

IMAGES = 6


def packed(steps: int, threads: int = 1, code_steps: int = 0) -> StoredModel:
    checkpoint, config = toy_checkpoint(), toy_config(recipe="default")
    settings = {"tuning_steps": steps, "code_tuning_steps": code_steps}
    config = replace(config, calibration=replace(config.calibration, **settings))
    model = SamMed2D.from_checkpoint(checkpoint)
    return pack(model, toy_pixels(IMAGES), config, checkpoint.source, threads)


@pytest.fixture(scope="module")
def plain() -> StoredModel:
    return packed(0)


@pytest.fixture(scope="module")
def tuned() -> StoredModel:
    return packed(20)


@pytest.fixture
def every_part_is_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "FAR", 0.0)


def error(model: StoredModel, part: Callable[[SamMed2D, torch.Tensor], torch.Tensor]) -> float:
    """Share of noise in a part's output."""
    exact, quantized = SamMed2D.from_checkpoint(toy_checkpoint()), load_reference(model)
    images = exact.normalize((toy_pixels(IMAGES) * 255).round().expand(-1, 3, -1, -1))
    with torch.no_grad():
        wanted, found = part(exact, images), part(quantized, images)
    return float((found - wanted).square().mean() / wanted.square().mean())


def first_block(model: SamMed2D, images: torch.Tensor) -> torch.Tensor:
    encoder = model.image_encoder
    return encoder.blocks[0](encoder.patch_embed(images) + encoder.pos_embed)


@pytest.mark.parametrize("part", [first_block, lambda model, images: model.image_encoder(images)], ids=["block", "all"])
def test_outputs_come_nearer_to_the_float_networks(
    plain: StoredModel, tuned: StoredModel, part: Callable[[SamMed2D, torch.Tensor], torch.Tensor]
) -> None:
    assert error(tuned, part) < 0.95 * error(plain, part)


def test_codes_and_ranges_of_the_first_part_stay_as_they_were_chosen(plain: StoredModel, tuned: StoredModel) -> None:
    """Later parts are calibrated on what the tuned ones before them give."""
    names = [name for name in plain.tensors if name.startswith("image_encoder.blocks.0.")]
    kept = {name for name in names if np.array_equal(plain.tensors[name], tuned.tensors[name])}
    moved = set(names) - kept
    ending = (".weight.scale", ".bias", ".norm.weight", ".norm1.weight", ".norm2.weight")
    assert moved
    assert all(name.endswith(ending) for name in moved), moved
    assert "image_encoder.blocks.0.attn.qkv.bias" in kept
    assert {name for name in names if name.endswith(".codes")} <= kept


def test_scales_stay_positive_and_near(plain: StoredModel, tuned: StoredModel) -> None:
    for name, before in plain.tensors.items():
        if name.startswith("image_encoder.blocks.0.") and name.endswith(".weight.scale"):
            ratio = tuned.tensors[name] / before
            assert ratio.min() > 0.8
            assert ratio.max() < 1.25


def test_scales_stay_positive_in_the_most_steps_there_may_be() -> None:
    """Here the sign of the wanted output drives every step of a scale the same way."""
    layer, quantizer = torch.nn.Linear(4, 4), UniformQuantizer(torch.tensor([0.1]), torch.tensor([8.0]), 4)
    codes = torch.arange(16.0).view(4, 4)
    scale = torch.full((4,), 0.1)
    part = torch.nn.Sequential(
        QuantizedLayer(layer, quantizer, codes, scale, torch.full((4,), 8.0), 4, 0.1 * scale, bias=None)
    )
    x = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = part(x)
        tune(part, x, outputs, -outputs, 500, 1, lambda _more: None)
    assert 0 < part[0].weight_scale.min() < 0.5 * scale.min()


def test_what_comes_no_nearer_is_left_as_it_was() -> None:
    """One step looks at four images that want what the many others do not."""
    layer, quantizer = torch.nn.Linear(4, 4), UniformQuantizer(torch.tensor([0.1]), torch.tensor([8.0]), 4)
    scale, bias = torch.full((4,), 0.1), torch.ones(4)
    codes = torch.arange(16.0).view(4, 4)
    coded = QuantizedLayer(layer, quantizer, codes, scale, torch.full((4,), 8.0), 4, 0.1 * scale, bias)
    x = torch.randn(32, 8, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = coded(x)
        exact = outputs.clone()
        exact[:4] += 0.01
        returned = tune(torch.nn.Sequential(coded), x, outputs, exact, 1, 1, lambda _more: None)
        assert torch.equal(returned, outputs)
        assert torch.allclose(coded(x), outputs, atol=1e-6)
    assert coded.bias is not None
    assert torch.equal(coded.bias, torch.ones(4))


@pytest.mark.usefixtures("every_part_is_far")
def test_codes_move_where_a_part_is_far_and_bring_it_nearer_still(plain: StoredModel, tuned: StoredModel) -> None:
    found = packed(20, code_steps=40)
    assert error(found, first_block) < 0.95 * error(tuned, first_block)
    names = [name for name in plain.tensors if name.startswith("image_encoder.blocks.0.") and name.endswith(".codes")]
    moved = [float((found.weight_codes(name[:-13]) != plain.weight_codes(name[:-13])).mean()) for name in names]
    assert 0.005 < np.mean(moved) < 0.3
    reach = [np.abs(found.weight_codes(name[:-13]) - plain.weight_codes(name[:-13])).max() for name in names]
    assert max(reach) == 1, "in so few steps no code gets further than to its neighbour"
    assert any("4 of 4 parts" in note for note in found.card["notes"])


def test_codes_stay_where_no_part_is_far(tuned: StoredModel) -> None:
    found = packed(20, code_steps=40)
    assert all(found.tensors[name].tobytes() == tensor.tobytes() for name, tensor in tuned.tensors.items())
    assert "notes" not in found.card


def test_codes_are_tuned_only_where_there_is_tuning_and_in_the_recipe_default() -> None:
    small = Architecture(**SIZES)
    steps = {recipe: NetworkPlan.of(small, QuantConfig.from_recipe(recipe)).code_tuning_steps for recipe in RECIPES}
    assert steps == {"default": 50, "fast": 0, "paper": 0, "nearest": 0}
    config = QuantConfig.from_recipe("default")
    config = replace(config, calibration=replace(config.calibration, tuning_steps=0))
    assert NetworkPlan.of(small, config).code_tuning_steps == 0


def test_far_is_less_than_thirteen_decibels() -> None:
    exact = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(4000, generator=torch.Generator().manual_seed(1))
    assert is_far(exact + 10 ** (-12.5 / 20) * noise, exact)
    assert not is_far(exact + 10 ** (-13.5 / 20) * noise, exact)


@pytest.mark.usefixtures("every_part_is_far")
def test_tuned_codes_depend_on_no_number_of_threads() -> None:
    one, three = packed(8, code_steps=8), packed(8, threads=3, code_steps=8)
    assert all(one.tensors[name].tobytes() == tensor.tobytes() for name, tensor in three.tensors.items())


@pytest.mark.parametrize(("bits", "lowest"), [(4, 0), (8, 1)])
def test_tuned_codes_stay_codes(bits: int, lowest: int) -> None:
    """Here every step drives every code towards an end, and beyond it where none holds it."""
    layer, quantizer = torch.nn.Linear(4, 4), UniformQuantizer(torch.tensor([0.1]), torch.tensor([8.0]), 4)
    highest, scale = 2**bits - 1, torch.full((4,), 0.1)
    codes = torch.tensor([lowest, lowest + 1, highest - 1, highest]).float().repeat(4, 1)
    zero = torch.full((4,), 2.0 ** (bits - 1))
    coded = QuantizedLayer(layer, quantizer, codes, scale, zero, bits, 0.1 * scale, None, codes.clone())
    x = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = coded(x)
        tune(torch.nn.Sequential(coded), x, outputs, 9 * outputs, 500, 1, lambda _more: None, codes=True)
    assert coded.weight_codes.dtype == torch.uint8
    assert coded.weight_codes.min() >= lowest
    assert coded.weight_codes.max() <= highest
    assert not coded.weight_codes.requires_grad


def test_codes_that_come_no_nearer_are_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """One long step looks at two images that want what the many others do not."""
    monkeypatch.setattr(tuning, "CODE_RATE", 1.0)
    layer, quantizer = torch.nn.Linear(4, 4), UniformQuantizer(torch.tensor([0.1]), torch.tensor([8.0]), 4)
    scale, codes = torch.full((4,), 0.1), torch.arange(16.0).view(4, 4)
    # Places far from their codes, as rounding with feedback leaves them.
    places = codes + torch.linspace(-3, 3, 16).view(4, 4)
    coded = QuantizedLayer(layer, quantizer, codes, scale, torch.full((4,), 8.0), 4, 0.1 * scale, None, places)
    x = torch.randn(32, 8, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = coded(x)
        exact = outputs.clone()
        exact[:2] += 0.3 * torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(1))
        returned = tune(torch.nn.Sequential(coded), x, outputs, exact, 1, 1, lambda _more: None, codes=True)
    assert torch.equal(returned, outputs)
    assert torch.equal(coded.weight_codes, codes.to(torch.uint8))
    assert REACH < 0.5, "a start rounds to its own code"


def test_the_number_of_threads_changes_no_byte(tuned: StoredModel) -> None:
    again = packed(20, threads=3)
    assert all(again.tensors[name].tobytes() == tensor.tobytes() for name, tensor in tuned.tensors.items())


def test_the_checkpoint_is_not_written_to() -> None:
    checkpoint, config = toy_checkpoint(), toy_config(recipe="default")
    before = {name: tensor.copy() for name, tensor in checkpoint.tensors.items()}
    pack(SamMed2D.from_checkpoint(checkpoint), toy_pixels(), config, checkpoint.source)
    assert all(np.array_equal(before[name], tensor) for name, tensor in checkpoint.tensors.items())


def test_it_can_be_cancelled_between_two_steps(tmp_path: Path) -> None:
    heard: list[str] = []

    def stop(progress: Progress) -> None:
        heard.append(progress.message)
        if progress.message == "block 2, tuning step 3 of 20":
            raise Cancelled

    with pytest.raises(Cancelled):
        quantize(
            toy_checkpoint_file(tmp_path), tmp_path / "packed.safetensors", toy_config(recipe="default"), progress=stop
        )
    assert "block 1, tuning step 20 of 20" in heard
    assert not (tmp_path / "packed.safetensors").exists()


def test_recipes_for_comparison_and_networks_of_many_tokens_are_not_tuned() -> None:
    small, large = Architecture(**SIZES), Architecture(**SIZES, image_size=1024)
    steps = {recipe: NetworkPlan.of(small, QuantConfig.from_recipe(recipe)).tuning_steps for recipe in RECIPES}
    assert steps == {"default": 20, "fast": 4, "paper": 0, "nearest": 0}
    assert NetworkPlan.of(large, QuantConfig.from_recipe("default")).tuning_steps == 0


def test_the_card_says_where_nothing_was_tuned() -> None:
    """Its recipe still has the steps that were asked for."""
    network, config = Architecture(**SIZES, image_size=132, patch_size=4), toy_config()
    config = replace(config, calibration=replace(config.calibration, tuning_steps=3))
    checkpoint = Checkpoint(network, random_tensors(network, 3), FileSource("long.safetensors", "0" * 64, 1))
    pixels = torch.rand(1, 1, 132, 132, generator=torch.Generator().manual_seed(0))
    card = pack(SamMed2D.from_checkpoint(checkpoint), pixels, config, checkpoint.source).card
    assert card["recipe"]["calibration"]["tuning_steps"] == 3
    assert any("were not tuned" in note for note in card["notes"])


RECIPES = ("default", "fast", "paper", "nearest")
SIZES: dict[str, Any] = {"embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_dim": 48, "global_attn_indexes": (1,)}


def test_a_gradient_passes_a_rounding_and_ends_where_codes_do() -> None:
    x = torch.tensor([-9.0, -0.26, 0.0, 0.31, 9.0], requires_grad=True)
    codes = uniform_codes(x, torch.tensor(0.25), torch.tensor(8.0), 4)
    codes.sum().backward()
    assert codes.tolist() == [0, 7, 8, 9, 15]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 4, 4, 4, 0]
    y = torch.tensor([-8.0, -1.3, 1.0], requires_grad=True)
    steps = logarithmic_codes(y, torch.tensor(1.0), torch.tensor(0.5), 4)
    steps.sum().backward()
    assert steps.tolist() == [15, 3, 0]
    assert y.grad is not None
    assert y.grad.tolist() == [0, -2, 0]


def test_the_file_holds_what_was_tuned(tmp_path: Path) -> None:
    """The packed model is the tuned network, not the one before it."""
    checkpoint = toy_checkpoint_file(tmp_path)
    quantize(checkpoint, tmp_path / "packed.safetensors", toy_config(recipe="default"), threads=1)
    stored = read_model(tmp_path / "packed.safetensors")
    float_norm = SamMed2D.from_checkpoint(checkpoint).image_encoder.blocks[0].norm1.weight
    assert not np.array_equal(stored.tensors["image_encoder.blocks.0.norm1.weight"], float_norm.numpy())
    assert stored.card["recipe"]["calibration"]["tuning_steps"] == 20
