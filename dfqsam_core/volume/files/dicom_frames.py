"""Image planes in DICOM files: classic single frames and enhanced multi-frame objects alike, headers only."""

from __future__ import annotations

import io
import os
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...base.memory import require_memory
from ...errors import VolumeError
from .dicom_kinds import NoImageError, NotDicomError, RefusedImageError, refuse_other_kinds

_PIECE_BYTES = 2**22


@dataclass(frozen=True, eq=False)
class Frame:
    """One image plane.

    path, number: its file and its place in it (0 for a single-frame file). series: SeriesInstanceUID.
    position_lps: (3,) mm, centre of its first pixel. directions_lps: (3, 2) unit vectors along a row, along a column.
    spacing_mm: between columns, between rows. rows, columns: size in pixels. thickness_mm: 0 where unknown.
    slope, intercept: value = stored value * slope + intercept, unless has_lut: then a Modality LUT gives the values.
    instance: SOPInstanceUID. is_white_low: MONOCHROME1, which is about display and changes no value.
    """

    path: Path
    number: int
    series: str
    description: str
    modality: str
    position_lps: np.ndarray
    directions_lps: np.ndarray
    spacing_mm: tuple[float, float]
    rows: int
    columns: int
    thickness_mm: float
    slope: float
    intercept: float
    has_lut: bool = False
    instance: str = ""
    is_white_low: bool = False

    @property
    def normal_lps(self) -> np.ndarray:
        """(3,) unit vector across the plane, right-handed with its rows and columns."""
        return np.cross(self.directions_lps[:, 0], self.directions_lps[:, 1])


def frames_in_file(path: Path) -> list[Frame]:
    """Frames of one DICOM image.

    Raises NotDicomError, NoImageError, or RefusedImageError for an image that is damaged or has no place.
    """
    dataset = _header(path)
    series = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            series = str(dataset.get("SeriesInstanceUID") or "")
            refuse_other_kinds(path, dataset)
            return _frames(path, dataset)
    except (NoImageError, RefusedImageError):
        raise
    except VolumeError as error:
        raise RefusedImageError(str(error), series) from error
    except Exception as error:  # pydicom raises nearly anything for values that break the standard
        raise RefusedImageError(f"{path} has a damaged header: {error}. Export it again.", series) from error


def _frames(path: Path, dataset: Any) -> list[Frame]:
    if "PerFrameFunctionalGroupsSequence" in dataset:
        groups = dataset.PerFrameFunctionalGroupsSequence
        return [_enhanced_frame(path, dataset, group, number) for number, group in enumerate(groups)]
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise VolumeError(f"{path} has several frames without a position each; it is a film, not a volume.")
    return [_frame(path, 0, dataset, dataset, dataset, dataset, dataset)]


def _header(path: Path) -> Any:
    from pydicom.errors import InvalidDicomError

    try:
        return parse_file(path, stop_before_pixels=True)
    except InvalidDicomError as error:
        raise NotDicomError(
            f"{path} is not a volume: it is neither NIfTI (.nii, .nii.gz), .nrrd, .mha nor a DICOM file. "
            "A DICOM file without its meta header must be exported again."
        ) from error
    except VolumeError as error:
        raise RefusedImageError(str(error)) from error
    except OSError as error:
        raise RefusedImageError(f"{path} cannot be opened: {error.strerror or error}. Check the path.") from error
    except Exception as error:  # pydicom raises nearly anything for bytes that break the standard
        raise RefusedImageError(f"{path} is a damaged DICOM file: {error}. Export it again.") from error


def parse_file(path: Path, stop_before_pixels: bool = False) -> Any:
    """pydicom's data set of a file, without its warnings; raises whatever pydicom raises."""
    import pydicom

    with warnings.catch_warnings(), _BoundedReader(path) as file:
        warnings.simplefilter("ignore")
        return pydicom.dcmread(file, stop_before_pixels=stop_before_pixels)


class _BoundedReader(io.BufferedReader):
    """A file that takes no more memory than it has bytes, whatever length a damaged header makes pydicom ask for.

    What is read to the end is inflated by pydicom at once: how much that is, is asked before.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._path = path
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes, all that are left where it is negative or None."""
        left = max(0, self._size - self.tell())
        if size is not None and size >= 0:
            return super().read(min(size, left))
        content = super().read(left)
        _require_inflated(self._path, content)
        return content


def _require_inflated(path: Path, content: bytes) -> None:
    """Raise VolumeError when a raw deflate stream unfolds to more than memory holds twice, as pydicom does."""
    stream, inflated, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, content
    while rest and not stream.eof:
        inflated += len(stream.decompress(rest, _PIECE_BYTES))
        require_memory(len(content) + 2 * inflated, f"{path}, which is deflated,")
        rest = stream.unconsumed_tail


def _enhanced_frame(path: Path, dataset: Any, group: Any, number: int) -> Frame:
    shared = dataset.SharedFunctionalGroupsSequence[0] if dataset.get("SharedFunctionalGroupsSequence") else {}

    def item(name: str) -> Any:
        """The frame's own part of the header, or else the one that all frames share."""
        found = group.get(name) or shared.get(name)
        return found[0] if found else {}

    return _frame(
        path,
        number,
        dataset,
        position=item("PlanePositionSequence"),
        orientation=item("PlaneOrientationSequence"),
        measures=item("PixelMeasuresSequence"),
        rescale=item("PixelValueTransformationSequence"),
    )


def _frame(
    path: Path, number: int, dataset: Any, position: Any, orientation: Any, measures: Any, rescale: Any
) -> Frame:
    """Frame from the parts of a header that hold its fields: one data set, or one functional group for each."""
    directions = _numbers(path, orientation, "ImageOrientationPatient", 6).reshape(2, 3).T
    lengths = np.linalg.norm(directions, axis=0)
    if lengths.min() < 0.9:
        raise VolumeError(f"{path} has an ImageOrientationPatient that is not a pair of directions. Export it again.")
    row_spacing, column_spacing = _numbers(path, measures, "PixelSpacing", 2)
    has_lut = bool(rescale.get("ModalityLUTSequence"))
    slope, intercept = (1.0, 0.0) if has_lut else _rescale(path, rescale)
    return Frame(
        path=path,
        number=number,
        series=str(dataset.get("SeriesInstanceUID", "")),
        description=str(dataset.get("SeriesDescription", "")),
        modality=str(dataset.get("Modality", "")),
        position_lps=_numbers(path, position, "ImagePositionPatient", 3),
        directions_lps=directions / lengths,
        spacing_mm=(float(column_spacing), float(row_spacing)),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        thickness_mm=float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 0),
        slope=slope,
        intercept=intercept,
        has_lut=has_lut,
        instance=str(dataset.get("SOPInstanceUID") or ""),
        is_white_low=dataset.get("PhotometricInterpretation") == "MONOCHROME1",
    )


def _rescale(path: Path, rescale: Any) -> tuple[float, float]:
    """Slope and intercept; raises VolumeError where one is missing, and for those that make one value of all.

    Of one without the other programs make different values: pydicom's `apply_modality_lut` takes neither then.
    """
    written = [rescale.get(name) for name in ("RescaleSlope", "RescaleIntercept")]
    slope, intercept = (
        default if value is None else float(value) for value, default in zip(written, (1.0, 0.0), strict=True)
    )
    if None in written and (slope, intercept) != (1, 0):
        raise VolumeError(
            f"{path} has a rescale slope or an intercept without the other, so that its grey values are not known. "
            "Export the series again."
        )
    if not (np.isfinite((slope, intercept)).all() and slope != 0):
        raise VolumeError(
            f"{path} has the rescale slope {slope:g} and intercept {intercept:g}, which leave no grey values. "
            "Export the series again, without the program that changed it."
        )
    return slope, intercept


def _numbers(path: Path, dataset: Any, name: str, count: int) -> np.ndarray:
    values = np.array([float(value) for value in dataset.get(name) or ()])
    if len(values) != count or not np.isfinite(values).all():
        raise VolumeError(f"{path} has no usable {name}: its place in the patient is unknown.")
    return values
