"""Loading: memory, and the checkpoint staying what it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import save_file  # noqa: E402

from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.network.architecture import Architecture  # noqa: E402
from dfqsam_core.quant.pipeline import pack  # noqa: E402
from dfqsam_core.store.random_weights import random_tensors  # noqa: E402
from Testing.support.quantized import toy_checkpoint, toy_config, toy_pixels  # noqa: E402

MEASURE = """
import resource, sys
import torch
from dfqsam_core.model import SamMed2D
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = SamMed2D.from_checkpoint(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 / sum(p.numel() * 4 for p in model.parameters()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_loading_takes_less_than_one_and_a_third_of_the_weights(tmp_path: Path) -> None:
    architecture = Architecture(384, 12, 6, 1536, 96)
    path = tmp_path / "large.safetensors"
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in random_tensors(architecture, 0).items()}, path)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert float(run.stdout) < 1.3


def test_quantizing_a_loaded_network_leaves_the_checkpoint_as_it_was() -> None:
    checkpoint = toy_checkpoint()
    before = {name: array.copy() for name, array in checkpoint.tensors.items()}
    pack(SamMed2D.from_checkpoint(checkpoint), toy_pixels(), toy_config(), checkpoint.source)
    assert all(np.array_equal(before[name], checkpoint.tensors[name]) for name in before)
