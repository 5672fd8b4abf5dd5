"""What a quantization run would give and take, without doing it."""

from __future__ import annotations

import os
import time
from typing import Any

import torch

from ..store.architecture import Architecture
from ..store.checkpoint import read_checkpoint
from ..store.layers import LayerSpec, decoder_layers, encoder_layers, encoder_macs
from .config import QuantConfig
from .quantize import single_threaded_kernels, usable_cores

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
    workers = threads or usable_cores()
    forward = FORWARD_OVERHEAD * 2 * encoder_macs(architecture) / _products_per_second()
    synthesis = config.synthesis
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
            "calibration": round(forward * (2 * synthesis.images + config.calibration.candidates / 4), 1),
        },
        "threads": workers,
    }


def packed_bytes(architecture: Architecture, config: QuantConfig) -> dict[str, int]:
    """Bytes of the packed weight codes of encoder and mask decoder."""
    encoder = sum(_codes_bytes(layer, config.weight_bits) for layer in encoder_layers(architecture))
    decoder = sum(_codes_bytes(layer, config.decoder_bits) for layer in decoder_layers(architecture))
    return {"encoder_codes": encoder, "decoder_codes": decoder}


def _codes_bytes(layer: LayerSpec, bits: int) -> int:
    count = layer.out_channels * layer.row_length
    return count // 2 if bits == 4 else count


def _products_per_second() -> float:
    a, b = torch.rand(256, 768), torch.rand(768, 768)
    operations = 2 * 256 * 768 * 768
    with single_threaded_kernels():
        a @ b
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < 0.25:
            a @ b
            count += 1
    return operations * count / (time.perf_counter() - begin)
