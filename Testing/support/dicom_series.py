"""A small CT series that pydicom writes, and what pydicom reads of it: no patient, every field in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, pixel_array
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

Edit = Callable[[Any, int], None]
STEP_MM = 4.0
FIRST_LPS = np.array([-50.0, -40.0, -100.0])
SPACING_MM = (1.5, 1.25)


def hounsfield(slices: int = 5) -> np.ndarray:
    """(K, J, I) int16, another value in every voxel: air below, bone above."""
    return (np.arange(slices * 7 * 6, dtype=np.int16) * 11 - 1000).reshape(slices, 7, 6)


def write_series(folder: Path, edit: Edit | None = None, slices: int = 5) -> list[Path]:
    """Write `hounsfield` as one file a slice, 12 bits stored, intercept -1024; `edit` changes a slice's data set."""
    folder.mkdir(parents=True)
    shared = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
    return [
        _write_slice(folder / f"IM{k + 1:04d}.dcm", k, plane, shared, edit)
        for k, plane in enumerate(hounsfield(slices))
    ]


def _write_slice(path: Path, k: int, plane: np.ndarray, shared: dict[str, str], edit: Edit | None) -> Path:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    fields = shared | {
        "Modality": "CT", "PatientName": "Phantom^Test", "PatientID": "P0", "StudyDate": "20200101", "StudyID": "1",
        "StudyTime": "120000", "AccessionNumber": "", "PatientBirthDate": "", "PatientSex": "O", "SeriesNumber": 2,
        "ReferringPhysicianName": "", "InstanceNumber": k + 1, "Manufacturer": "none",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [*FIRST_LPS[:2].tolist(), FIRST_LPS[2] + STEP_MM * k],
        "PixelSpacing": [SPACING_MM[1], SPACING_MM[0]], "SliceThickness": STEP_MM, "Rows": plane.shape[0],
        "Columns": plane.shape[1], "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 13, "HighBit": 12, "PixelRepresentation": 0, "RescaleIntercept": -1024,
        "RescaleSlope": 1, "PixelData": (plane.astype(int) + 1024).astype(np.uint16).tobytes(),
    }  # fmt: skip
    for name, value in fields.items():
        setattr(dataset, name, value)
    if edit is not None:
        edit(dataset, k)
    dataset.save_as(path, enforce_file_format=True)
    return path


def change(path: Path, edit: Callable[[Any], None]) -> None:
    """Change one file of a series."""
    dataset = pydicom.dcmread(path)
    edit(dataset)
    dataset.save_as(path)


def pydicom_values(paths: Iterable[Path]) -> np.ndarray:
    """(K, J, I) as pydicom's `apply_modality_lut` gives them, slices from inferior to superior."""
    datasets = sorted(map(pydicom.dcmread, paths), key=lambda dataset: dataset.ImagePositionPatient[2])
    return np.stack([apply_modality_lut(pixel_array(dataset), dataset) for dataset in datasets])
