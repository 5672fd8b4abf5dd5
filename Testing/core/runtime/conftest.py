"""Running graphs and models of the toy network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core.runtime import Model, load_model
from dfqsam_core.runtime.encoder_graph import build_encoder
from dfqsam_core.runtime.engine import create_session
from dfqsam_core.store.model_file import PackedModel
from Testing.support.packed_toy import float_toy

Encode = Callable[..., dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Run the encoder of a model on pixels (S, S, 3): outputs by name, with the inner values where taps=True."""

    def run(model: PackedModel, pixels: np.ndarray, **options: bool) -> dict[str, np.ndarray]:
        session = create_session(build_encoder(model, **options), threads=1)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(None, {"pixels": pixels[None]}), strict=True))

    return run


@pytest.fixture(scope="session")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float toy as a checkpoint."""
    path = tmp_path_factory.mktemp("float") / "toy.safetensors"
    save_file(dict(float_toy().tensors), path)
    return path


@pytest.fixture(scope="session")
def float_model(float_file: Path) -> Model:
    """The float toy, loaded."""
    return load_model(float_file, threads=1)
