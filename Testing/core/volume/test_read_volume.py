from __future__ import annotations

import contextlib
import gzip
import re

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import VolumeGeometry, read_volume
from dfqsam_core.volume.files.itk import image_of

from .strategies import geometries

CODES = ("ALI", "ASL", "ASR", "IRA", "LAS", "LPI", "PIL", "RAS", "RPI", "SLP", "SPL", "SRA")
# What every file of the reference sets must give: its shape, or a word of the reason why it is refused.
NIFTI = {
    "complex.nii.gz": "complex numbers",
    "ct_head_phantom_pitched.nii.gz": (175, 248, 58),
    "low_res.nii.gz": (7, 5, 3),
    "mha.mha": (64, 64, 37),
    "minimal.nii.gz": (64, 64, 10),
    "ras.hdr": (62, 41, 34),
    "ras.img": (62, 41, 34),
    "shear_ct_head_phantom.nii.gz": "sheared",
    "malformed/bad_datatype.nii.gz": "data code 9999",
    "malformed/bad_magic.nii.gz": "cannot be read as NIfTI",
    "malformed/bad_sizeof_hdr.nii.gz": (35, 51, 35),
    "malformed/complex.nii.gz": "complex numbers",
    "malformed/constant.nii.gz": (35, 51, 35),
    "malformed/dim0_is_9.nii.gz": "cannot be read as NIfTI",
    "malformed/empty.nii.gz": "empty",
    "malformed/four_d.nii.gz": "2 volumes",
    "malformed/header_only.nii.gz": "got 0 bytes",
    "malformed/huge_dims.nii.gz": "promises 32767 x 32767 x 32767",
    "malformed/nan_inf_voxels.nii.gz": (35, 51, 35),
    "malformed/nan_pixdim.nii.gz": (35, 51, 35),
    "malformed/nan_sform.nii.gz": "finite",
    "malformed/negative_dim.nii.gz": "-35",
    "malformed/negative_pixdim.nii.gz": (35, 51, 35),
    "malformed/no_form_codes.nii.gz": (35, 51, 35),
    "malformed/not_gzip.nii.gz": "not a gzip file",
    "malformed/one_slice.nii.gz": (35, 51, 1),
    "malformed/rgb.nii.gz": "colours",
    "malformed/scaled_intercept.nii.gz": (35, 51, 35),
    "malformed/singular_sform.nii.gz": "no size",
    "malformed/truncated_data.nii.gz": "got 29648 bytes",
    "malformed/truncated_gzip.nii.gz": "ended before",
    "malformed/zero_pixdim.nii.gz": (35, 51, 35),
    "nibabel/anatomical.nii": (33, 41, 25),
    "nibabel/example4d.nii.gz": "--frame 0 to 1",
    "nibabel/example_nifti2.nii.gz": "--frame 0 to 1",
    "nibabel/functional.nii": "--frame 0 to 19",
    "nibabel/minc2_baddim.mnc": "not a volume",
    "nibabel/reoriented_anat_moved.nii": (21, 26, 22),
    "nibabel/resampled_anat_moved.nii": (17, 21, 3),
    "nibabel/small.mnc": "not a volume",
    "nibabel/standard.nii.gz": (4, 5, 7),
    "nibabel/test.mgz": "not a volume",
    **{f"orientation/{code}.nii.gz": None for code in CODES},
}


@pytest.mark.parametrize("name", NIFTI)
def test_every_reference_file_is_read_or_refused_with_its_reason(shared, name):
    path, expected = shared / "data/robust_nifti" / name, NIFTI[name]
    if isinstance(expected, str):
        with pytest.raises(VolumeError, match=re.escape(expected)):
            read_volume(path)
    else:
        volume = read_volume(path)
        assert expected in (None, volume.geometry.shape_ijk)
        assert volume.voxels_kji.shape[::-1] == volume.geometry.shape_ijk
        assert volume.voxels_kji.dtype.isnative


def test_the_table_names_every_file(shared):
    folder = shared / "data/robust_nifti"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == set(NIFTI)


def test_an_orientation_code_in_the_name_is_what_is_read(shared):
    for path in (shared / "data/robust_nifti/orientation").iterdir():
        assert read_volume(path).geometry.orientation == path.name[:3]


@pytest.mark.parametrize(
    ("slope", "inter", "dtype", "expected"),
    [
        (1, 0, np.int16, np.int16),
        (1, 0, ">i2", np.int16),
        (0.5, -1024, np.int16, np.float32),
        (1, 0, np.float64, np.float32),
    ],
)
def test_values_are_scaled_and_keep_integers_where_nothing_scales(tmp_path, slope, inter, dtype, expected):
    stored = np.arange(24).reshape(2, 3, 4).astype(dtype)
    header = nibabel.Nifti1Header(endianness=">" if dtype == ">i2" else "<")
    header.set_data_shape(stored.shape)
    header.set_data_dtype(stored.dtype)
    header.set_slope_inter(slope, inter)
    header["vox_offset"] = 352
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(4) + stored.tobytes(order="F"))
    volume = read_volume(tmp_path / "a.nii")
    assert volume.voxels_kji.dtype == expected
    np.testing.assert_array_equal(volume.voxels_kji, (stored.astype(float) * slope + inter).T)


def test_one_frame_of_a_4d_file(shared):
    path = shared / "data/robust_nifti/nibabel/functional.nii"
    expected = nibabel.load(path).get_fdata()[..., 7].astype(np.float32)
    np.testing.assert_array_equal(read_volume(path, frame=7).voxels_kji, expected.T)
    with pytest.raises(VolumeError, match="no frame 20"):
        read_volume(path, frame=20)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_itk_files_are_placed_as_nibabel_places_the_same_nifti(tmp_path, name):
    image = SimpleITK.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetSpacing((0.7, 0.8, 3.0))
    image.SetOrigin((-100.5, 20.25, 33.0))
    turn = np.array([[0.0, -1, 0], [0.6, 0, 0.8], [-0.8, 0, 0.6]])
    image.SetDirection(turn.ravel().tolist())
    for file in (name, "a.nii"):
        SimpleITK.WriteImage(image, str(tmp_path / file))
    volume = read_volume(tmp_path / name)
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, nibabel.load(tmp_path / "a.nii").affine, atol=1e-5)
    np.testing.assert_array_equal(volume.voxels_kji.T, np.asarray(nibabel.load(tmp_path / "a.nii").dataobj))


def an_itk_file(folder, suffix, compressed=False):
    path = folder / f"a{suffix}"
    image = SimpleITK.GetImageFromArray(np.arange(4000, dtype=np.int16).reshape(10, 20, 20))
    SimpleITK.WriteImage(image, str(path), compressed)
    return path


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("compressed", [False, True])
def test_headers_that_promise_terabytes_are_refused_from_the_header(tmp_path, suffix, compressed):
    path = an_itk_file(tmp_path, suffix, compressed)
    path.write_bytes(path.read_bytes().replace(b"20 20 10", b"99999 99999 99999"))
    with pytest.raises(VolumeError, match="promises 99999 x 99999 x 99999"):
        read_volume(path)


@pytest.mark.parametrize(
    ("suffix", "old", "new"),
    [
        (".nrrd", b"encoding: raw\n", b"encoding: raw\ndata file: secret.raw\n"),
        (".mha", b"ElementDataFile = LOCAL", b"ElementDataFile = secret.raw"),
    ],
)
def test_data_in_another_file_is_refused_and_not_opened(tmp_path, suffix, old, new):
    (tmp_path / "secret.raw").write_bytes(bytes(8000))
    path = an_itk_file(tmp_path, suffix)
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(VolumeError, match="another file"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("kind", ["vector", "complex", "4d"])
def test_more_than_one_number_per_voxel_is_refused(tmp_path, suffix, kind):
    array = np.zeros((3, 4, 5, 2), np.float32)
    image = {
        "vector": lambda: SimpleITK.GetImageFromArray(array, isVector=True),
        "complex": lambda: SimpleITK.GetImageFromArray(array[..., 0].astype(np.complex64)),
        "4d": lambda: SimpleITK.GetImageFromArray(array, isVector=False),
    }[kind]()
    SimpleITK.WriteImage(image, str(tmp_path / f"a{suffix}"))
    with pytest.raises(VolumeError):
        read_volume(tmp_path / f"a{suffix}")


def test_a_truncated_itk_file_is_refused(tmp_path):
    for suffix in (".nrrd", ".mha"):
        for compressed in (False, True):
            path = an_itk_file(tmp_path, suffix, compressed)
            path.write_bytes(path.read_bytes()[:-200])
            with pytest.raises(VolumeError):
                read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz"])
def test_damaged_compressed_voxels_are_never_taken_for_good(tmp_path, suffix):
    """Every single byte of the end of the file: ITK alone would read most of them as other voxels."""
    path = an_itk_file(tmp_path, suffix, compressed=True)
    original, voxels = path.read_bytes(), read_volume(path).voxels_kji
    for position in range(len(original) - 200, len(original)):
        damaged = bytearray(original)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        with contextlib.suppress(VolumeError):
            # Padding bits of the stream may change without any harm.
            np.testing.assert_array_equal(read_volume(path).voxels_kji, voxels)
    path.write_bytes(original[:-8] + bytes(8))
    with pytest.raises(VolumeError):
        read_volume(path)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32])
@given(geometry=geometries())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_metaimage_is_what_simpleitk_wrote(tmp_path, dtype, geometry):
    voxels = np.arange(np.prod(geometry.shape_ijk)).astype(dtype).reshape(geometry.shape_ijk[::-1])
    for compressed in (False, True):
        SimpleITK.WriteImage(image_of(voxels, geometry), str(tmp_path / "a.mha"), compressed)
        volume = read_volume(tmp_path / "a.mha")
        np.testing.assert_array_equal(volume.voxels_kji, voxels)
        assert volume.voxels_kji.dtype == dtype
        assert volume.geometry.is_close(geometry, 1e-5)


META = {"ObjectType": "Image", "NDims": "3", "DimSize": "4 3 2", "ElementType": "MET_SHORT", "Offset": "1 2 3"}


def a_metaimage(folder, dtype="<i2", **fields):
    header = "".join(f"{name} = {value}\n" for name, value in (META | fields).items() if value is not None)
    path = folder / "a.mha"
    path.write_bytes(header.encode() + b"ElementDataFile = LOCAL\n" + np.arange(24).astype(dtype).tobytes())
    return path


@pytest.mark.parametrize(
    ("kind", "big", "dtype"),
    [("MET_SHORT", True, ">i2"), ("MET_LONG", False, "<i4"), ("MET_ULONG", True, ">u4"), ("MET_DOUBLE", False, "<f8")],
)
def test_types_and_byte_orders_of_metaimages_are_itks(tmp_path, kind, big, dtype):
    path = a_metaimage(tmp_path, dtype, ElementType=kind, BinaryDataByteOrderMSB=big)
    np.testing.assert_array_equal(read_volume(path).voxels_kji, np.arange(24).reshape(2, 3, 4))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).ravel(), np.arange(24))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"NDims": "2"}, "dimensions"),
        ({"NDims": None}, "dimensions"),
        ({"DimSize": "4 3 2 1", "NDims": "4"}, "dimensions"),
        ({"DimSize": "4 x 2"}, "whole numbers"),
        ({"DimSize": "4 3 0"}, "at least 1"),
        ({"DimSize": "4 3 3"}, "promises"),
        ({"ElementType": "MET_STRING"}, "MET_STRING"),
        ({"ElementNumberOfChannels": "3"}, "3 values per voxel"),
        ({"BinaryData": "False"}, "as text"),
        ({"HeaderSize": "-1"}, "Save it again"),
        ({"CompressedData": "maybe"}, "neither True nor False"),
        ({"CompressedData": "True"}, "compressed voxels"),
        ({"ElementSpacing": "1 0 1"}, "spacing"),
        ({"ElementSpacing": "1 1"}, "3 finite numbers"),
        ({"Offset": "1 nan 1"}, "3 finite numbers"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0 2"}, "lengths"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "sheared"),
    ],
)
def test_metaimages_that_are_no_volume_are_refused(tmp_path, fields, reason):
    assert read_volume(a_metaimage(tmp_path)).geometry.shape_ijk == (4, 3, 2)
    with pytest.raises(VolumeError, match=reason):
        read_volume(a_metaimage(tmp_path, **fields))


def test_a_bomb_of_zeros_is_refused_before_it_unfolds(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((2000, 2000, 2000))
    header.set_data_dtype(np.int16)
    header["vox_offset"] = 352
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4)) + gzip.compress(bytes(2**24)) * 1000)
    with pytest.raises(VolumeError, match=r"48\.1 GB of memory"):
        read_volume(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd", "a.mha", "a.dcm", "a.txt", "a"])
def test_files_of_nonsense_are_refused(tmp_path, name):
    path = tmp_path / name
    for content in (b"", b"x", b"\x00" * 400, b"hello world\n\n" * 100):
        path.write_bytes(content)
        with pytest.raises(VolumeError, match=re.escape(name)):
            read_volume(path)


def test_missing_files_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(VolumeError, match="No such file"):
        read_volume(tmp_path / "none.nii")
    with pytest.raises(VolumeError, match="no DICOM file"):
        read_volume(tmp_path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_mutated_files_give_a_volume_or_a_refusal(tmp_path, suffix):
    rng = np.random.default_rng(len(suffix))
    image = SimpleITK.GetImageFromArray(np.arange(120, dtype=np.int16).reshape(4, 5, 6))
    path = tmp_path / f"a{suffix}"
    SimpleITK.WriteImage(image, str(path), useCompression=suffix == ".mha")
    original = path.read_bytes()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(150):
        data = bytearray(original)
        for position in rng.integers(0, min(len(data), 400), rng.integers(1, 6)):
            data[position] = rng.integers(256)
        path.write_bytes(data[: len(data) if rng.random() < 0.7 else rng.integers(1, len(data))])
        try:
            volume = read_volume(path)
        except VolumeError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            assert isinstance(volume.geometry, VolumeGeometry)
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr", "A.MHD"])
def test_a_header_beside_its_voxels_is_refused_by_its_name(tmp_path, name):
    image = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4), np.int16))
    SimpleITK.WriteImage(image, str(tmp_path / name.lower()))
    (tmp_path / name.lower()).rename(tmp_path / name)
    with pytest.raises(VolumeError, match=rf"{name} keeps its voxels in another file"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("line", ["ElementDataFile = secret.raw\n", "elementdatafile=secret.raw\n", "Comment = a\rb\n"])
def test_a_metaimage_that_two_programs_could_end_at_two_lines_is_refused(tmp_path, line):
    (tmp_path / "secret.raw").write_bytes(bytes(48))
    path = a_metaimage(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"NDims", line.encode() + b"NDims", 1))
    with pytest.raises(VolumeError, match="twice"):
        read_volume(path)
