"""Proof that a packed model is quantized wherever its recipe says so, before any of its numbers are believed."""

from __future__ import annotations

import os
from typing import Any

from ..errors import CheckFailed
from ..network.layers import encoder_layers
from ..network.macs import attention_products
from ..quant.config import QuantConfig
from ..quant.plan import NetworkPlan
from ..store.model_file import StoredModel, is_packed_model, read_model


def check_quantizers(path: str | os.PathLike) -> dict[str, Any] | None:
    """Count the active quantizers of a packed model's image encoder; None for a float checkpoint.

    Evaluations of quantized networks have been wrong because some quantizers were silently off: here every layer must
    have weight and input codes, and every attention codes for q, k, v and the softmax, but for the ConvTranspose2d
    layers that the recipe itself leaves in float.
    Raises CheckFailed otherwise, ModelFileError for a damaged file.
    """
    if not is_packed_model(path):
        return None
    model = read_model(path)
    exempt = _left_in_float(model)
    layers = [layer.name for layer in encoder_layers(model.architecture)]
    attentions = [product.name for product in attention_products(model.architecture)]
    idle = [name for name in layers if not (model.weight_bits(name) and model.input_bits(name))]
    idle += [name for name in attentions if not (model.input_bits(name) and model.softmax_bits(name))]
    unexpected = sorted(set(idle) - exempt)
    if unexpected:
        raise CheckFailed(
            f"{len(unexpected)} quantizers of {os.fspath(path)} are off, the first in {unexpected[0]!r}. "
            "Its accuracy would be that of a partly float model: make the model again."
        )
    active = len(layers) - len(idle)
    return {
        "weights": active,
        # q, k, v and the softmax of every attention.
        "activations": active + 4 * len(attentions),
        "left_in_float_by_recipe": sorted(idle),
    }


def _left_in_float(model: StoredModel) -> set[str]:
    """Layers of the image encoder that the recipe on the card leaves in float."""
    # Of all settings this alone decides it; recipes of other versions may lack it.
    transposed = bool(model.card["recipe"].get("transpose_convolutions", True))
    return set(NetworkPlan.of(model.architecture, QuantConfig(transpose_convolutions=transposed)).float_layers(""))
