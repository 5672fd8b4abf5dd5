"""Images for networks of many tokens: made against the same network for smaller images, then enlarged."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...model import SamMed2D
from ...network.conventions import Conventions
from ...store.checkpoint import Checkpoint, with_tables_resized
from ..plan import image_architecture
from .frozen_convolutions import freeze_convolutions


def image_network(checkpoint: Checkpoint) -> SamMed2D:
    """The network of `checkpoint` that images are made against, for images of the size of `image_architecture`."""
    own, size = checkpoint.architecture.image_size, image_architecture(checkpoint.architecture).image_size
    network = SamMed2D.from_checkpoint(checkpoint if size == own else with_tables_resized(checkpoint, size))
    freeze_convolutions(network.image_encoder)
    return network


def fitted(pixels: Tensor, size: int, conventions: Conventions) -> Tensor:
    """Gray pixels (B, 1, s, s) in 0..1 as a network gets them, (B, 1, size, size): enlarged, stretched where asked."""
    if pixels.shape[-1] != size:
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", align_corners=False)
    if not conventions.stretches_values:
        return pixels
    low, high = pixels.amin((1, 2, 3), keepdim=True), pixels.amax((1, 2, 3), keepdim=True)
    return (pixels - low) / (high - low).clamp(min=1e-8)
