"""Pictures of synthetic images and their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from ...base.outputs import atomic_output
from ...errors import OutputError

# As many colours as an image may have labels.
PALETTE = np.array(
    [
        *([230, 75, 53], [77, 187, 213], [0, 160, 135], [243, 155, 127], [132, 145, 180], [145, 209, 194]),
        *([240, 200, 60], [150, 90, 200], [60, 110, 230], [200, 60, 140], [130, 190, 60], [160, 110, 70]),
    ]
)


def preview_image(pixels: Tensor, labels: Tensor) -> np.ndarray:
    """Image (1, 1, S, S) in 0..1 beside the same image with labels (N, S, S) in colour: uint8 (S, 2 S, 3)."""
    gray = (pixels[0, 0].detach().cpu().numpy() * 255).round().astype(np.uint8)
    plain = np.repeat(gray[..., None], 3, axis=2)
    painted = plain.copy()
    for number, label in enumerate(labels.cpu().numpy()):
        painted[label] = (painted[label] * 0.5 + PALETTE[number % len(PALETTE)] * 0.5).astype(np.uint8)
    return np.concatenate([plain, painted], axis=1)


def write_preview(folder: Path, index: int, steps: int, picture: np.ndarray) -> None:
    """Write the picture of image `index` after `steps` as a PNG into `folder`, which is made when missing.

    Raises OutputError when it cannot be written.
    """
    from PIL import Image

    path = folder / f"image_{index:03d}_step_{steps:04d}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_output(path, force=True) as temporary:
            Image.fromarray(picture).save(temporary)
    except OSError as error:
        raise OutputError(
            f"The pictures cannot be written into {folder}: {error.strerror}. Choose another --preview."
        ) from error
