"""What the recipes cost when a model runs: a slice takes as long with the default's rounding as with plain rounding."""

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


def operators(model: Path) -> Counter[str]:
    graph = onnx.load_from_string(build_encoder(read_model(model)).model).graph
    return Counter(node.op_type for node in graph.node)


@pytest.mark.parametrize("recipe", ["default", "fast"])
def test_a_recipe_runs_the_operators_of_plain_rounding(tmp_path: Path, recipe: str) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    for name in (recipe, "nearest"):
        quantize(checkpoint, tmp_path / f"{name}.safetensors", toy_config(images=1, recipe=name))
    assert operators(tmp_path / f"{recipe}.safetensors") == operators(tmp_path / "nearest.safetensors")
