"""What a model is measured against computes the same embedding, and is timed in turn with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from dfqsam_core.errors import ConfigError
from dfqsam_core.network.architecture import Architecture
from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.engines.openvino import compile_graph, openvino_version
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy, float_toy, random_pixels
from Testing.support.reference_encoder import ReferenceEncoder
from Testing.support.toy import toy_architecture
from tools import performance_measure
from tools.bench.rivals import padded_encoder, padded_tokens

NO_WINDOWS = Architecture(16, 1, 2, 24, window_size=0, global_attn_indexes=(0,), image_size=32, patch_size=8)
EXACT_WINDOWS = Architecture(24, 2, 3, 16, 4, window_size=2, global_attn_indexes=(1,), image_size=64, patch_size=16)
grids, windows = st.integers(1, 9), st.integers(0, 5)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    write_model(tmp_path / "packed.safetensors", calibrated_toy())
    save_file(dict(float_toy().tensors), tmp_path / "float.safetensors")
    return tmp_path / "packed.safetensors", tmp_path / "float.safetensors"


def test_every_rival_is_timed_beside_the_reference(files: tuple[Path, Path], tmp_path: Path) -> None:
    line = ["rivals", str(files[0]), "--reference", str(files[1]), "--threads", "1", "2", "--runs", "2"]
    assert performance_measure.main([*line, "-o", str(tmp_path / "b.json")]) == 0
    result = json.loads((tmp_path / "b.json").read_text())
    openvino = {"encoder, OpenVINO"} if openvino_version() else set()
    expected = {"encoder", "decoder", "first click", "next click", "encoder, padded", "encoder, dynamic int8"}
    assert expected <= set(result["ratios"]) - openvino <= expected | {"encoder, torch", "decoder, torch"}
    assert set(result["timings"]["reference"]) == set(result["ratios"]) - openvino
    assert all(ratio > 0 for clocks in result["ratios"].values() for ratio in clocks.values())
    assert "starts" in result
    assert [more["threads"] for more in result["more_threads"]] == [2]


@pytest.mark.parametrize(
    "architecture",
    [toy_architecture(), toy_architecture(adapter_dim=0), NO_WINDOWS, EXACT_WINDOWS],
    ids=["adapters", "stock SAM", "global only", "windows that fit"],
)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_padded_graph_equals_the_plain_definition(engine: str, architecture: Architecture) -> None:
    if engine == "openvino" and openvino_version() is None:
        pytest.skip("needs OpenVINO: pip install '.[openvino]'")
    model = float_toy(1, architecture)
    pixels, graph = random_pixels(architecture, 2), padded_encoder(model)
    if engine == "onnxruntime":
        (embedding,) = create_session(graph, threads=1).run(None, {"pixels": pixels[None]})
    else:
        embedding = compile_graph(graph, threads=1)(pixels[None])[0]
    assert embedding.shape == (1, 256, architecture.grid, architecture.grid)
    np.testing.assert_allclose(embedding, ReferenceEncoder(model)(pixels), atol=2e-5)


def test_the_padded_form_is_for_float_models_only() -> None:
    with pytest.raises(ConfigError, match="skips padding"):
        padded_encoder(calibrated_toy())


def test_the_published_form_computes_the_same_embedding(files: tuple[Path, Path]) -> None:
    torch = pytest.importorskip("torch")
    from dfqsam_core.model.sam_med2d import SamMed2D
    from dfqsam_core.store.checkpoint import read_checkpoint
    from tools.bench.published import published_form

    checkpoint = read_checkpoint(files[1])
    ours, published = SamMed2D.from_checkpoint(checkpoint), published_form(checkpoint)
    image = torch.linspace(-2, 2, 3 * 64 * 64).reshape(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(published.image_encoder(image), ours.image_encoder(image), rtol=1e-4, atol=1e-4)


@given(grids, windows)
def test_unfolding_and_folding_restores_the_grid(grid, window) -> None:
    layout = padded_tokens(grid, window)
    np.testing.assert_array_equal(layout.order[layout.restore], np.arange(grid * grid))
    assert (layout.order < grid * grid).sum() == grid * grid


@pytest.mark.parametrize(("grid", "window", "tokens"), [(16, 14, 784), (16, 0, 256), (4, 3, 36)])
def test_the_published_form_computes_all_padding(grid, window, tokens) -> None:
    assert padded_tokens(grid, window).tokens == tokens
    assert not padded_tokens(grid, window).has_pads
