"""Label maps to files, on exactly the grid of their volume."""

from __future__ import annotations

import colorsys
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ...base.outputs import atomic_output
from ...errors import OutputError, VolumeError
from ..prompts import MAX_LABEL
from ..volume import Volume
from . import dicom_seg
from .metaimage import metaimage_bytes, read_metaimage
from .nifti import read_nifti
from .nrrd import nrrd_bytes, read_nrrd

LABEL_SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", dicom_seg.SUFFIX)


def write_label_map(
    path: str | os.PathLike,
    labels_kji: np.ndarray,
    volume: Volume,
    names: Mapping[int, str] | None = None,
    force: bool = False,
    beside: Callable[[Path], None] | None = None,
) -> None:
    """Write a label map on the grid of its volume; uint8 where that holds the labels, else uint16.

    Parameters
    ----------
    path
        `.nii.gz`, `.nii`, `.nrrd`, `.mha`, `.seg.nrrd` or `.dcm` (DICOM SEG, for a volume from a DICOM series).
    labels_kji
        (K, J, I), whole numbers 0..65535.
    volume
        What was segmented. A NIfTI result of a NIfTI volume repeats its sform and qform bit for bit.
    names
        Label to name of the segment, for `.seg.nrrd` and `.dcm`.
    force
        Replace a file that exists.
    beside
        Called with the whole file, before it gets its name.

    Raises
    ------
    OutputError
        For a format that does not fit, an existing file or a full disk. Nothing half-written is left: the file is read
        back before it gets its name.
    """
    target = Path(path)
    suffix = check_label_output(target, volume)
    if labels_kji.shape != volume.voxels_kji.shape:
        raise OutputError(f"Labels of the shape {labels_kji.shape} do not fit the volume {volume.voxels_kji.shape}.")
    low, high = int(labels_kji.min(initial=0)), int(labels_kji.max(initial=0))
    if low < 0 or high > MAX_LABEL:
        raise OutputError(
            f"Labels from {low} to {high} cannot be written; a label is 0 to {MAX_LABEL}. Number them anew."
        )
    array = labels_kji.astype(np.uint8 if high <= 255 else np.uint16)

    def check(written: Path) -> None:
        _read_back(written, suffix, array)
        if beside is not None:
            beside(written)

    with atomic_output(target, force, check) as temporary:
        _write(temporary, suffix, array, volume, names or {})


def _write(path: Path, suffix: str, array: np.ndarray, volume: Volume, names: Mapping[int, str]) -> None:
    if suffix in (".nii.gz", ".nii"):
        _write_nifti(path, array, volume)
    elif suffix == dicom_seg.SUFFIX:
        dicom_seg.write_dicom_seg(path, array, volume, names)
    elif suffix == ".mha":
        path.write_bytes(metaimage_bytes(array, volume.geometry))
    else:
        key_values = _segment_metadata(array, names) if suffix == ".seg.nrrd" else {}
        path.write_bytes(nrrd_bytes(array, volume.geometry, key_values))


def _read_back(path: Path, suffix: str, array: np.ndarray) -> None:
    """Raise OutputError unless a written file gives the labels again; a DICOM SEG is compared where it is written."""
    readers = {".nii.gz": read_nifti, ".nii": read_nifti, ".mha": read_metaimage}
    if suffix == dicom_seg.SUFFIX:
        return
    try:
        found = readers.get(suffix, read_nrrd)(path).voxels_kji
    except VolumeError as error:
        raise OutputError(f"The label map cannot be read back: {error} Choose another disk or output.") from error
    # Plane by plane: the comparison of a whole volume would lie beside it.
    if not all(map(np.array_equal, found, array)):
        raise OutputError("The label map that was written gives other labels. Choose another disk or output.")


def check_label_output(path: Path, volume: Volume) -> str:
    """Ending of a label map's name; raises OutputError for another one, or one that `volume` cannot be written as."""
    suffix = label_suffix(path)
    if suffix == dicom_seg.SUFFIX:
        dicom_seg.check_dicom_seg(path, volume)
    return suffix


def label_suffix(path: Path) -> str:
    """Ending of a label map's name, one of LABEL_SUFFIXES; raises OutputError for another."""
    for suffix in LABEL_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise OutputError(f"Cannot write {path.name}: the name must end in {', '.join(LABEL_SUFFIXES)}.")


def _write_nifti(path: Path, array: np.ndarray, volume: Volume) -> None:
    import nibabel
    from nibabel.fileholders import FileHolder

    header = volume.nifti_header
    nifti = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    # Given a matrix, nibabel would bring sform and qform of the source into agreement with it.
    image = nifti(array.T, volume.geometry.ijk_to_ras if header is None else None, dtype=array.dtype)
    if header is None:
        image.set_qform(volume.geometry.ijk_to_ras, 1)
        image.set_sform(volume.geometry.ijk_to_ras, 1)
    else:
        _copy_place(header, image.header)
    image.header["descrip"] = b""
    # By the name alone nibabel would write another file for an ending such as .Nii.Gz.
    image.to_file_map({"image": FileHolder(str(path))})


def _copy_place(source: object, target: object) -> None:
    """Repeat every field that any reader places a volume by, bit for bit, whichever of them it prefers."""
    names = ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d")
    for name in (*names, "qoffset_x", "qoffset_y", "qoffset_z", "xyzt_units"):
        target[name] = source[name]  # type: ignore[index]
    target["pixdim"][:4] = source["pixdim"][:4]  # type: ignore[index]


def _segment_metadata(array: np.ndarray, names: Mapping[int, str]) -> dict[str, str]:
    """Fields of Slicer's segmentation files (.seg.nrrd), one group per label that is present or named."""
    k, j, i = array.shape
    metadata = {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    labels = sorted(set().union(*(np.unique(plane).tolist() for plane in array)) - {0} | set(names))
    for n, label in enumerate(labels):
        # The golden angle keeps neighbouring labels apart in colour, always the same way.
        red, green, blue = colorsys.hsv_to_rgb((n * 0.381966) % 1.0, 0.6, 0.9)
        fields = {
            "ID": f"Segment_{label}",
            "Name": _one_line(names.get(label, f"Segment_{label}")),
            "NameAutoGenerated": "0",
            "Color": f"{red:.4f} {green:.4f} {blue:.4f}",
            "ColorAutoGenerated": "1",
            "Extent": f"0 {i - 1} 0 {j - 1} 0 {k - 1}",
            "LabelValue": str(label),
            "Layer": "0",
            "Tags": "|",
        }
        metadata |= {f"Segment{n}_{name}": value for name, value in fields.items()}
    return metadata


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "segment"
