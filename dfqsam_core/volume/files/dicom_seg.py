"""Label maps as DICOM SEG, through highdicom: segments of the series they were drawn on, as an archive keeps them."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...base.installation import install_command
from ...errors import OutputError
from ..volume import Volume
from .dicom_frames import parse_file

SUFFIX = ".dcm"
_MANUFACTURER, _PRODUCT = "DFQSAMSlicer", "dfqsam"
# Longest text of the value representation LO, which holds a segment's name.
_MAX_NAME = 64
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
# Attributes that the standard wants present but lets be empty, and that anonymized series often lack.
_MAY_BE_EMPTY = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyID",
    "StudyTime",
)


def check_dicom_seg(path: Path, volume: Volume) -> None:
    """Raise OutputError unless `volume` was read from one well identified DICOM series and highdicom is installed."""
    frames = volume.dicom_frames
    if not frames:
        raise OutputError(
            f"Cannot write {path.name}: a DICOM SEG refers to the DICOM series it was drawn on, and the volume "
            f"{volume.source} is none. Read the series itself, or write .seg.nrrd."
        )
    files = {frame.path for frame in frames}
    if 1 < len(files) < len(frames):
        raise OutputError(
            f"Cannot write {path.name}: the series is spread over {len(files)} multi-frame files, and a DICOM SEG can "
            "refer to one. Write .seg.nrrd instead."
        )
    header = _header(frames[0].path)
    missing = [name for name in _NEEDED if not header.get(name)]
    if missing:
        raise OutputError(
            f"Cannot write {path.name}: the images of {volume.source} have no {missing[0]}, by which a DICOM SEG would "
            "refer to them. Write .seg.nrrd instead."
        )
    if importlib.util.find_spec("highdicom") is None:
        raise OutputError(f"DICOM SEG needs highdicom. Install the extra: {install_command('dicomseg')}.")


def write_dicom_seg(path: Path, labels_kji: np.ndarray, volume: Volume, names: Mapping[int, str]) -> None:
    """Write `labels_kji` (K, J, I) as a binary DICOM SEG with one segment per label that is present or named.

    Segments are numbered from 1 in the order of their labels, as DICOM asks; the label stands in the segment's
    description. Each file is a new DICOM object with UIDs and dates of its own, so its bytes differ from run to run.
    Raises OutputError where `check_dicom_seg` does, without any label, and for a series with a defective header.
    """
    check_dicom_seg(path, volume)
    labels = sorted(set(np.unique(labels_kji).tolist()) - {0} | set(names))
    if not labels:
        raise OutputError("A DICOM SEG needs at least one segment, and the label map is empty and without names.")
    numbers = np.zeros(max(labels) + 1, np.uint16)
    numbers[labels] = np.arange(1, len(labels) + 1)
    order = np.argsort([frame.number for frame in volume.dicom_frames], kind="stable")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            segments = [_description(number, label, names) for number, label in enumerate(labels, 1)]
            segmentation = _segmentation(volume, numbers[labels_kji[order]], segments)
            segmentation.save_as(path)
            _read_back(path, segmentation)
    except Exception as error:  # highdicom raises nearly anything for headers that break the standard
        reason = str(error).rstrip(".")
        raise OutputError(f"A DICOM SEG of {volume.source} cannot be written: {reason}. Write .seg.nrrd.") from error


def _read_back(path: Path, segmentation: Any) -> None:
    """Raise OutputError unless a written file gives the same frames again."""
    if parse_file(path).PixelData != segmentation.PixelData:
        raise OutputError("what was written gives other frames")


def _description(number: int, label: int, names: Mapping[int, str]) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    # What is outlined is the user's to say: "tissue" is the least that is always true.
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=" ".join(names.get(label, f"Segment_{label}").replace("\\", "/").split())[:_MAX_NAME],
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=_PRODUCT, version=__version__, family=codes.DCM.ArtificialIntelligence
        ),
    )
    description.SegmentDescription = f"label {label}"
    return description


def _header(file: Path) -> Any:
    dataset = parse_file(file, stop_before_pixels=True)
    for name in _MAY_BE_EMPTY:
        if name not in dataset:
            setattr(dataset, name, None)
    _bring_to_unicode(dataset)
    if "PerFrameFunctionalGroupsSequence" in dataset:
        _share_measures(dataset)
    return dataset


def _bring_to_unicode(dataset: Any) -> None:
    """Texts of whatever character sets, several in Japanese and Korean series, as one that highdicom takes."""
    if not dataset.get("SpecificCharacterSet"):
        # Present but empty is what anonymizers leave of it, and no character set.
        dataset.pop("SpecificCharacterSet", None)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.decode()
        for element in dataset.iterall():
            if element.VR == "PN":
                element.value = [str(name) for name in element.value] if element.VM > 1 else str(element.value or "")
        dataset.SpecificCharacterSet = "ISO_IR 192"


def _share_measures(dataset: Any) -> None:
    """Put what all frames have alike where highdicom looks for it; files may keep it frame by frame."""
    import pydicom

    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        if name not in shared:
            setattr(shared, name, dataset.PerFrameFunctionalGroupsSequence[0][name].value)
    dataset.SharedFunctionalGroupsSequence = [shared]


def _segmentation(volume: Volume, numbers_kji: np.ndarray, segments: list[Any]) -> Any:
    """DICOM object of segment numbers (K, J, I) in the order of the series' files, or of the frames of its one file."""
    import highdicom as hd

    files = list(dict.fromkeys(frame.path for frame in volume.dicom_frames))
    segmentation = hd.seg.Segmentation(
        source_images=[_header(file) for file in files],
        pixel_array=numbers_kji,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=_MANUFACTURER,
        manufacturer_model_name=_PRODUCT,
        software_versions=__version__,
        # Type 1 in the standard, and software has no serial number.
        device_serial_number="0",
        content_label="SEGMENTATION",
        series_description="dfqsam segmentation",
    )
    segmentation.SpecificCharacterSet = "ISO_IR 192"
    return segmentation
