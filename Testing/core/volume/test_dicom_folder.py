"""No slice is lost in silence: what is in a folder is read, refused by name, or listed as passed over."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import generate_uid

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import read_volume, write_label_map
from dfqsam_core.volume.batch.record import input_digest
from Testing.support.dicom_series import FIRST_LPS, change, hounsfield, pydicom_values, write_series

from .oddities import linked_folder, system_files

# Without a time stamp: each process of a test run names its tests by it.
_PACKED = gzip.compress(b"x", mtime=0)


@pytest.mark.parametrize("length", range(0, 1100, 37))
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path: Path, length: int) -> None:
    last = write_series(tmp_path / "s")[-1]
    last.write_bytes(last.read_bytes()[:length])
    with pytest.raises(VolumeError, match=r"IM0005\.dcm"):
        read_volume(tmp_path / "s")


@pytest.mark.parametrize("name", ["IM0005", "1.2.840.5", "IM.0005", "slice5.xyz", "IM0005.IMA"])
@pytest.mark.parametrize("content", [b"", bytes(2000), b"\x07\x99" * 900])
def test_names_tell_what_could_be_a_slice(tmp_path: Path, name: str, content: bytes) -> None:
    """Whatever ending the slices have, an empty or unreadable file of that ending is one of them."""
    paths = write_series(tmp_path / "s")
    for n, path in enumerate(paths, 1):
        path.rename(path.with_name(name.replace("5", str(n))))
    read_volume(tmp_path / "s")
    (tmp_path / "s" / name).write_bytes(content)
    with pytest.raises(VolumeError, match=name):
        read_volume(tmp_path / "s")


@pytest.mark.parametrize("name", ["IM0005", "1.2.840.5", "slice5.xyz"])
@pytest.mark.parametrize(
    ("behind", "content"),
    [
        ("", b"<html>404</html>"),
        ("", gzip.compress(b"x", mtime=0)),
        (".gz", gzip.compress(b"x", mtime=0)),
        (".part", b""),
    ],
)
def test_what_is_named_as_a_slice_is_one_whatever_it_holds(
    tmp_path: Path, name: str, behind: str, content: bytes
) -> None:
    paths = write_series(tmp_path / "s")
    for n, path in enumerate(paths, 1):
        path.rename(path.with_name(name.replace("5", str(n))))
    (tmp_path / "s" / "README").write_text("read me")
    assert read_volume(tmp_path / "s").passed_over == ("README: not a DICOM file",)
    (tmp_path / "s" / name).unlink()
    (tmp_path / "s" / f"{name}{behind}").write_bytes(content)
    with pytest.raises(VolumeError, match=f"{name}{behind} is"):
        read_volume(tmp_path / "s")


@pytest.mark.parametrize("slices", [3, 5, 20])
def test_rounding_in_an_oblique_stack_is_no_gantry_tilt(tmp_path: Path, slices: int) -> None:
    """Each coordinate is rounded by itself, so that the slices seem to lean; ITK stacks them along the normal."""
    row, column, normal = [0.8, 0.6, 0.0], [-0.48, 0.64, 0.6], np.array([0.36, -0.48, 0.8])

    def edit(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient = row + column
        dataset.ImagePositionPatient = (FIRST_LPS + 0.5 * k * normal).round(1).tolist()

    paths = write_series(tmp_path / "s", edit, slices)
    geometry = read_volume(tmp_path / "s").geometry
    image = SimpleITK.ReadImage([str(path) for path in paths])
    last = [n - 1 for n in geometry.shape_ijk]
    itk_mm = image.TransformIndexToPhysicalPoint(last)
    np.testing.assert_allclose(geometry.from_ijk(last, "LPS"), itk_mm, atol=0.1)


def test_what_is_passed_over_is_listed_with_its_reason(tmp_path: Path) -> None:
    write_series(tmp_path / "s")
    system_files(tmp_path / "s")
    (tmp_path / "s" / ".hidden").mkdir()
    volume = read_volume(tmp_path / "s")
    np.testing.assert_array_equal(volume.voxels_kji, hounsfield())
    listed = dict(line.split(": ", 1) for line in volume.passed_over)
    assert set(listed) == {path.name for path in (tmp_path / "s").iterdir()} - {f"IM000{n}.dcm" for n in range(1, 6)}
    assert listed["README"] == "not a DICOM file"
    assert listed["Thumbs.db"] == "a file of the system"


def test_a_damaged_file_of_another_series_does_no_harm(tmp_path: Path) -> None:
    write_series(tmp_path / "s" / "a")
    other = write_series(tmp_path / "s" / "b")
    change(other[0], lambda dataset: delattr(dataset, "ImagePositionPatient"))
    uid = pydicom.dcmread(tmp_path / "s/a/IM0001.dcm").SeriesInstanceUID
    volume = read_volume(tmp_path / "s", series=uid)
    np.testing.assert_array_equal(volume.voxels_kji, hounsfield())
    assert len(volume.passed_over) == 5
    with pytest.raises(VolumeError, match="no usable ImagePositionPatient"):
        read_volume(tmp_path / "s", series=pydicom.dcmread(other[1]).SeriesInstanceUID)


def test_an_image_that_does_not_say_its_series_is_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s")
    change(paths[-1], lambda dataset: delattr(dataset, "SeriesInstanceUID"))
    with pytest.raises(VolumeError, match=r"IM0005\.dcm does not say"):
        read_volume(tmp_path / "s", series=pydicom.dcmread(paths[0]).SeriesInstanceUID)


def test_every_time_a_slice_is_missing_in_rounded_positions_it_is_found(tmp_path: Path) -> None:
    """0.25 mm slices with one decimal: 0.2 and 0.3 mm apart, and never 0.5."""

    def place(dataset, k):
        dataset.ImagePositionPatient = [-50, -40, round(-100 + 0.25 * k, 1)]

    paths = write_series(tmp_path / "s", place, slices=9)
    np.testing.assert_allclose(read_volume(tmp_path / "s").geometry.spacing_mm[2], 0.25)
    for path in paths[1:-1]:
        path.rename(tmp_path / "out.dcm")
        with pytest.raises(VolumeError, match="not an even stack"):
            read_volume(tmp_path / "s")
        (tmp_path / "out.dcm").rename(path)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write_series(tmp_path / "s")
    (tmp_path / "s" / "again").symlink_to(tmp_path / "s")
    (tmp_path / "s" / "other").mkdir()
    (tmp_path / "s" / "other" / "up").symlink_to(tmp_path)
    np.testing.assert_array_equal(read_volume(tmp_path / "s").voxels_kji, hounsfield())


def test_a_link_to_a_folder_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = linked_folder(tmp_path)
    (tmp_path / "elsewhere").rename(tmp_path / "unmounted")
    with pytest.raises(VolumeError, match="more cannot be opened"):
        read_volume(folder)


def test_a_link_that_leads_out_is_refused_where_it_must_not(tmp_path: Path) -> None:
    folder = linked_folder(tmp_path)
    assert len(read_volume(folder, within=[tmp_path]).dicom_frames) == 5
    with pytest.raises(VolumeError, match="leads out of the folders"):
        read_volume(folder, within=[folder])
    (folder / "more").unlink()
    (folder / "IM0004.dcm").symlink_to(tmp_path / "elsewhere" / "IM0004.dcm")
    with pytest.raises(VolumeError, match=r"IM0004\.dcm leads out of the folders"):
        read_volume(folder, within=[folder])


@pytest.mark.parametrize(
    "names", [("a.hdr", "a.img"), ("a.img", "a.hdr"), ("a.HDR", "a.IMG"), ("a.hdr.gz", "a.img.gz")]
)
def test_the_other_file_of_a_pair_may_not_lead_out(tmp_path: Path, names: tuple[str, str]) -> None:
    import nibabel

    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    nibabel.save(nibabel.Nifti1Pair(np.ones((3, 4, 5), np.int16), np.eye(4)), outside / "a.img")
    for name in ("a.hdr", "a.img"):
        if "gz" in names[0]:
            import gzip

            (outside / f"{name}.gz").write_bytes(gzip.compress((outside / name).read_bytes()))
        elif names[0].isupper() or names[0][2:].isupper():
            (outside / name).rename(outside / (name[0] + name[1:].upper()))
    shutil.copy(outside / names[0], inside)
    (inside / names[1]).symlink_to(outside / names[1])
    assert read_volume(inside / names[0]).geometry.shape_ijk == (3, 4, 5)
    with pytest.raises(VolumeError, match="leads out of the folders"):
        read_volume(inside / names[0], within=[inside])


def test_the_digest_of_a_folder_is_that_of_its_slices(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    paths = write_series(folder)
    before = input_digest(folder)
    volume = read_volume(folder)
    labels = np.ones(volume.voxels_kji.shape, int)
    for name in ("labels.nii.gz", "labels.seg.nrrd", "labels.dcm"):
        write_label_map(folder / name, labels, volume, {1: "all"})
    system_files(folder)
    (folder / "labels.nii.gz.batch.json").write_text("{}")
    assert input_digest(folder) == before
    change(paths[2], lambda dataset: setattr(dataset, "RescaleIntercept", -1000))
    assert input_digest(folder) != before


def test_an_unreadable_folder_inside_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "s")
    (tmp_path / "s" / "more").mkdir()
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(VolumeError, match="more cannot be opened: Permission denied"):
        read_volume(tmp_path / "s")


def test_float_pixels_keep_their_fractions(tmp_path: Path) -> None:
    def as_float(dataset, k):
        dataset.FloatPixelData = (np.arange(42, dtype="<f4") / 8).tobytes()
        dataset.BitsAllocated = 32
        for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(dataset, name)

    paths = write_series(tmp_path / "s", as_float)
    np.testing.assert_array_equal(read_volume(tmp_path / "s").voxels_kji, pydicom_values(paths))


def test_a_hidden_slice_is_read_and_a_hidden_copy_is_not(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s")
    paths[-1].rename(tmp_path / "s" / ".IM0005.dcm")
    shutil.copy(paths[0], tmp_path / "s" / ".nfs0001")
    change(tmp_path / "s" / ".nfs0001", lambda dataset: setattr(dataset, "InstanceNumber", 77))
    np.testing.assert_array_equal(read_volume(tmp_path / "s").voxels_kji, hounsfield())


def test_slices_of_one_place_and_two_images_are_still_called_so(tmp_path: Path) -> None:
    write_series(tmp_path / "s")
    shutil.copy(tmp_path / "s/IM0003.dcm", tmp_path / "s/IM0006.dcm")
    change(tmp_path / "s/IM0006.dcm", lambda dataset: setattr(dataset, "SOPInstanceUID", generate_uid()))
    with pytest.raises(
        VolumeError, match=r"several images at one position, first in IM0003\.dcm and IM0006\.dcm .*copied"
    ):
        read_volume(tmp_path / "s")
