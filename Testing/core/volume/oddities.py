"""What other programs leave behind: each oddity made from nothing, with what becomes of it (docs/use/volumes.md)."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.uid import generate_uid

from Testing.support.dicom_series import Edit, change, write_series

READ, NOTED, LISTED, REFUSED = "read", "read, with a note", "passed over, and listed", "refused by name"
AFFINE = np.array([[1.5, 0, 0, -48], [0, 1.25, 0, -40], [0, 0, 4, -20], [0, 0, 0, 1.0]])
VOXELS = (np.arange(4 * 5 * 6, dtype=np.int16) * 9 - 500).reshape(4, 5, 6)


@dataclass(frozen=True)
class Oddity:
    """make: writes it into an empty folder and returns what to read. outcome: one of the four. said: of the refusal."""

    make: Callable[[Path], Path]
    outcome: str
    said: str = ""


def damaged(number: int, damage: Callable[[Path], object]) -> Callable[[Path], Path]:
    """A series of which the file `number` is damaged."""

    def make(folder: Path) -> Path:
        damage(write_series(folder / "series")[number])
        return folder / "series"

    return make


def edited(edit: Edit) -> Callable[[Path], Path]:
    """A series of which every slice is edited before it is written."""

    def make(folder: Path) -> Path:
        write_series(folder / "series", edit)
        return folder / "series"

    return make


def beside(leave: Callable[[Path], object]) -> Callable[[Path], Path]:
    """A series in whose folder something else is left."""

    def make(folder: Path) -> Path:
        write_series(folder / "series")
        leave(folder / "series")
        return folder / "series"

    return make


def setting(**fields: Any) -> Edit:
    """An edit that sets fields of every slice."""

    def edit(dataset: Any, k: int) -> None:
        for name, value in fields.items():
            setattr(dataset, name, value)

    return edit


def without(*names: str) -> Callable[[Path], None]:
    """A damage that takes fields away."""

    def damage(path: Path) -> None:
        change(path, lambda dataset: [delattr(dataset, name) for name in names])

    return damage


def dangling(path: Path) -> None:
    """A link to a file that was not fetched, as git-annex leaves it."""
    path.unlink()
    path.symlink_to("../.git/annex/objects/not-fetched")


def headerless(path: Path) -> None:
    """The data set alone, without preamble and meta header."""
    path.write_bytes(path.read_bytes()[132:])


def packed(path: Path) -> None:
    """The file compressed by itself."""
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def other_series_without_position(folder: Path) -> None:
    """A secondary picture of the same study."""
    dataset = pydicom.dcmread(folder / "IM0001.dcm")
    del dataset.ImagePositionPatient
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid()
    dataset.save_as(folder / "picture.dcm")


def system_files(folder: Path) -> None:
    """What file browsers, CDs and this program leave beside the slices."""
    for name, content in {
        ".DS_Store": b"", "._IM0001.dcm": b"\0\5\x16\7", "Thumbs.db": b"\xd0\xcf\x11\xe0", "DICOMDIR": b"x",
        "viewer.exe": b"MZ\0\0", "README": b"read me", "labels.nii.gz": gzip.compress(b"x"), "series.json": b"{}",
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)


def linked_folder(folder: Path) -> Path:
    """A series whose later half lies in a linked folder."""
    paths = write_series(folder / "series")
    (folder / "elsewhere").mkdir()
    for path in paths[3:]:
        shutil.move(path, folder / "elsewhere")
    (folder / "series" / "more").symlink_to(folder / "elsewhere")
    return folder / "series"


def differing_copy(folder: Path) -> None:
    """Another file that calls itself the third slice."""
    shutil.copy(folder / "IM0003.dcm", folder / "IM0003 (1).dcm")
    change(folder / "IM0003 (1).dcm", lambda dataset: setattr(dataset, "RescaleIntercept", -1000))


def rounded(dataset: Any, k: int) -> None:
    """Positions of 0.25 mm slices, written with one decimal."""
    dataset.ImagePositionPatient = [-50, -40, round(-100 + 0.25 * k, 1)]


def rounded_oblique(dataset: Any, k: int) -> None:
    """Positions of oblique 0.5 mm slices, which seem to lean when each coordinate is rounded by itself."""
    dataset.ImageOrientationPatient = [0.8, 0.6, 0, -0.48, 0.64, 0.6]
    offset = 0.5 * k * np.array([0.36, -0.48, 0.8])
    dataset.ImagePositionPatient = (np.array([-50.0, -40.0, -100.0]) + offset).round(1).tolist()


def a_lut(values: np.ndarray) -> Edit:
    """A Modality LUT of 16 bits in the place of slope and intercept."""

    def edit(dataset: Any, k: int) -> None:
        del dataset.RescaleSlope, dataset.RescaleIntercept
        table = pydicom.Dataset()
        table.add_new(0x00283002, "US", [len(values), 0, 16])
        table.add_new(0x00283004, "LO", "HU")
        table.add_new(0x00283006, "OW", values.astype(np.uint16).tobytes())
        dataset.ModalityLUTSequence = [table]

    return edit


def nifti(
    sform_code: int = 1,
    qform_code: int = 1,
    apart_mm: float = 0.0,
    unit: str = "mm",
    factor: float = 1.0,
    zoom: float = 1,
) -> Callable[[Path], Path]:
    """A NIfTI whose qform lies `apart_mm` to the right of its sform, lengths times `factor` in `unit`."""

    def make(folder: Path) -> Path:
        image = nibabel.Nifti1Image(VOXELS.T, None)
        scale = np.diag([factor, factor, factor, 1.0])
        shift = np.eye(4)
        shift[0, 3] = apart_mm
        image.set_sform(scale @ AFFINE, sform_code)
        image.set_qform(scale @ shift @ AFFINE, qform_code)
        image.header["pixdim"][1:4] *= zoom
        image.header.set_xyzt_units(unit)
        nibabel.save(image, folder / "v.nii.gz")
        return folder / "v.nii.gz"

    return make


def nrrd(fields: str = "", encoding: str = "raw", data: bytes | None = None) -> Callable[[Path], Path]:
    """A NRRD of VOXELS in LPS; `fields`: more lines of its header."""

    def make(folder: Path) -> Path:
        place = "space directions: (1.5,0,0) (0,1.25,0) (0,0,4)\nspace origin: (-48,-40,-20)\n"
        header = (
            "NRRD0005\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 6 5 4\nendian: little\n"
            f"encoding: {encoding}\n{place}{fields}\n"
        )
        raw = VOXELS.astype("<i2").tobytes()
        (folder / "v.nrrd").write_bytes(header.encode("latin-1") + (raw if data is None else data))
        return folder / "v.nrrd"

    return make


def members() -> bytes:
    """VOXELS as a gzip stream of several members."""
    raw = VOXELS.astype("<i2").tobytes()
    return b"".join(gzip.compress(raw[start : start + 50]) for start in range(0, len(raw), 50)) + gzip.compress(b"")


ODDITIES: dict[str, Oddity] = {
    "DICOM: the first file is empty": Oddity(
        damaged(0, lambda path: path.write_bytes(b"")), REFUSED, "IM0001.dcm is empty"
    ),
    "DICOM: the last file is all zeros": Oddity(
        damaged(-1, lambda path: path.write_bytes(bytes(path.stat().st_size))), REFUSED, "IM0005.dcm is empty"
    ),
    "DICOM: a file is cut in its header": Oddity(
        damaged(-1, lambda path: path.write_bytes(path.read_bytes()[:700])), REFUSED, "IM0005.dcm has no image size"
    ),
    "DICOM: a file is cut in its pixels": Oddity(
        damaged(-1, lambda path: path.write_bytes(path.read_bytes()[:-20])), REFUSED, "IM0005.dcm cannot be decoded"
    ),
    "DICOM: a link leads to nothing (git-annex)": Oddity(damaged(-1, dangling), REFUSED, "IM0005.dcm cannot be opened"),
    "DICOM: a link to a folder that is not there": Oddity(
        beside(lambda folder: (folder / "more").symlink_to(folder / "not mounted")), REFUSED, "more cannot be opened"
    ),
    "DICOM: a page or an archive under the name of a slice": Oddity(
        damaged(-1, lambda path: path.write_bytes(b"<html>404</html>")), REFUSED, "IM0005.dcm is not a DICOM file"
    ),
    "DICOM: a pointer of git-lfs in the place of a file": Oddity(
        damaged(-1, lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")),
        REFUSED,
        "IM0005.dcm only points",
    ),
    "DICOM: a file without preamble and meta header": Oddity(
        damaged(-1, headerless), REFUSED, "IM0005.dcm is DICOM without"
    ),
    "DICOM: a packed or half-copied file (.dcm.gz, .dcm.part)": Oddity(
        damaged(-1, packed), REFUSED, "IM0005.dcm.gz is packed"
    ),
    "DICOM: a slice without position": Oddity(
        damaged(-1, without("ImagePositionPatient")), REFUSED, "IM0005.dcm has no usable ImagePositionPatient"
    ),
    "DICOM: a pipe or device in the place of a file": Oddity(
        damaged(-1, lambda path: (path.unlink(), os.mkfifo(path))), REFUSED, "IM0005.dcm cannot be opened"
    ),
    "DICOM: a linked folder": Oddity(linked_folder, READ),
    "DICOM: an image of another series that has no position": Oddity(beside(other_series_without_position), LISTED),
    "DICOM: files of the system, of a CD and of this program": Oddity(beside(system_files), LISTED),
    "DICOM: a slice copied under another name": Oddity(
        beside(lambda folder: shutil.copy(folder / "IM0003.dcm", folder / "IM0003 (1).dcm")), LISTED
    ),
    "DICOM: two different files with one SOPInstanceUID": Oddity(
        beside(differing_copy), REFUSED, "call themselves one image"
    ),
    "DICOM: positions rounded to 0.1 mm at fine spacing": Oddity(edited(rounded), READ),
    "DICOM: the same in an oblique stack": Oddity(edited(rounded_oblique), READ),
    "DICOM: RescaleSlope is 0 or no number": Oddity(edited(setting(RescaleSlope=0)), REFUSED, "rescale slope 0"),
    "DICOM: a rescale slope or intercept without the other": Oddity(
        edited(lambda dataset, k: delattr(dataset, "RescaleSlope")), REFUSED, "without the other"
    ),
    "DICOM: a Modality LUT": Oddity(edited(a_lut(np.arange(4096) * 3)), READ),
    "DICOM: a Modality LUT whose sign is not known": Oddity(
        edited(a_lut(np.arange(4096) - 1024)), REFUSED, "Modality LUT"
    ),
    "DICOM: MONOCHROME1": Oddity(edited(setting(PhotometricInterpretation="MONOCHROME1")), NOTED),
    "DICOM: a Siemens mosaic": Oddity(
        edited(setting(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])), REFUSED, "mosaic.*dcm2niix"
    ),
    "NIfTI: sform and qform disagree": Oddity(nifti(2, 1, apart_mm=12), NOTED),
    "NIfTI: the sform is of the scanner, the qform disagrees": Oddity(nifti(1, 1, apart_mm=12), NOTED),
    "NIfTI: neither sform nor qform": Oddity(nifti(0, 0), NOTED),
    "NIfTI: pixdim disagrees with the sform": Oddity(nifti(2, 0, zoom=2), NOTED),
    "NIfTI: lengths in micrometres": Oddity(nifti(unit="micron", factor=1000), NOTED),
    "NIfTI: lengths in metres": Oddity(nifti(unit="meter", factor=0.001), NOTED),
    "NRRD: gzip of several members": Oddity(nrrd(encoding="gzip", data=members()), READ),
    "NRRD: voxels as text": Oddity(nrrd(encoding="ascii", data=" ".join(map(str, VOXELS.ravel())).encode()), READ),
    "NRRD: space units that are not mm": Oddity(nrrd('space units: "um" "um" "um"\n'), NOTED),
    "NRRD: voxels in another file": Oddity(nrrd("data file: secret.raw\n"), REFUSED, "another file"),
    "NRRD: the same behind a key that holds `:=`": Oddity(nrrd("data file: secret.raw :=\n"), REFUSED, "another file"),
    "NRRD: a field twice, or one that is none": Oddity(nrrd("sizes: 6 5 4\n"), REFUSED, "twice"),
}
