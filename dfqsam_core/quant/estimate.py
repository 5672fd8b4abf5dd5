"""What a quantization run would give and take, without doing it."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..base.machine import usable_cores, worker_count
from ..network.architecture import Architecture
from ..network.layers import LayerSpec, encoder_layers
from ..network.macs import attention_products, encoder_macs
from ..store.card import tensor_sizes
from ..store.checkpoint import read_checkpoint
from .config import QuantConfig
from .peak_memory import peak_bytes
from .plan import CODE_TUNING_IMAGES, TUNING_IMAGES, NetworkPlan, image_architecture

# How much longer a part of calibration takes than its products alone, and how many times the encoder's products a step
# takes beside what its decoder, losses and labels take: rough, from the runs of docs/measured/quantization_time.md.
FORWARD_OVERHEAD = 4
ROUNDING_OVERHEAD = 1.4
TUNING_PASSES, CODE_TUNING_PASSES = 4, 6
STEP_PASSES = 2.2
STEP_OPERATIONS = 3.1e10
# Products of attention are narrow, with passes over all logits between them.
ATTENTION_OVERHEAD = 3


def estimate(
    checkpoint_path: str | os.PathLike[str],
    config: QuantConfig,
    threads: int | None = None,
    conventions: str | None = None,
) -> dict[str, Any]:
    """Return sizes in bytes and estimated seconds per part of a quantization; write nothing.

    Parameters
    ----------
    checkpoint_path
        A float checkpoint, as `load_model` takes it.
    config
        As `quantize` takes it.
    threads
        As `quantize` takes them.
    conventions
        "sam", "medsam" or "sam-med2d" for a checkpoint that does not tell; None for one that does.

    Returns
    -------
    dict
        Sizes are exactly those of the tensors that would be written; the file has its card and their names on top.
        "left_in_float": layers of the image encoder that get no codes, by reason. "estimated_seconds" are scaled from
        a quarter of a second of matrix products on this machine; they and "estimated_peak_bytes" of memory are rough.

    Raises
    ------
    CheckpointError
        For a file that cannot be quantized; UnknownConventionsError where it does not tell its conventions.
    ConfigError
        Where the auxiliary segmenter's file cannot be read.
    """
    config.synthesis.auxiliary_source()
    checkpoint = read_checkpoint(checkpoint_path, conventions)
    architecture = checkpoint.architecture
    plan = NetworkPlan.of(architecture, config)
    workers = worker_count(threads)
    speed = _products_per_second()
    small, synthesis = image_architecture(architecture), config.synthesis
    forward, of_small = (_products(network) / speed for network in (architecture, small))
    # Ranges are tried on drawn rows, of which a larger image has no more.
    calibration = FORWARD_OVERHEAD * (3 * synthesis.images * forward + config.calibration.candidates * of_small)
    if config.calibration.rounding == "feedback":
        coded = [layer for layer in encoder_layers(architecture) if layer.name in plan.integer_layers("")]
        rounding = sum(_rounding_operations(layer, synthesis.images) for layer in coded)
        calibration += ROUNDING_OVERHEAD * rounding / speed
    # Whether codes have to be tuned is known only once they are there: this is the longer of both ways.
    calibration += forward * max(
        passes * steps * math.ceil(min(images, synthesis.images) / workers)
        for passes, steps, images in (
            (TUNING_PASSES, plan.tuning_steps, TUNING_IMAGES),
            (CODE_TUNING_PASSES, plan.code_tuning_steps, CODE_TUNING_IMAGES),
        )
    )
    steps = synthesis.images * synthesis.planned_steps
    side_by_side = min(workers, synthesis.images)
    return {
        "architecture": architecture.name,
        "bytes": {
            "float32_checkpoint": sum(t.nbytes for t in checkpoint.tensors.values()),
            **packed_bytes(tensor_sizes(architecture, plan.tensor_bytes())),
        },
        "left_in_float": _left_in_float(plan),
        "estimated_seconds": {
            "synthesis": round(steps * (STEP_PASSES * of_small + STEP_OPERATIONS / speed) / side_by_side, 1),
            "calibration": round(calibration, 1),
        },
        "estimated_peak_bytes": round(peak_bytes(plan, workers)),
        "threads": workers,
        "notes": list(checkpoint.notes + checkpoint.cautions),
    }


def _products(architecture: Architecture) -> float:
    """Operations of one image's way through the encoder; those of attention count for as long as they take."""
    attention = sum(product.macs for product in attention_products(architecture))
    return 2 * (encoder_macs(architecture) + (ATTENTION_OVERHEAD - 1) * attention)


def _rounding_operations(layer: LayerSpec, images: int) -> float:
    """Operations of rounding with feedback: second moment, its factor and triangular inverse, and the feedback."""
    groups = 4 if layer.kind == "conv_transpose" else 1
    columns, positions = layer.row_length // groups, layer.output_positions // groups
    return groups * 2 * columns**2 * (columns / 1.5 + layer.out_channels / 2 + images * positions)


def _left_in_float(plan: NetworkPlan) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for name, layer in plan.float_layers().items():
        reasons.setdefault(layer.why_float, []).append(name)
    return reasons


def packed_bytes(sizes: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of each part of the packed file, the last sum being all its tensors; sizes: as on its card."""
    encoder, prompt, decoder = (sizes["parts"][part] for part in ("image_encoder", "prompt_encoder", "mask_decoder"))
    return {
        "encoder_codes": encoder["weight codes"],
        "encoder_scales_and_float": sum(encoder.values()) - encoder["weight codes"],
        "prompt_encoder_float": sum(prompt.values()),
        "decoder_codes": decoder["weight codes"],
        "decoder_scales_and_float": sum(decoder.values()) - decoder["weight codes"],
        "packed_tensors": sizes["tensor_bytes"],
    }


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

        from .pipeline import single_threaded_kernels
    except ModuleNotFoundError:
        yield lambda: a @ b, usable_cores()
        return
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    with single_threaded_kernels():
        yield lambda: x @ y, 1
