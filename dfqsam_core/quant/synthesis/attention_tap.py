"""Listening to what attention hands to its output projection, in several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import cast

from torch import Tensor, nn

from ...model.attention import Attention
from ...model.image_encoder import ImageEncoder


class AttentionTap:
    """While open, collects the attention outputs (B, N, heads, C) of every block of an encoder's forward passes.

    Each thread sees only its own passes; padding tokens never appear, for they are never computed.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        self._encoder = encoder
        self._local = threading.local()

    def __enter__(self) -> AttentionTap:
        attentions = [cast(Attention, block.attn) for block in self._encoder.blocks]
        self._handles = [a.proj.register_forward_pre_hook(self._hook(a.num_heads)) for a in attentions]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, heads: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def collect(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if hasattr(self._local, "outputs"):
                self._local.outputs.append(inputs[0].flatten(1, 2).unflatten(-1, (heads, -1)))

        return collect

    def record(self, encoder_input: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Run the encoder; return its embedding and the attention output of each block."""
        self._local.outputs = []
        try:
            return self._encoder(encoder_input), self._local.outputs
        finally:
            del self._local.outputs
