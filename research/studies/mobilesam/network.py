"""MobileSAM as a predictor, and in the shape that the synthesis asks of a model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from dfqsam_core.model.sam_modeling import sam_modeling
from dfqsam_core.network.conventions import SAM
from dfqsam_core.network.pixels import PIXEL_MEAN, PIXEL_STD

from .tiny_vit import TinyViT, TinyViTSizes, folded


class MobileSam(nn.Module):
    """TinyViT with segment-anything's prompt encoder and mask decoder."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, sizes: TinyViTSizes | None = None) -> None:
        super().__init__()
        sizes = sizes or TinyViTSizes()
        modeling, size = sam_modeling(), sizes.image_size
        self.architecture, self.conventions = SimpleNamespace(image_size=size, grid=size // 16), SAM
        self.image_encoder = TinyViT(sizes, modeling.common.LayerNorm2d)
        grid = (size // 16, size // 16)
        self.prompt_encoder = modeling.PromptEncoder(256, grid, (size, size), 16)
        transformer = modeling.TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8)
        self.mask_decoder = modeling.MaskDecoder(transformer_dim=256, transformer=transformer)
        for name, values in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def from_file(cls, path: Path) -> MobileSam:
        """The published network, float32, frozen."""
        model = cls()
        model.load_state_dict(folded(load_file(path)))
        return model.eval().requires_grad_(False)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Normalise pixels (B, 3, S, S) on the 0..255 scale."""
        return (pixels - self.pixel_mean) / self.pixel_std

    def decode(
        self, image_embedding: Tensor, points: tuple[Tensor, Tensor] | None = None, boxes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Low-resolution logits (N, 3, S / 4, S / 4) and predicted IoU (N, 3) of N prompts, as `SamMed2D.decode`."""
        sparse, dense = self.prompt_encoder(points=points, boxes=boxes, masks=None)
        return self.mask_decoder(
            image_embeddings=image_embedding,
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )


class MobileSamPredictor:
    """SAM's own preprocessing: the longest side becomes S pixels, the rest is padding."""

    def __init__(self, model: MobileSam) -> None:
        self.model, self.size = model, model.architecture.image_size

    def set_image(self, image: np.ndarray) -> None:
        """Embed uint8 (H, W) or (H, W, 3)."""
        self.shape = image.shape[:2]
        gray = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(image))).permute(2, 0, 1)[None].float()
        self.scale = self.size / max(self.shape)
        inside = [round(side * self.scale) for side in self.shape]
        pixels = F.interpolate(gray.expand(-1, 3, -1, -1), inside, mode="bilinear", align_corners=False, antialias=True)
        pixels = F.pad(self.model.normalize(pixels), (0, self.size - inside[1], 0, self.size - inside[0]))
        with torch.no_grad():
            self.embedding = self.model.image_encoder(pixels)

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool = True,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks (3, H, W), predicted IoU (3,), low-resolution logits (3, S / 4, S / 4); without mask prompts."""
        points = boxes = None
        if point_coords is not None and point_labels is not None:
            coords = torch.as_tensor(np.asarray(point_coords, np.float32) * self.scale)[None]
            points = (coords, torch.as_tensor(np.asarray(point_labels))[None])
        if box is not None:
            boxes = torch.as_tensor(np.asarray(box, np.float32) * self.scale)[None]
        with torch.no_grad():
            low, iou = self.model.decode(self.embedding, points, boxes)
            logits = F.interpolate(low, (self.size, self.size), mode="bilinear", align_corners=False)
            inside = [round(side * self.scale) for side in self.shape]
            logits = F.interpolate(
                logits[..., : inside[0], : inside[1]], self.shape, mode="bilinear", align_corners=False
            )
        return logits[0].numpy() > 0, iou[0].numpy(), low[0].numpy()
