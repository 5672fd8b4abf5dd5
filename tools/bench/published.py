"""SAM-Med2D as it was published, with the padding tokens of windowed attention computed: the yardstick for time."""

from __future__ import annotations

from torch import Tensor, nn

from dfqsam_core.model.attention import Attention
from dfqsam_core.model.image_encoder import Block
from dfqsam_core.model.sam_med2d import SamMed2D
from dfqsam_core.model.sam_modeling import sam_modeling
from dfqsam_core.store.checkpoint import Checkpoint


def published_form(checkpoint: Checkpoint) -> SamMed2D:
    """The network of `checkpoint` whose attention is segment-anything's own; the embedding is the same."""
    network = SamMed2D.from_checkpoint(checkpoint)
    for index, block in enumerate(network.image_encoder.blocks):
        assert isinstance(block, Block)
        block.attn = _PaddedAttention(block.attn, checkpoint.architecture.window_of(index))  # type: ignore[assignment]
    return network.eval().requires_grad_(False)


class _PaddedAttention(nn.Module):
    """segment-anything's attention in windows of side `window` (0: global), with the weights of `ours`."""

    def __init__(self, ours: Attention, window: int) -> None:
        super().__init__()
        side, dim, modeling = ours.windows[0].side, ours.qkv.in_features, sam_modeling().image_encoder
        self._partition, self._unpartition = modeling.window_partition, modeling.window_unpartition
        self._window = window
        self.attention = modeling.Attention(dim, ours.num_heads, use_rel_pos=True, input_size=(side, side))
        self.attention.load_state_dict(ours.state_dict(), assign=True)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, grid, grid, dim) float. Returns the same shape."""
        if not self._window:
            return self.attention(x)
        windows, padded = self._partition(x, self._window)
        return self._unpartition(self.attention(windows), self._window, padded, x.shape[1:3])
