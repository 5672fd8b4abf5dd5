"""Random slices through the bank's scans, sampled on the device: any plane, tilt, field of view and deformation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .bank import AIR_HU, BankScan
from .fields import SIZE
from .randomness import Rng

ANCHORS = 20_000
# Bone, lung and the whole range: cumulated chance, range of the centre and of the width in HU.
RARE_CT_WINDOWS = (
    (0.25, (200.0, 500.0), (900.0, 2000.0)),
    (0.15, (-700.0, -400.0), (1000.0, 1800.0)),
    (0.08, (0.0, 500.0), (2000.0, 3200.0)),
)
# Unit vectors along the columns and the rows of the slice, and its normal, in z, y, x order.
FRAMES = {
    "a": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "c": ((0, 0, 1), (-1, 0, 0), (0, 1, 0)),
    "s": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
}


@dataclass(frozen=True)
class DeviceScan:
    """A scan of the bank on the device.

    image: (D, H, W) float32. labels: (C, D, H, W) float32, as `grid_sample` wants them. anchors: (N, 3) float32 voxels
    z, y, x worth looking at.
    frames: (A, 3, 3) float32, unit vectors of each slice axis. channels: (C,) float32 weights of the label channels.
    Everything lies on the device beforehand: a copy in the middle of a step would make the host wait for it.
    """

    scan: BankScan
    image: Tensor
    labels: Tensor
    anchors: Tensor
    spacing_mm: Tensor
    shape: Tensor
    frames: Tensor
    channels: Tensor


def to_device(scan: BankScan, device: torch.device) -> DeviceScan:
    """Put a scan on the device; anchors are annotated voxels, or tissue where nothing is annotated."""
    worth = scan.labels[0] > 0 if scan.labels[0].any() else scan.labels[1] > 0
    places = np.argwhere(worth)
    chosen = np.random.default_rng(0).choice(len(places), min(ANCHORS, len(places)), replace=False)
    return DeviceScan(
        scan,
        torch.from_numpy(scan.image.astype(np.float32)).to(device),
        torch.from_numpy(scan.labels).to(device).float(),
        torch.from_numpy(places[np.sort(chosen)].astype(np.float32)).to(device),
        torch.tensor(scan.spacing_mm, device=device),
        torch.tensor(scan.image.shape, device=device),
        torch.tensor([FRAMES[axis] for axis in scan.axes], dtype=torch.float32, device=device),
        torch.tensor(scan.channels, device=device),
    )


def sample_slices(rng: Rng, source: DeviceScan, canvas: Tensor) -> tuple[Tensor, Tensor]:
    """Draw slices of one scan: images (B, 256, 256) float32 in bank units, labels (B, C, 256, 256) uint8.

    canvas: (B, 256, 256, 2), where on the slice each pixel looks, from `deformed_grid`. Outside the scan all is 0.
    """
    place = _places(rng, source, canvas)
    grid = (place / (source.shape - 1).clamp(min=1) * 2 - 1).flip(-1)[None]
    image = F.grid_sample(source.image[None, None], grid, mode="bilinear", align_corners=True)[0, 0]
    labels = F.grid_sample(source.labels[None], grid, mode="nearest", align_corners=True)[0]
    return image, labels.transpose(0, 1).to(torch.uint8)


def _places(rng: Rng, source: DeviceScan, canvas: Tensor) -> Tensor:
    """Voxel positions (B, SIZE, SIZE, 3) of the pixels of random slices."""
    count, flat = len(canvas), source.scan.flat
    chosen = source.frames[rng.integers(count, below=len(source.frames))]
    across, down, normal = chosen.unbind(1)
    tilt = rng.normal(count, 2, 1, std=0.0 if flat else 0.15)
    across, down = F.normalize(across + tilt[:, 0] * normal, dim=1), F.normalize(down + tilt[:, 1] * normal, dim=1)
    size_mm = source.shape * source.spacing_mm
    width, height = ((chosen[:, row].abs() * size_mm).sum(1) for row in (0, 1))
    field = _field_of_view(rng, width, height)
    centre_mm = source.anchors[rng.integers(count, below=len(source.anchors))] * source.spacing_mm
    middle_mm = (size_mm - source.spacing_mm) / 2
    pull = torch.where(rng.coin(count, 1, chance=0.5), rng.uniform(count, 1), 1.0)
    in_plane = 1 - chosen[:, 2].abs()
    centre_mm = centre_mm + pull * in_plane * (middle_mm - centre_mm)
    shift = rng.normal(count, 2, std=0.12) * field
    turned = rng.coin(count, chance=0.12)[:, None, None, None]
    centre_mm = centre_mm + shift[:, :1] * across + shift[:, 1:] * down
    # Half the field of view along each axis of the slice, in voxels: one small product a pixel does the rest.
    axes = torch.stack([field[:, :1] / 2 * across, field[:, 1:] / 2 * down], 1) / source.spacing_mm
    offset = torch.where(turned, canvas.flip(-1), canvas).flatten(1, 2) @ axes
    return (offset + (centre_mm / source.spacing_mm)[:, None]).view(count, SIZE, SIZE, 3)


def _field_of_view(rng: Rng, width: Tensor, height: Tensor) -> Tensor:
    """Millimetres (count, 2) that the canvas shows: squashed to a square as SAM-Med2D does, or with a true aspect."""
    count = len(width)
    true = torch.maximum(width, height)[:, None].expand(-1, 2)
    squashed = torch.stack([width, height], 1)
    field = torch.where(rng.coin(count, 1, chance=0.55), squashed, true)
    zoom = torch.where(rng.coin(count, chance=0.4), torch.ones_like(width), rng.log_uniform(count, low=0.4, high=1.2))
    return field * (zoom * torch.exp(rng.normal(count, std=0.08)))[:, None]


def windowed(rng: Rng, image: Tensor, modality: str) -> Tensor:
    """Bank units to 0..1 through a random window: tissue, bone, lung or everything for CT, percentiles for the rest."""
    count = len(image)
    if modality == "CT":
        low, high = _ct_window(rng, count)
        low, high = low - AIR_HU, high - AIR_HU
    else:
        sample = image.flatten(1)[:, ::37]
        bright = torch.where(sample > 0, sample, torch.nan)
        cut = torch.stack([rng.uniform(count, high=0.03), rng.uniform(count, low=0.96, high=0.999)], 1)
        ordered = bright.sort(1).values.nan_to_num(0)
        known = (~bright.isnan()).sum(1, keepdim=True).clamp(min=1)
        low, high = torch.gather(ordered, 1, (cut * (known - 1)).long()).unbind(1)
        low = low * rng.coin(count, chance=0.6)
    span = (high - low).clamp(min=20.0)
    return ((image - low[:, None, None]) / span[:, None, None]).clamp(0, 1)


def _ct_window(rng: Rng, count: int) -> tuple[Tensor, Tensor]:
    kind = rng.uniform(count)
    centre, width = rng.uniform(count, low=-10, high=100), rng.log_uniform(count, low=180, high=700)
    for limit, centres, widths in RARE_CT_WINDOWS:
        rare = kind < limit
        centre = torch.where(rare, rng.uniform(count, low=centres[0], high=centres[1]), centre)
        width = torch.where(rare, rng.uniform(count, low=widths[0], high=widths[1]), width)
    return centre - width / 2, centre + width / 2
