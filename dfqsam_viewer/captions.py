"""Whose images are shown: patient and series, as the DICOM files have them. On the page alone: never in its title.

A browser keeps the titles of pages in its history.
"""

from __future__ import annotations

from dfqsam_core.volume import Volume
from dfqsam_core.volume.files.dicom_frames import parse_file


def patient_and_series(volume: Volume) -> str:
    """Name, ID and series in one line, without what is missing; "" for a volume that is no DICOM series."""
    if not volume.dicom_frames:
        return ""
    dataset = parse_file(volume.dicom_frames[0].path, stop_before_pixels=True)
    name = " ".join(str(dataset.get("PatientName") or "").replace("^", " ").split())
    parts = (name, str(dataset.get("PatientID") or ""), str(dataset.get("SeriesDescription") or ""))
    return ", ".join(part.strip() for part in parts if part.strip())
