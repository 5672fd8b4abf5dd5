"""How much memory a network takes while it runs, from its sizes alone."""

from __future__ import annotations

import math

from .architecture import Architecture
from .attention_windows import query_chunks
from .tensor_shapes import expected_shapes

# The logits, the same with their positions added, and the softmax.
_COPIES = 3
# Of the widest layer's output: before and behind its activation, as codes, and what the engine keeps for the next one.
_HIDDEN_COPIES = 8


def running_bytes(architecture: Architecture) -> int:
    """Bytes of all weights as float32 and of the largest attention, of whose queries a part is computed at once."""
    weights = sum(math.prod(shape) for shape in expected_shapes(architecture).values())
    attention = max(_attention_values(architecture, block) for block in range(architecture.depth))
    return 4 * (weights + _COPIES * attention)


def encoding_bytes(architecture: Architecture) -> int:
    """Bytes of the inner values of one image on its way through the encoder, weights aside: an upper estimate."""
    attention = max(_attention_values(architecture, block) for block in range(architecture.depth))
    return 4 * (_COPIES * attention + _HIDDEN_COPIES * architecture.grid**2 * architecture.mlp_dim)


def _attention_values(architecture: Architecture, block: int) -> int:
    side = architecture.window_of(block) or architecture.grid
    windows = math.ceil(architecture.grid / side) ** 2
    queries = max(chunk.stop - chunk.start for chunk in query_chunks(side**2, side**2))
    return windows * architecture.num_heads * queries * side**2
