"""Arithmetic of a training: reproducible bit by bit, or fast."""

from __future__ import annotations

import os

import torch

from dfqsam_core.model.sam_med2d import SamMed2D

from . import losses
from .fused_attention import fuse_attention


def set_up_arithmetic(fast: bool = False) -> None:
    """Tensor cores for float32 products, and reproducible kernels unless `fast`."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(not fast, warn_only=True)
    torch.backends.cudnn.benchmark = fast
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


def speed_up(model: SamMed2D) -> None:
    """Fuse the encoder's attention and compile its blocks; on the whole process the loss of a mask.

    The decoder stays as it is: its prompts have many lengths, and compiling it for each takes longer than it saves.
    """
    fuse_attention(model)
    for block in model.image_encoder.blocks:
        block.compile(dynamic=False)
    losses.mask_loss = torch.compile(losses.mask_loss, dynamic=False)
