"""Models that are whole files and yet no models: results that are no numbers, networks that fit into no memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core.errors import ModelFileError
from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.memory import running_bytes
from dfqsam_core.runtime import load_model
from dfqsam_core.store.model_file import write_model
from Testing.support.packed import packed_toy
from Testing.support.packed_toy import random_pixels
from Testing.support.toy import random_tensors, toy_architecture

POINT = {"point_coords": np.array([[[30.0, 30.0], [0, 0]]]), "point_labels": np.array([[1, -1]])}


def test_a_result_that_is_not_finite_is_an_error_and_no_empty_mask(tmp_path: Path) -> None:
    tensors = random_tensors(toy_architecture(), 0)
    for name, part in (("image_encoder.neck.0.weight", "embedding"), ("mask_decoder.iou_token.weight", "mask")):
        wild = {**tensors, name: np.full_like(tensors[name], 3e38)}
        path = tmp_path / f"{part}.safetensors"
        save_file(wild, path)
        model = load_model(path, threads=1)
        with pytest.raises(ModelFileError, match=f"gave no finite {part} for this image"):
            model.decode(model.encode(random_pixels(toy_architecture())), **POINT)


def test_the_published_networks_fit_and_a_grid_of_256_tokens_does_not(tmp_path: Path) -> None:
    vit_h = Architecture(1280, 32, 16, 5120, global_attn_indexes=(7, 15, 23, 31))
    assert 2.5e9 < running_bytes(vit_h) < 2.6e9
    fine = replace(toy_architecture(), image_size=1024, patch_size=4, num_heads=32)
    path = tmp_path / "fine.safetensors"
    write_model(path, packed_toy(architecture=fine))
    with pytest.raises(ModelFileError, match=r"^The network compact .* needs .* GB of memory"):
        load_model(path)
