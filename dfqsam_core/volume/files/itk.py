"""NRRD volumes through SimpleITK, and the grid of a SimpleITK image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import VolumeError
from ..geometry import VolumeGeometry
from ..volume import Volume
from .headers import check_nrrd
from .nifti import native_voxels

SUFFIXES = (".nrrd",)


def read_itk(path: Path) -> Volume:
    """Read a .nrrd file that holds one real number per voxel; raises VolumeError for anything else."""
    import SimpleITK

    check_nrrd(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_kind(path, reader)
        image = reader.Execute()
    except RuntimeError as error:
        raise VolumeError(f"{path} cannot be read: {_last_line(error)} It is damaged.") from error
    array = native_voxels(SimpleITK.GetArrayFromImage(image))
    voxels = array.reshape((1,) * (3 - array.ndim) + array.shape)
    return Volume(voxels, geometry_of(image), source=str(path))


def _check_kind(path: Path, reader: Any) -> None:
    if reader.GetNumberOfComponents() != 1:
        raise VolumeError(f"{path} has {reader.GetNumberOfComponents()} values per voxel; one real number is needed.")
    if reader.GetDimension() not in (2, 3):
        raise VolumeError(f"{path} has {reader.GetDimension()} dimensions; a volume has 3. Save one frame of it.")


def geometry_of(image: Any) -> VolumeGeometry:
    """Grid of a 2D or 3D SimpleITK image; a 2D image is one slice of 1 mm."""
    rank = image.GetDimension()
    direction, spacing, origin = np.eye(3), np.ones(3), np.zeros(3)
    direction[:rank, :rank] = np.reshape(image.GetDirection(), (rank, rank))
    spacing[:rank], origin[:rank] = image.GetSpacing(), image.GetOrigin()
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = direction * spacing, origin
    i, j, k = (*image.GetSize(), 1)[:3]
    # ITK positions are LPS.
    return VolumeGeometry(np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix, (i, j, k))


def image_of(array_kji: np.ndarray, geometry: VolumeGeometry) -> Any:
    """SimpleITK image of an array (K, J, I) on the grid `geometry`."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(array_kji)
    lps = np.diag([-1.0, -1.0, 1.0])
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin((lps @ geometry.ijk_to_ras[:3, 3]).tolist())
    image.SetDirection((lps @ geometry.directions_ras).ravel().tolist())
    return image


def _last_line(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") + "." if lines else ""
