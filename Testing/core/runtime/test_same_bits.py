"""Neither what a graph is made of nor a mask's edge depends on the threads that numpy's library takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_DECODER = """
from dfqsam_core.runtime.graph.decoder import build_decoder
from dfqsam_core.runtime.model import float_network
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES, random_tensors

architecture = NAMED_ARCHITECTURES["compact"]
graph = build_decoder(float_network(architecture, random_tensors(architecture, 0)))
made = graph.model + b"".join(weight.tobytes() for weight in graph.weights.values())
"""
_MASK = """
import numpy as np
from dfqsam_core.runtime.preprocess import full_size_logits

low_res_masks = np.random.default_rng(0).standard_normal((3, 64, 64), np.float32)
made = full_size_logits(low_res_masks, (700, 333), 256).tobytes()
"""
_PRINT = "import hashlib; print(hashlib.sha256(made).hexdigest())"


def digest(code: str, threads: int) -> str:
    counts = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], str(threads))
    command = [sys.executable, "-c", code + _PRINT]
    return subprocess.run(command, env=os.environ | counts, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("code", [_DECODER, _MASK], ids=["decoder", "mask"])
def test_the_bits_are_the_same_on_any_number_of_cores(code: str) -> None:
    first, second = digest(code, 1), digest(code, 2)
    assert len(first) == 64
    assert first == second
