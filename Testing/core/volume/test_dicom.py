from __future__ import annotations

import re
import shutil

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.pixels import apply_rescale

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import read_volume

# What every folder and odd file must give: shape and orientation, or a word of the reason why it is refused.
SERIES = {
    "codec_jpeg2000": ((256, 256, 4), "PIR"),
    "codec_jpeg_lossless": ((256, 256, 4), "PIR"),
    "codec_jpegls": ((256, 256, 4), "PIR"),
    "codec_rle": ((256, 256, 4), "PIR"),
    "enhanced_mr_philips": ((256, 256, 8), "PIR"),
    "enhanced_mr_siemens": ((256, 256, 8), "LPS"),
    "gantry_tilt_ct": "sheared",
    "mixed_orientation": "mixes pixels of 0.320 x 0.320 and 0.556 x 0.556 mm",
    "non_isotropic": ((64, 28, 4), "LPS"),
    "not_a_volume": "several images at one position",
    "rgb_series": "colour",
    "single_slice": ((256, 256, 1), "PIR"),
    "too_few_slices": ((256, 256, 2), "PIR"),
    "uneven_increment_1": "5.000 to 10.000 mm apart",
    "vendor_ge_mr": ((256, 256, 4), "PIR"),
    "vendor_hitachi_mr": ((64, 64, 4), "PIR"),
    "vendor_philips_mr": ((240, 240, 4), "LIP"),
    "vendor_siemens_mr": ((256, 256, 4), "PIR"),
}
ODD_FILES = {
    "CT_small.dcm": ((128, 128, 1), "LPS"),
    "ExplVR_BigEndNoMeta.dcm": "without its meta header",
    "ExplVR_LitEndNoMeta.dcm": "without its meta header",
    "JPEG-lossy.dcm": "no usable ImageOrientationPatient",
    "MR-SIEMENS-DICOM-WithOverlays.dcm": ((484, 484, 1), "LPS"),
    "MR_small.dcm": ((64, 64, 1), "LPS"),
    "MR_small_RLE.dcm": ((64, 64, 1), "LPS"),
    "MR_small_bigendian.dcm": ((64, 64, 1), "LPS"),
    "MR_small_implicit.dcm": ((64, 64, 1), "LPS"),
    "MR_small_jp2klossless.dcm": ((64, 64, 1), "LPS"),
    "MR_small_jpeg_ls_lossless.dcm": ((64, 64, 1), "LPS"),
    "MR_small_padded.dcm": ((64, 64, 1), "LPS"),
    "MR_truncated.dcm": "cannot be decoded",
    "SC_rgb_small_odd.dcm": "colour",
    "UN_sequence.dcm": "not an image",
    "badVR.dcm": "RTDOSE",
    "bad_sequence.dcm": ((512, 512, 1), "LPS"),
    "decimal_rescale.dcm": ((128, 96, 1), "LPS"),
    "eCT_Supplemental.dcm": ((512, 512, 2), "RPI"),
    "empty_charset_LEI.dcm": "not an image",
    "emri_small.dcm": "without a position",
    "emri_small_RLE.dcm": "without a position",
    "emri_small_big_endian.dcm": "without a position",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "without a position",
    "explicit_VR-UN.dcm": ((512, 512, 1), "LAI"),
    "image_dfl.dcm": "no usable ImageOrientationPatient",
    "liver_deflate.dcm": "SEG",
    "liver_nonbyte_aligned.dcm": "SEG",
    "meta_missing_tsyntax.dcm": "not an image",
    "mlut_18.dcm": "no usable ImageOrientationPatient",
    "nested_priv_SQ.dcm": "not an image",
    "no_meta.dcm": "without its meta header",
    "no_meta_group_length.dcm": "not an image",
    "philips_mprage.dcm.gz": "not a volume",
    "rtdose.dcm": "RTDOSE",
    "rtplan_truncated.dcm": "RTPLAN",
    "rtstruct.dcm": "without its meta header",
    "slicethickness_empty_string.dcm": ((384, 384, 1), "PIR"),
    "test-SR.dcm": "SR",
    "vlut_04.dcm": "no usable ImageOrientationPatient",
}
EVERY = SERIES | {f"odd_files/{name}": expected for name, expected in ODD_FILES.items()}


@pytest.mark.parametrize("name", EVERY)
def test_every_reference_series_is_read_or_refused_with_its_reason(shared, name):
    path, expected = shared / "data/robust_dicom" / name, EVERY[name]
    if isinstance(expected, str):
        with pytest.raises(VolumeError, match=re.escape(expected)):
            read_volume(path)
    else:
        geometry = read_volume(path).geometry
        assert (geometry.shape_ijk, geometry.orientation) == expected


def test_the_tables_name_everything(shared):
    folder = shared / "data/robust_dicom"
    assert {path.name for path in folder.iterdir()} == {*SERIES, "odd_files"}
    assert {path.name for path in (folder / "odd_files").iterdir()} == set(ODD_FILES)


@pytest.mark.parametrize(
    "name",
    [
        "ct/dcmqi_liver_3slice/dicom",
        "ct/ts_liver_dicom/dicom",
        "mr/gbm_oblique_dicom/t1post",
        "robust_dicom/vendor_hitachi_mr",
    ],
)
def test_a_series_is_where_simpleitk_puts_it(shared, name):
    folder = shared / "data" / name
    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.voxels_kji, SimpleITK.GetArrayFromImage(image))
    corner = np.array(volume.geometry.shape_ijk) - 1.0
    for voxel in (corner * 0, corner, corner / 3):
        np.testing.assert_allclose(
            volume.geometry.from_ijk(voxel, "LPS"),
            image.TransformContinuousIndexToPhysicalPoint(voxel.tolist()),
            atol=0.02,
        )


def test_the_label_of_the_liver_series_lies_on_it_in_the_patient(shared):
    """Its file is flipped against the DICOM order: liver voxels must be soft tissue when compared in RAS."""
    volume = read_volume(shared / "data/ct/ts_liver_dicom/dicom")
    label = nibabel.load(shared / "data/ct/ts_liver_dicom/label_total.nii.gz")
    liver = np.argwhere(np.asarray(label.dataobj) == 5)[::97]
    ijk = np.rint(volume.geometry.ijk_from(nibabel.affines.apply_affine(label.affine, liver), "RAS")).astype(int)
    hu = volume.voxels_kji[ijk[:, 2], ijk[:, 1], ijk[:, 0]]
    assert len(hu) > 500
    assert 60 < np.median(hu) < 160


def test_each_slice_has_its_own_rescale_slope(shared):
    volume = read_volume(shared / "data/robust_dicom/non_isotropic")
    for n, name in enumerate(("001", "002", "003", "004")):
        dataset = pydicom.dcmread(shared / f"data/robust_dicom/non_isotropic/{name}.dcm")
        expected = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        np.testing.assert_allclose(volume.voxels_kji[n], expected, rtol=1e-6)


def test_the_order_of_file_names_does_not_matter(shared, tmp_path):
    source = shared / "data/ct/dcmqi_liver_3slice/dicom"
    for name, other in (("01", "c"), ("02", "a"), ("03", "b")):
        shutil.copy(source / f"{name}.dcm", tmp_path / other)
    (tmp_path / "notes.txt").write_text("not an image")
    renamed, original = read_volume(tmp_path), read_volume(source)
    np.testing.assert_array_equal(renamed.voxels_kji, original.voxels_kji)
    assert renamed.geometry.is_close(original.geometry)


def test_a_missing_slice_is_found(shared, tmp_path):
    for path in sorted((shared / "data/ct/ts_liver_dicom/dicom").iterdir()):
        if path.name != "0007.dcm":
            shutil.copy(path, tmp_path)
    with pytest.raises(VolumeError, match=r"2\.000 to 4\.000 mm apart.*A slice is missing"):
        read_volume(tmp_path)


def test_a_damaged_slice_is_not_passed_over(shared, tmp_path):
    """Without its last slice the stack would still be even."""
    for path in sorted((shared / "data/ct/ts_liver_dicom/dicom").iterdir()):
        shutil.copy(path, tmp_path)
    last = max(tmp_path.iterdir())
    dataset = pydicom.dcmread(last)
    dataset.PixelSpacing = [0.9, 0.9]
    dataset.save_as(last)
    last.write_bytes(last.read_bytes().replace(b"0.9\\0.9", b"0.x\\0.9"))
    with pytest.raises(VolumeError, match=rf"{last.name}.*damaged"):
        read_volume(tmp_path)


def test_several_series_are_listed_and_one_can_be_chosen(shared, tmp_path):
    for name in ("ct/rt_breast_slice/dicom/0000.dcm", "robust_dicom/odd_files/CT_small.dcm"):
        shutil.copy(shared / "data" / name, tmp_path)
    uid = "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322"
    with pytest.raises(VolumeError, match=f"--series.*{re.escape(uid)}"):
        read_volume(tmp_path)
    assert read_volume(tmp_path, series=uid).geometry.shape_ijk == (128, 128, 1)
    with pytest.raises(VolumeError, match=r"no series 1\.2\.3"):
        read_volume(tmp_path, series="1.2.3")


def test_white_is_low_changes_no_value(shared, tmp_path):
    """MONOCHROME1 is about display: Hounsfield units are what pydicom's rescale gives."""
    dataset = pydicom.dcmread(shared / "data/robust_dicom/odd_files/CT_small.dcm")
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(tmp_path / "a.dcm")
    volume = read_volume(tmp_path / "a.dcm")
    np.testing.assert_array_equal(volume.voxels_kji[0], apply_rescale(dataset.pixel_array, dataset))
    assert "MONOCHROME1" in " ".join(volume.notes)


def test_frames_of_an_enhanced_file_have_their_own_slope_and_place(shared, tmp_path):
    dataset = pydicom.dcmread(shared / "data/robust_dicom/enhanced_mr_siemens/IM-0001-0001-0001.dcm")
    stored = dataset.pixel_array.astype(np.float64)
    groups = dataset.PerFrameFunctionalGroupsSequence
    positions = [np.array(g.PlanePositionSequence[0].ImagePositionPatient, float) for g in groups]
    for n, group in enumerate(groups):
        rescale = pydicom.Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = 1 + n / 2, -n
        group.PixelValueTransformationSequence = [rescale]
    dataset.save_as(tmp_path / "a.dcm")
    volume = read_volume(tmp_path / "a.dcm")
    placed = [np.rint(volume.geometry.ijk_from(position, "LPS")).astype(int) for position in positions]
    assert sorted(k for _, _, k in placed) == list(range(8))
    for n, (_, _, k) in enumerate(placed):
        np.testing.assert_allclose(volume.voxels_kji[k], stored[n] * (1 + n / 2) - n)


def a_mutation(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for position in rng.integers(128, len(changed), rng.integers(1, 30)):
        changed[position] = rng.integers(256)
    return bytes(changed[: len(changed) if rng.random() < 0.7 else rng.integers(1, len(changed))])


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_mutated_files_give_a_volume_or_a_refusal(shared, tmp_path, name):
    rng = np.random.default_rng(3)
    original = (shared / "data/robust_dicom/odd_files" / name).read_bytes()
    path = tmp_path / "a.dcm"
    refused = 0
    for _ in range(60):
        path.write_bytes(a_mutation(original, rng))
        try:
            assert read_volume(path).voxels_kji.size > 0
        except VolumeError:
            refused += 1
    assert refused > 0
