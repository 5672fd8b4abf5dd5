"""The memory that a quantization takes at most, roughly, before it is done."""

from __future__ import annotations

import math

from ..network.architecture import Architecture
from ..network.layers import encoder_layers
from ..network.macs import attention_products
from ..network.memory import running_bytes
from .plan import CODE_TUNING_IMAGES, TUNING_IMAGES, NetworkPlan, image_architecture

# Torch and the program, and what an allocator holds between large arrays.
PROGRAM_BYTES = 8e8
# Inputs of a block that are held, copies included.
HELD_BY_CALIBRATION = 6
HELD_BY_STEP = 6
# Copies of the adapters' weights, for the pass forward and for the one back.
LAID_OUT = 2
# Of the second moment of a layer's inputs: held, in order, doubled, its factor, that in float32.
BYTES_PER_PRODUCT = 4 + 4 + 8 + 8 + 4
# Numbers for each weight code that is tuned: code, start, way, Adam's two moments, step.
NUMBERS_PER_TUNED_CODE = 6


def peak_bytes(plan: NetworkPlan, workers: int) -> float:
    """Bytes that quantizing by `plan` with so many workers takes at most: in synthesis or in calibration."""
    architecture, synthesis = plan.architecture, plan.config.synthesis
    held = synthesis.images * HELD_BY_CALIBRATION * _block_bytes(architecture)
    calibration = held + max(_rounding_bytes(plan, workers), _tuning_bytes(plan, workers))
    at_once = min(workers, synthesis.images) if synthesis.planned_steps else 0
    fixed = PROGRAM_BYTES + running_bytes(architecture)
    return fixed + max(calibration, _synthesis_bytes(image_architecture(architecture), at_once))


def _synthesis_bytes(architecture: Architecture, at_once: int) -> int:
    """A step of an image keeps the inputs of every block."""
    if not at_once:
        return 0
    adapters = sum(
        math.prod(layer.weight_shape) for layer in encoder_layers(architecture) if ".Adapter.spatial." in layer.name
    )
    step = at_once * architecture.depth * HELD_BY_STEP * _block_bytes(architecture)
    return step + LAID_OUT * 4 * adapters


def _rounding_bytes(plan: NetworkPlan, workers: int) -> int:
    """Products of all pairs of a layer's inputs, for rounding with feedback; of a ConvTranspose2d by its phases."""
    if plan.config.calibration.rounding != "feedback":
        return 0
    needed = [0]
    for layer in encoder_layers(plan.architecture):
        if layer.name in plan.integer_layers(""):
            phases = 4 if layer.kind == "conv_transpose" else 1
            needed.append(min(workers, phases) * BYTES_PER_PRODUCT * (layer.row_length // phases) ** 2)
    return max(needed)


def _tuning_bytes(plan: NetworkPlan, workers: int) -> int:
    """Gradients of the images that are looked at side by side, and Adam's numbers where codes are tuned."""
    images, weights = plan.config.synthesis.images, 4 * _block_weights(plan.architecture)
    scales = min(workers, TUNING_IMAGES, images) * _gradient_bytes(plan.architecture) if plan.tuning_steps else 0
    if not plan.code_tuning_steps:
        return scales
    at_once = min(workers, CODE_TUNING_IMAGES, images)
    codes = at_once * (_gradient_bytes(plan.architecture) + weights) + NUMBERS_PER_TUNED_CODE * weights
    return max(scales, codes)


def _block_bytes(architecture: Architecture) -> int:
    """Bytes of one image's inputs of the four layers of a block."""
    return 4 * architecture.grid**2 * (3 * architecture.embed_dim + architecture.mlp_dim)


def _block_weights(architecture: Architecture) -> int:
    return sum(math.prod(layer.weight_shape) for layer in encoder_layers(architecture) if ".blocks.0." in layer.name)


def _gradient_bytes(architecture: Architecture) -> int:
    """Bytes of one image's gradients through a block: what its layers get, its logits, and its weights laid out."""
    queries_and_keys = max(product.query_key_macs for product in attention_products(architecture))
    logits = 4 * architecture.num_heads * queries_and_keys // architecture.embed_dim
    return HELD_BY_STEP * (_block_bytes(architecture) + logits) + 4 * _block_weights(architecture)
