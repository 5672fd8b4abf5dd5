"""What reading a volume takes is counted before, and is no more than what was counted."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dfqsam_core.base import memory
from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import read_volume
from dfqsam_core.volume.files.voxel_types import memory_bytes
from Testing.support.dicom_series import write_series

SHAPE = (96, 96, 80)
TEXT_HEADER = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: text\n\n"
)


def a_nifti(path: Path, shape: tuple[int, ...], dtype: str, slope: float = 1) -> Path:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_slope_inter(slope, 0)
    header["vox_offset"] = 352
    voxels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    path.write_bytes(header.binaryblock + bytes(4) + voxels.tobytes("F"))
    return path


def peak_bytes(read: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("shape", "dtype", "slope"),
    [
        (SHAPE, "u1", 0.5),
        ((*SHAPE, 1), "u1", 0.5),
        ((*SHAPE, 3), "u1", 0.5),
        ((1, *SHAPE), "<i2", 0.5),
        (SHAPE, "<f8", 1),
        (SHAPE, "<i8", 1),
        (SHAPE, "<i2", 1),
    ],
)
def test_a_nifti_takes_no_more_than_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str, slope: float
) -> None:
    """A mapped file is not counted here, so the stored voxels are left out of one side."""
    monkeypatch.setattr("dfqsam_core.volume.files.nifti._PIECE_VOXELS", 2**12)
    monkeypatch.setattr("dfqsam_core.volume.files.voxel_types._PIECE_VOXELS", 2**12)
    if shape[0] == 1:
        shape = (shape[1] * shape[2], shape[3], 1)
    path = a_nifti(tmp_path / "v.nii", shape, dtype, slope)
    frame = 1 if shape[3:] == (3,) else None
    read_volume(path, frame)
    assert peak_bytes(lambda: read_volume(path, frame)) < 1.1 * memory_bytes(shape[:3], np.dtype(dtype), slope != 1)


def test_a_compressed_nifti_is_in_memory_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gzip's own reader makes a second copy, whatever it is told to read into."""
    monkeypatch.setattr("dfqsam_core.volume.files.headers._PIECE_BYTES", 2**16)
    plain = a_nifti(tmp_path / "v.nii", SHAPE, "<f8")
    path = tmp_path / "v.nii.gz"
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))
    np.testing.assert_array_equal(read_volume(path).voxels_kji, read_volume(plain).voxels_kji)
    assert peak_bytes(lambda: read_volume(path)) < 1.5 * 8 * np.prod(SHAPE) + 2 * path.stat().st_size


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("slope", [1, 0.5])
def test_a_frame_is_nibabels_frame(tmp_path: Path, slope: float, suffix: str) -> None:
    path = a_nifti(tmp_path / "v.nii", (4, 5, 6, 2, 3), "<i2", slope)
    if suffix == ".nii.gz":
        path = path.with_suffix(suffix)
        path.write_bytes(gzip.compress((tmp_path / "v.nii").read_bytes()))
    frames = nibabel.load(path).get_fdata().reshape(4, 5, 6, 6, order="F")
    for frame in range(6):
        np.testing.assert_array_equal(read_volume(path, frame).voxels_kji.T, frames[..., frame])


def test_a_large_ct_is_read_and_a_large_picture_is_not(tmp_path: Path) -> None:
    """A slice of the second would take 32 bytes for each of its pixels when it is segmented."""
    assert memory_bytes((512, 512, 1500), np.dtype(np.int16)) < memory.MAX_READING_BYTES
    path = tmp_path / "v.nii"
    a_nifti(path, (1, 1, 1), "u1")
    header = nibabel.Nifti1Header.from_fileobj(path.open("rb"))
    header.set_data_shape((25000, 25000, 1))
    with path.open("r+b") as file:
        file.write(header.binaryblock)
        file.truncate(352 + 25000**2)
    with pytest.raises(VolumeError, match="GB of memory"):
        read_volume(path)


def test_a_deflated_image_is_not_inflated_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "s")
    path = sorted((tmp_path / "s").iterdir())[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.add_new(0x7FE11010, "OB", bytes(2**26))
    dataset.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    assert read_volume(tmp_path / "bomb.dcm").voxels_kji.ndim == 3
    monkeypatch.setattr(memory, "MAX_READING_BYTES", 2**26)

    def refused() -> None:
        with pytest.raises(VolumeError, match="deflated, needs"):
            read_volume(tmp_path / "bomb.dcm")

    assert peak_bytes(refused) < 2**25


def test_words_behind_the_voxels_of_a_text_nrrd_are_not_split(tmp_path: Path) -> None:
    path = tmp_path / "v.nrrd"
    path.write_text(TEXT_HEADER + "1 2 3 4 5 6 7 8 " + "9 " * 2**20)
    np.testing.assert_array_equal(read_volume(path).voxels_kji.ravel(), range(1, 9))
    assert peak_bytes(lambda: read_volume(path)) < 5 * path.stat().st_size


def test_a_gzip_stream_that_never_ends_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = a_nifti(tmp_path / "v.nii", (4, 5, 6), "<i2").read_bytes()
    stream = zlib.compressobj(wbits=31)
    path = tmp_path / "v.nii.gz"
    path.write_bytes(stream.compress(whole + bytes(2**22)) + stream.flush())
    assert read_volume(path).geometry.shape_ijk == (4, 5, 6)
    monkeypatch.setattr("dfqsam_core.volume.files.nifti._SURPLUS_BYTES", 2**20)
    with pytest.raises(VolumeError, match="far more than its header says"):
        read_volume(path)
