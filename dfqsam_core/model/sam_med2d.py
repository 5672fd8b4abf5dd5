"""SAM-Med2D: image encoder with adapters, SAM's prompt encoder and mask decoder, and loading from a checkpoint."""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor, nn

from ..network.architecture import Architecture
from ..network.conventions import SAM_MED2D, Conventions
from ..store.checkpoint import Checkpoint, read_checkpoint
from .image_encoder import ImageEncoder
from .sam_modeling import sam_modeling


class SamMed2D(nn.Module):
    """The network of SAM-Med2D (Cheng et al. 2023) for any `Architecture`; state dict keys as in sam-med2d_b.pth.

    Without adapters it is SAM's, and with SAM's or MedSAM's conventions their network.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, architecture: Architecture, conventions: Conventions = SAM_MED2D) -> None:
        super().__init__()
        modeling = sam_modeling()
        grid, size, dim = architecture.grid, architecture.image_size, architecture.out_chans
        self.architecture, self.conventions = architecture, conventions
        self.image_encoder = ImageEncoder(architecture)
        self.prompt_encoder = modeling.PromptEncoder(
            embed_dim=dim, image_embedding_size=(grid, grid), input_image_size=(size, size), mask_in_chans=16
        )
        self.mask_decoder = modeling.MaskDecoder(
            num_multimask_outputs=3,
            transformer=modeling.TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=2048, num_heads=8),
            transformer_dim=dim,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        )
        self.register_buffer("pixel_mean", _pixel_constant(conventions.pixel_mean), persistent=False)
        self.register_buffer("pixel_std", _pixel_constant(conventions.pixel_std), persistent=False)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint | str | os.PathLike[str]) -> SamMed2D:
        """Build the network of a checkpoint (path, or already read), in evaluation mode with frozen float32 weights.

        The parameters share memory with `checkpoint.tensors`: replace them, never write into them.
        Raises CheckpointError when the file is no usable checkpoint.
        """
        source = checkpoint if isinstance(checkpoint, Checkpoint) else read_checkpoint(checkpoint)
        with torch.device("meta"):
            model = cls(source.architecture, source.conventions)
        # The parameters are the checkpoint's own arrays: a second copy would double the memory of a 1 GB model.
        model.load_state_dict({name: torch.from_numpy(array) for name, array in source.tensors.items()}, assign=True)
        return model.eval().requires_grad_(False)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Normalise pixels (B, 3, S, S) on the 0..255 scale, in the network's channel order, for the image encoder."""
        return (pixels - self.pixel_mean) / self.pixel_std

    def decode(
        self,
        image_embedding: Tensor,
        points: tuple[Tensor, Tensor] | None = None,
        boxes: Tensor | None = None,
        mask_probabilities: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Masks of N prompts on one image.

        image_embedding: (1, C, grid, grid). points: coordinates (N, P, 2) as x, y in the S-pixel frame and labels
        (N, P). boxes: (N, 4) xyxy. mask_probabilities: (N, 1, 4 grid, 4 grid) in 0..1, SAM-Med2D's mask prompt, or
        logits where that is what the conventions have.
        Returns low-resolution logits (N, 3, 4 grid, 4 grid) and predicted IoU (N, 3): of the tokens 1 to 3, or of token
        0 alone where the conventions have no predicted IoU to choose by.
        """
        sparse, dense = self.prompt_encoder(points=points, boxes=boxes, masks=mask_probabilities)
        return self.mask_decoder(
            image_embeddings=image_embedding,
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=self.conventions.predicts_iou,
        )


def _pixel_constant(values: tuple[float, ...]) -> Tensor:
    # From numpy: such constants are real even where the network is built without memory (on the meta device).
    return torch.from_numpy(np.array(values, np.float32)).view(1, 3, 1, 1)
