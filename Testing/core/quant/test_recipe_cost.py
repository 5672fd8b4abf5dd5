"""What the recipes cost when a model runs: rounding and ranges nothing, evened channels a division at proj and lin2."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import pytest

pytest.importorskip("torch")

from dfqsam_core.quant import quantize
from dfqsam_core.runtime.graph.encoder import build_encoder
from dfqsam_core.store.model_file import read_model
from Testing.support.quantized import toy_checkpoint_file, toy_config
from Testing.support.toy import toy_architecture


def operators(model: Path) -> Counter[str]:
    graph = onnx.load_from_string(build_encoder(read_model(model)).model).graph
    return Counter(node.op_type for node in graph.node)


@pytest.mark.parametrize("recipe", ["default", "fast"])
def test_a_recipe_runs_the_operators_of_plain_rounding_and_a_division_where_channels_are_evened(
    tmp_path: Path, recipe: str
) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    for name in (recipe, "nearest"):
        quantize(checkpoint, tmp_path / f"{name}.safetensors", toy_config(images=1, recipe=name))
    evened = Counter(Div=2 * toy_architecture().depth)
    assert operators(tmp_path / f"{recipe}.safetensors") == operators(tmp_path / "nearest.safetensors") + evened
