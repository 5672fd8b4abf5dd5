"""The plan of every layer is what calibration does, what the file holds and what a dry run says."""

from __future__ import annotations

import functools
import itertools
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import save_file  # noqa: E402

from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.network.architecture import Architecture  # noqa: E402
from dfqsam_core.quant import QuantConfig, estimate  # noqa: E402
from dfqsam_core.quant.calibration.quantized_layers import QuantizedLayer  # noqa: E402
from dfqsam_core.quant.pipeline import pack  # noqa: E402
from dfqsam_core.quant.plan import FloatPlan, IntegerPlan, NetworkPlan, WeightPlan  # noqa: E402
from dfqsam_core.store.checkpoint import Checkpoint  # noqa: E402
from dfqsam_core.store.file_identity import FileSource  # noqa: E402
from dfqsam_core.store.model_file import StoredModel, write_model  # noqa: E402
from Testing.support.quantized import quantized_toy, toy_config, toy_pixels  # noqa: E402
from Testing.support.toy import random_tensors, toy_architecture  # noqa: E402

ARCHITECTURES = {
    "adapters": toy_architecture(),
    # Rows of an odd number of codes, whose last half byte is empty.
    "odd rows": replace(toy_architecture(adapter_dim=0), embed_dim=27, num_heads=3, mlp_dim=51),
    "odd gate": replace(toy_architecture(adapter_dim=5), depth=1, global_attn_indexes=(0,), window_size=0),
}


@functools.cache
def packed(name: str, recipe: str, bits: int) -> StoredModel:
    architecture = ARCHITECTURES[name]
    source = FileSource("toy.safetensors", "0" * 64, 1)
    model = SamMed2D.from_checkpoint(Checkpoint(architecture, random_tensors(architecture, 3), source))
    return pack(model, toy_pixels(1), toy_config(bits, images=1, recipe=recipe), source)


def stored_bytes(path: Path) -> dict[str, int]:
    """Bytes of every tensor of a file, read from its header without any library."""
    with path.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    places = {name: entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"}
    return {name: end - begin for name, (begin, end) in places.items()}


@pytest.mark.parametrize(
    ("name", "bits"), [*itertools.product(ARCHITECTURES, (4, 8)), *itertools.product(["adapters"], (5, 6, 7))]
)
@pytest.mark.parametrize("recipe", ["fast", "default", "paper"])
def test_a_dry_run_gives_the_sizes_of_the_written_file(tmp_path: Path, name: str, recipe: str, bits: int) -> None:
    """A dry run of "paper" gave the sizes of "default", although "paper" leaves ConvTranspose2d in float."""
    model, config = packed(name, recipe, bits), toy_config(bits, images=1, recipe=recipe)
    save_file(random_tensors(model.architecture, 3), tmp_path / "float.safetensors")
    write_model(tmp_path / "packed.safetensors", model)
    stored = stored_bytes(tmp_path / "packed.safetensors")
    assert NetworkPlan.of(model.architecture, config).tensor_bytes() == stored
    said = estimate(tmp_path / "float.safetensors", config)["bytes"]

    def total(part: str, codes: bool) -> int:
        found = (
            size for tensor, size in stored.items() if tensor.startswith(part) and tensor.endswith("codes") == codes
        )
        return sum(found)

    assert said["encoder_codes"] == total("image_encoder.", True)
    assert said["encoder_scales_and_float"] == total("image_encoder.", False)
    assert said["decoder_codes"] == total("mask_decoder.", True)
    assert said["decoder_scales_and_float"] == total("mask_decoder.", False)
    assert said["prompt_encoder_float"] == total("prompt_encoder.", False)
    assert said["packed_tensors"] == sum(stored.values())
    assert said["packed_tensors"] < (tmp_path / "packed.safetensors").stat().st_size


@pytest.mark.parametrize("recipe", ["fast", "paper"])
def test_a_calibrated_network_is_what_the_plan_says(recipe: str) -> None:
    model, _ = quantized_toy(recipe=recipe)
    plan = NetworkPlan.of(model.architecture, toy_config(recipe=recipe))
    found = {
        path: (module.weight_bits, module.input_quantizer.bits, module.input_quantizer.scale.numel() > 1)
        for path, module in model.image_encoder.named_modules()
        if isinstance(module, QuantizedLayer)
    }
    assert found == {p: (x.weight_bits, x.input_bits, x.per_channel) for p, x in plan.integer_layers().items()}
    kinds = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    left = {path for path, module in model.image_encoder.named_modules() if isinstance(module, kinds)}
    assert left == {name.removeprefix("image_encoder.") for name in plan.float_layers()}


def test_what_the_paper_leaves_in_float_is_said_with_its_reason(tmp_path: Path) -> None:
    save_file(random_tensors(toy_architecture(), 3), tmp_path / "float.safetensors")
    left = {
        recipe: estimate(tmp_path / "float.safetensors", QuantConfig.from_recipe(recipe))["left_in_float"]
        for recipe in ("default", "paper")
    }
    layers = [f"image_encoder.blocks.{block}.Adapter.spatial.2" for block in range(3)]
    assert left == {"default": {}, "paper": {"the recipe leaves ConvTranspose2d in float": layers}}


def test_a_plan_by_hand() -> None:
    config = replace(QuantConfig.from_recipe("default"), gate_bits=7, neck_bits=6, pixel_bits=5)
    layers = NetworkPlan.of(Architecture(32, 1, 2, 64, 8, 0, (0,), 64), config).layers
    block = "image_encoder.blocks.0"
    assert layers["image_encoder.patch_embed.proj"] == IntegerPlan(4, 5, per_channel=True)
    assert layers[f"{block}.attn.qkv"] == IntegerPlan(4, 4, per_channel=True, correct_bias=False)
    assert layers[f"{block}.mlp.lin1"] == IntegerPlan(4, 4, per_channel=True, correct_bias=True)
    assert layers[f"{block}.mlp.lin2"] == IntegerPlan(4, 4, correct_bias=True)
    assert layers[f"{block}.Adapter.channel.0"] == IntegerPlan(4, 7, correct_bias=True)
    assert layers["image_encoder.neck.2"] == IntegerPlan(4, 6, correct_bias=True)
    assert isinstance(layers["prompt_encoder.mask_downscaling.0"], FloatPlan)
    weights = layers["mask_decoder.output_upscaling.0"]
    assert isinstance(weights, WeightPlan)
    assert (weights.weight_bits, weights.input_bits) == (8, None)


def test_settings_estimates_and_plans_load_no_torch() -> None:
    code = (
        "import sys, dfqsam_core.quant, dfqsam_core.quant.plan, dfqsam_core.evaluate\n"
        "print('torch' in sys.modules, dfqsam_core.quant.quantize.__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "quantize", "True"]
