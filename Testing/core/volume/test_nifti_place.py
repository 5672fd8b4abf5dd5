"""Of the places that a NIfTI header gives, the one that ITK shows is taken, and so is a label map's."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import read_volume, write_label_map

from .oddities import AFFINE, nifti
from .test_nrrd import itk_matrix


@pytest.mark.parametrize("unit", ["unknown", "mm", "micron", "meter"])
@pytest.mark.parametrize("zoom", [1, 2])
def test_sform_qform_and_units_are_read_as_itk_reads_them(tmp_path: Path, unit: str, zoom: int) -> None:
    for sform_code, qform_code in itertools.product(range(5), range(5)):
        path = nifti(sform_code, qform_code, 12.0, unit, zoom=zoom)(tmp_path)
        expected = itk_matrix(path)
        found = read_volume(path).geometry.ijk_to_ras
        np.testing.assert_allclose(
            found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(), err_msg=f"{sform_code}{qform_code}"
        )


def test_the_distance_of_both_places_is_said_in_millimetres(tmp_path: Path) -> None:
    volume = read_volume(nifti(2, 1, apart_mm=12, unit="micron", factor=1000)(tmp_path))
    assert "up to 12 mm apart; the qform is used" in volume.notes[0]
    assert read_volume(nifti(2, 1)(tmp_path)).notes == ()


@pytest.mark.parametrize("codes", [(0, 0), (2, 1), (1, 1), (3, 0)])
@pytest.mark.parametrize("unit", ["mm", "micron"])
def test_a_label_map_lies_on_its_source_in_both_libraries(tmp_path: Path, codes: tuple[int, int], unit: str) -> None:
    path = nifti(*codes, 12.0, unit, zoom=2)(tmp_path)
    volume = read_volume(path)
    write_label_map(tmp_path / "l.nii.gz", np.ones(volume.voxels_kji.shape, int), volume)
    write_label_map(tmp_path / "l.nrrd", np.ones(volume.voxels_kji.shape, int), volume)
    np.testing.assert_array_equal(itk_matrix(tmp_path / "l.nii.gz"), itk_matrix(path))
    np.testing.assert_array_equal(nibabel.load(tmp_path / "l.nii.gz").affine, nibabel.load(path).affine)
    np.testing.assert_allclose(itk_matrix(tmp_path / "l.nrrd"), itk_matrix(path), rtol=1e-5, atol=1e-4)


def test_a_sheared_sform_is_refused_though_a_qform_is_there(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.5
    image = nibabel.Nifti1Image(np.zeros((6, 5, 4), np.int16), None)
    image.set_sform(sheared, 2)
    image.set_qform(AFFINE, 1)
    nibabel.save(image, tmp_path / "v.nii")
    with pytest.raises(VolumeError, match="sheared"):
        read_volume(tmp_path / "v.nii")


def test_scaled_integers_are_counted_as_what_they_become(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_shape((1024, 1024, 512))
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(0.5, 0)
    header["vox_offset"] = 352
    with (tmp_path / "v.nii").open("wb") as file:
        file.write(header.binaryblock)
        file.truncate(352 + 2**29)
    with pytest.raises(VolumeError, match=r"4\.3 GB of memory"):
        read_volume(tmp_path / "v.nii")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_large_labels_stay_apart(tmp_path: Path, dtype: type, suffix: str) -> None:
    """float32 has no number between 2**24 and 2**24 + 2."""
    labels = np.zeros((2, 3, 4), dtype)
    labels[0, 0], labels[1, 1, 1] = [2**24, 2**24 + 1, 2**24 + 2, 2**31 + 1], 2**40 + 1
    path = tmp_path / f"v{suffix}"
    if suffix == ".nii.gz":
        nibabel.save(nibabel.Nifti1Image(labels.T, np.eye(4), dtype=dtype), path)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(labels), str(path))
    np.testing.assert_array_equal(read_volume(path).voxels_kji, labels.astype(np.int64))
