"""Volumes from files, label maps to files; formats are told by their ending, a folder is DICOM."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import VolumeError
from ..volume import Volume
from . import metaimage, nifti, nrrd
from .dicom import read_dicom
from .headers import check_readable
from .links import refuse_outside
from .metaimage import read_metaimage
from .nifti import read_nifti
from .nrrd import read_nrrd

# Headers beside a file of voxels.
_DETACHED = (".mhd", ".nhdr")


def read_volume(
    path: str | os.PathLike,
    frame: int | None = None,
    series: str | None = None,
    within: Sequence[Path] | None = None,
) -> Volume:
    """Read a volume: NIfTI, NRRD, MetaImage (.mha), or a DICOM file or folder.

    Parameters
    ----------
    path
        The file or folder; it is only read.
    frame
        Which volume of a 4D NIfTI, from 0.
    series
        SeriesInstanceUID, needed where a DICOM folder has several.
    within
        Folders that the named file, and whatever it leads to, must lie in, links followed; None for anywhere.

    Returns
    -------
    Volume
        Voxels (K, J, I), read-only, with their place in the patient.

    Raises
    ------
    VolumeError
        With the reason, for whatever cannot be segmented slice by slice.
    """
    source = Path(path)
    refuse_outside(source, within)
    if source.is_dir():
        return read_dicom(source, series, within)
    name = check_readable(source).name.lower()
    if name.endswith(_DETACHED):
        raise VolumeError(f"{source} keeps its voxels in another file. Save it again as one .mha or .nrrd file.")
    try:
        if name.endswith(nifti.SUFFIXES):
            return read_nifti(source, frame, within)
        if name.endswith(nrrd.SUFFIXES):
            return read_nrrd(source)
        if name.endswith(metaimage.SUFFIXES):
            return read_metaimage(source)
        return read_dicom(source, series)
    except MemoryError as error:
        raise VolumeError(f"{source} does not fit into memory. Crop or resample it first.") from error
