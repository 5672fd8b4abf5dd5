"""Volumes from files, label maps to files; formats are told by their ending, a folder is DICOM."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import VolumeError
from ..volume import Volume
from . import metaimage, nifti, nrrd
from .dicom import read_dicom
from .headers import check_readable
from .metaimage import read_metaimage
from .nifti import read_nifti
from .nrrd import read_nrrd


def read_volume(path: str | os.PathLike, frame: int | None = None, series: str | None = None) -> Volume:
    """Read a volume: NIfTI, NRRD, MetaImage (.mha), or a DICOM file or folder.

    frame: which volume of a 4D NIfTI. series: SeriesInstanceUID, needed where a DICOM folder has several.
    Raises VolumeError, with the reason, for whatever cannot be segmented slice by slice.
    """
    source = Path(path)
    if source.is_dir():
        return read_dicom(source, series)
    name = check_readable(source).name.lower()
    try:
        if name.endswith(nifti.SUFFIXES):
            return read_nifti(source, frame)
        if name.endswith(nrrd.SUFFIXES):
            return read_nrrd(source)
        if name.endswith(metaimage.SUFFIXES):
            return read_metaimage(source)
        return read_dicom(source, series)
    except MemoryError as error:
        raise VolumeError(f"{source} does not fit into memory. Crop or resample it first.") from error
