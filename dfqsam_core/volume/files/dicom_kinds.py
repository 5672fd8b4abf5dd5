"""What a DICOM file is: an image that slices are made of, an object of another kind, or an image to refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import VolumeError

# Siemens' number of slices in a mosaic.
_MOSAIC_IMAGES = (0x0019, 0x100A)
# Objects that carry pixels or positions but are no images of the patient.
_NO_IMAGES = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "SR", "KO", "PR", "REG", "RWV"}


class NotDicomError(VolumeError):
    """The file is no DICOM file at all."""


class NoImageError(VolumeError):
    """The file is a DICOM object of another kind; kind: which one, reason: the same in words."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(f"{path} is a DICOM object of the kind {kind}, not an image of a patient.")
        self.kind = kind
        self.reason = f"a DICOM object of the kind {kind}"


class RefusedImageError(VolumeError):
    """An image that cannot be used, perhaps a slice of the series; series: its UID, empty where it is unknown."""

    def __init__(self, message: str, series: str = "") -> None:
        super().__init__(message)
        self.series = series


def refuse_other_kinds(path: Path, dataset: Any) -> None:
    """Raise NoImageError for reports, plans and the like; VolumeError for images that no slice can be made of."""
    modality = str(dataset.get("Modality", ""))
    if modality in _NO_IMAGES:
        raise NoImageError(path, modality)
    if "Rows" not in dataset:
        kind = _storage_kind(dataset)
        if kind and "Image" not in kind:
            raise NoImageError(path, kind)
        # What stands before the place where a file is cut may be cut, too: its series is not known.
        raise RefusedImageError(
            f"{path} has no image size, so it is not an image to read; it may be cut short. Get it again."
        )
    if any(str(word).upper() == "MOSAIC" for word in _words(dataset.get("ImageType"))) or dataset.get(_MOSAIC_IMAGES):
        raise VolumeError(
            f"{path} is a mosaic: one image that shows many slices side by side, whose places are in private fields. "
            "Convert the series with dcm2niix and use the NIfTI file."
        )
    if int(dataset.get("SamplesPerPixel", 1)) != 1:
        raise VolumeError(f"{path} is a colour image; one grey value per pixel is needed.")


def _storage_kind(dataset: Any) -> str:
    """Name of the object's SOP class; empty where it is none that is known, and not told twice as private ones are.

    Only the beginning of the UID may be left in a file that is cut.
    """
    uid = dataset.file_meta.get("MediaStorageSOPClassUID") or dataset.get("SOPClassUID")
    name = str(getattr(uid, "name", uid) or "")
    return name if name != uid or uid == dataset.get("SOPClassUID") else ""


def _words(value: Any) -> list[Any]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
