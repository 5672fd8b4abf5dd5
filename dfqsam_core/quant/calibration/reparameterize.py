"""Scale reparameterization: one scale per channel at the LayerNorm, none in the integer product."""

from __future__ import annotations

from torch import Tensor


def fold_input_scales(rows: Tensor, input_scale: Tensor) -> Tensor:
    """Multiply the input's per-channel scales into the weight (out, in * kernel) that consumes it.

    With codes q_c = round(x_c / s_c) + z_c, sum_c w_c x_c = sum_c (w_c s_c)(q_c - z_c): the product needs whole numbers
    only. These are the codes of the reparameterized LayerNorm of RepQ-ViT (section 3.2) and DFQ-SAM, but the LayerNorm
    itself stays as it is, so padding tokens keep an exact zero and the adapter keeps its own input.

    input_scale: (in,). Returns the folded rows, same shape.
    """
    kernel = rows.shape[1] // len(input_scale)
    return rows * input_scale.repeat_interleave(kernel)[None, :]
