"""A volume in memory: read-only voxels, their place in the patient, and where they came from."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import VolumeError
from .files.dicom_frames import Frame
from .geometry import VolumeGeometry


@dataclass(frozen=True, eq=False)
class Volume:
    """Grey values on a grid.

    Parameters
    ----------
    voxels_kji
        (K, J, I), any real dtype; kept as a read-only view, the caller's array is not changed.
    geometry
        Its grid; shape_ijk is the reverse of voxels_kji.shape.
    modality
        DICOM's word ("CT", "MR"...), None where the file does not say.
    source
        The file or folder it came from, for reports.
    nifti_header
        nibabel's header of a NIfTI source, so that results repeat its sform and qform bit for bit.
    dicom_frames
        The image planes of a DICOM source in the order of K, so that a DICOM SEG can refer to them.
    notes
        One sentence for each oddity of the source that was read in one of several ways.
    passed_over
        Entries of a DICOM folder that are no part of the volume, each with the reason.
    """

    voxels_kji: np.ndarray
    geometry: VolumeGeometry
    modality: str | None = None
    source: str = ""
    nifti_header: Any = None
    dicom_frames: tuple[Frame, ...] = ()
    notes: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        voxels = self.voxels_kji.view()
        if voxels.dtype.kind not in "biuf":
            raise VolumeError(f"The volume has voxels of the type {voxels.dtype}; one real number each is needed.")
        if voxels.shape[::-1] != self.geometry.shape_ijk:
            raise VolumeError(f"{voxels.shape[::-1]} voxels do not fit the grid {self.geometry.shape_ijk}.")
        voxels.flags.writeable = False
        object.__setattr__(self, "voxels_kji", voxels)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the voxels, their type and their number along each axis; computed once, when first asked for."""
        digest = hashlib.sha256(f"{self.voxels_kji.dtype.str} {self.voxels_kji.shape}".encode())
        for plane in self.voxels_kji:
            digest.update(np.ascontiguousarray(plane).tobytes())
        return digest.hexdigest()
