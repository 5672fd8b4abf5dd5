"""Labelled slices for an evaluation: the images as the network sees them, and one mask per object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from zipfile import BadZipFile

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..errors import VolumeError
from ..volume import SliceFrame, Volume, VolumeGeometry, WindowLevel, auto_window, read_volume
from .cases import Case

# Sizes of masks are compared on this square, whatever the slice's resolution and the network's input.
_COMMON_SIDE = 256


@dataclass(frozen=True)
class Sampling:
    """The choice of the slices and objects of a case that are evaluated.

    Parameters
    ----------
    every
        Every n-th slice that has labels, counted from the first one.
    masks_per_slice
        At most so many objects of a slice, drawn at random.
    min_pixels
        Smallest object, in pixels of the slice brought to 256 x 256.
    seed
        Of the random choices.
    """

    every: int = 2
    masks_per_slice: int = 10
    min_pixels: int = 100
    seed: int = 0


@dataclass(frozen=True)
class LabelledSlice:
    """One slice with its objects.

    image: (H, W) or (H, W, 3) uint8, windowed, in the canonical orientation. masks: by name, (H, W) bool, each the
    largest component of one label. modality: "CT", "MR" or "unknown". index: slice number, 0 for single slices.
    spacing_mm: distance of neighbouring rows and of neighbouring columns; None where the file does not say.
    values, window: the slice in the volume's own values, and the window that makes `image` of it; None for pictures.
    """

    case: str
    modality: str
    index: int
    image: np.ndarray
    masks: dict[str, np.ndarray]
    spacing_mm: tuple[float, float] | None = None
    values: np.ndarray | None = None
    window: WindowLevel | None = None


def load_slices(case: Case, sampling: Sampling) -> list[LabelledSlice]:
    """Read a case and return its slices to evaluate; the same case and sampling always give the same ones.

    Slices are perpendicular to the acquisition axis. Label maps on another grid are brought onto the image's grid in
    patient space by the nearest voxel.
    Raises VolumeError when a file cannot be read.
    """
    slices = _png_slices(case) if case.kind == "png" else _volume_slices(*_read_volume_case(case), case)
    labelled = [slice_ for slice_ in slices if slice_.masks]
    return [sampled for slice_ in labelled[:: sampling.every] if (sampled := _sample(slice_, sampling)).masks]


def _sample(slice_: LabelledSlice, sampling: Sampling) -> LabelledSlice:
    components = {name: largest_component(mask) for name, mask in slice_.masks.items()}
    smallest = sampling.min_pixels * slice_.image.shape[0] * slice_.image.shape[1] / _COMMON_SIDE**2
    names = [name for name, mask in components.items() if np.count_nonzero(mask) >= smallest]
    rng = np.random.default_rng([sampling.seed, slice_.index])
    chosen = sorted(rng.permutation(len(names))[: sampling.masks_per_slice])
    masks = {names[i]: components[names[i]] for i in chosen}
    return replace(slice_, masks=masks)


def largest_component(mask: np.ndarray) -> np.ndarray:
    """Return the largest 8-connected component of a boolean mask (H, W); the first one where two are equally large."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if count < 2:
        return mask
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))


def _volume_slices(volume: Volume, labels: dict[str, np.ndarray], case: Case) -> Iterator[LabelledSlice]:
    axis = volume.geometry.acquisition_axis
    frame = SliceFrame.of(volume.geometry, axis)
    window = auto_window(volume.voxels_kji, volume.modality)
    modality = "CT" if window.source.startswith("auto: CT") else volume.modality or _folder_modality(case)
    for index in range(volume.geometry.size_along(axis)):
        masks: dict[str, np.ndarray] = {}
        for prefix, array in labels.items():
            plane = frame.view(array, index)
            masks |= {f"{prefix}:{value}": plane == value for value in np.unique(plane) if value > 0}
        values = frame.view(volume.voxels_kji, index)
        image = window.apply(values)
        yield LabelledSlice(case.name, modality, index, image, masks, frame.spacing_mm, values, window)


def _folder_modality(case: Case) -> str:
    """Modality that a folder of the image is named after; NIfTI and NRRD files themselves do not say."""
    names = {part.upper() for part in case.image.resolve().parts}
    return "CT" if "CT" in names else "MR" if names & {"MR", "MRI"} else "unknown"


def _read_volume_case(case: Case) -> tuple[Volume, dict[str, np.ndarray]]:
    if case.kind == "npz":
        return _read_npz(case)
    volume = read_volume(case.image)
    return volume, {path.name: label_on_grid(read_volume(path), volume.geometry) for path in case.labels}


def label_on_grid(label: Volume, geometry: VolumeGeometry) -> np.ndarray:
    """Return a label map on the grid of `geometry`, (K, J, I): the nearest voxel in patient space, 0 outside."""
    if label.geometry.is_close(geometry):
        return label.voxels_kji
    to_label = np.linalg.inv(label.geometry.ijk_to_ras) @ geometry.ijk_to_ras
    # Reversed, because arrays count (K, J, I).
    matrix, offset = to_label[:3, :3][::-1, ::-1], to_label[:3, 3][::-1]
    return ndimage.affine_transform(label.voxels_kji, matrix, offset, geometry.shape_ijk[::-1], order=0)


def _read_npz(case: Case) -> tuple[Volume, dict[str, np.ndarray]]:
    try:
        with np.load(case.image, allow_pickle=False) as arrays:
            images, labels = arrays["imgs"], arrays["gts"]
            spacing, direction, origin = (arrays[key] for key in ("spacing", "direction", "origin"))
        ijk_to_lps = np.eye(4)
        ijk_to_lps[:3, :3] = np.reshape(direction, (3, 3)) * spacing
        ijk_to_lps[:3, 3] = origin
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise VolumeError(f"{case.image} is not an archive of labelled slices: {error}.") from error
    geometry = VolumeGeometry(np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijk_to_lps, images.shape[::-1])
    return Volume(images, geometry, "CT"), {"gts": labels}


def _png_slices(case: Case) -> list[LabelledSlice]:
    image = _read_png(case.image)
    masks = {path.stem: _read_png(path) for path in case.labels}
    masks = {name: (mask if mask.ndim == 2 else mask[..., 0]) > 0 for name, mask in masks.items()}
    wrong = [name for name, mask in masks.items() if mask.shape != image.shape[:2]]
    if wrong:
        raise VolumeError(
            f"The mask {wrong[0]} has another size than {case.image}, {image.shape[1]} x {image.shape[0]}."
        )
    return [LabelledSlice(case.name, _folder_modality(case), 0, image, masks)]


def _read_png(path: object) -> np.ndarray:
    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise VolumeError(f"The picture {path} cannot be read. Check that it is a PNG file.") from error
