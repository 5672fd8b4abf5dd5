"""What a quantization run would give and take, without doing it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..base.cores import usable_cores, worker_count
from ..network.architecture import Architecture
from ..network.layers import LayerSpec, decoder_layers, encoder_layers, encoder_macs
from ..store.checkpoint import read_checkpoint
from .config import QuantConfig

# How much longer a part takes than its products alone: rough factors from the reports of a few runs.
FORWARD_OVERHEAD = 2.5
STEP_PASSES = 3.5


def estimate(
    checkpoint_path: str | os.PathLike[str], config: QuantConfig, threads: int | None = None
) -> dict[str, Any]:
    """Sizes in bytes and estimated seconds per part of quantizing `checkpoint_path` with `config`; writes nothing.

    The time is scaled from a quarter of a second of matrix products on this machine, so it is a rough one.
    """
    checkpoint = read_checkpoint(checkpoint_path)
    architecture = checkpoint.architecture
    workers = worker_count(threads)
    speed = _products_per_second()
    forward = FORWARD_OVERHEAD * 2 * encoder_macs(architecture) / speed
    synthesis = config.synthesis
    calibration = forward * (3 * synthesis.images + config.calibration.candidates)
    if config.calibration.rounding == "feedback":
        calibration += (
            sum(_rounding_operations(layer, synthesis.images) for layer in encoder_layers(architecture)) / speed
        )
    steps = synthesis.images * synthesis.iterations if synthesis.source == "synthetic" else 0
    side_by_side = min(workers, synthesis.images)
    return {
        "architecture": architecture.name,
        "bytes": {
            "float32_checkpoint": sum(t.nbytes for t in checkpoint.tensors.values()),
            **packed_bytes(architecture, config),
        },
        "estimated_seconds": {
            "synthesis": round(steps * STEP_PASSES * forward / side_by_side, 1),
            "calibration": round(calibration, 1),
        },
        "threads": workers,
        "notes": list(checkpoint.notes + checkpoint.cautions),
    }


def _rounding_operations(layer: LayerSpec, images: int) -> float:
    """Operations of rounding with feedback: second moment, its factor and triangular inverse, and the feedback."""
    groups = 4 if layer.kind == "conv_transpose" else 1
    columns, positions = layer.row_length // groups, layer.output_positions // groups
    return groups * 2 * columns**2 * (columns / 1.5 + layer.out_channels / 2 + images * positions)


def packed_bytes(architecture: Architecture, config: QuantConfig) -> dict[str, int]:
    """Bytes of the packed weight codes of encoder and mask decoder."""
    encoder = sum(_codes_bytes(layer, config.weight_bits) for layer in encoder_layers(architecture))
    decoder = sum(_codes_bytes(layer, config.decoder_bits) for layer in decoder_layers(architecture))
    return {"encoder_codes": encoder, "decoder_codes": decoder}


def _codes_bytes(layer: LayerSpec, bits: int) -> int:
    count = layer.out_channels * layer.row_length
    return count // 2 if bits == 4 else count


def _products_per_second() -> float:
    """Operations of matrix products that one core does in a second."""
    operations = 2 * 256 * 768 * 768
    with _product() as (multiply, cores):
        multiply()
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < 0.25:
            multiply()
            count += 1
    return operations * count / (time.perf_counter() - begin) / cores


@contextlib.contextmanager
def _product() -> Iterator[tuple[Callable[[], Any], int]]:
    """One matrix product, and the cores that it keeps busy: torch's on one, or NumPy's on all where torch is absent."""
    a, b = np.ones((256, 768), np.float32), np.ones((768, 768), np.float32)
    try:
        import torch

        from .quantize import single_threaded_kernels
    except ModuleNotFoundError:
        yield lambda: a @ b, usable_cores()
        return
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    with single_threaded_kernels():
        yield lambda: x @ y, 1
