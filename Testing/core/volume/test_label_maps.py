"""Each format is read back by another library than the one that wrote it."""

from __future__ import annotations

import gzip
import os

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings

from dfqsam_core.errors import OutputError, VolumeError
from dfqsam_core.volume import Volume, read_volume, write_label_map

from .strategies import geometries


def read_nrrd(path) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Array (K, J, I), RAS matrix and fields of a gzipped NRRD, by the format's own definition."""
    header, data = path.read_bytes().split(b"\n\n", 1)
    pairs = [
        line.split(":=" if ":=" in line else ": ", 1) for line in header.decode().splitlines()[1:] if line[0] != "#"
    ]
    fields = {key: value.strip() for key, value in pairs}
    dtype = {"unsigned char": np.uint8, "uint8": np.uint8, "unsigned short": np.uint16, "uint16": np.uint16}[
        fields["type"]
    ]
    array = np.frombuffer(gzip.decompress(data), np.dtype(dtype).newbyteorder("<"))
    sizes = [int(n) for n in fields["sizes"].split()]
    vectors = fields["space directions"].split(") (")
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[float(x) for x in v.strip("()").split(",")] for v in vectors]).T
    matrix[:3, 3] = [float(x) for x in fields["space origin"].strip("()").split(",")]
    assert fields["space"] == "left-posterior-superior"
    return array.reshape(sizes[::-1]), np.diag([-1.0, -1, 1, 1]) @ matrix, fields


def read_back(path) -> tuple[np.ndarray, np.ndarray]:
    if path.name.endswith("nrrd"):
        return read_nrrd(path)[:2]
    if path.name.endswith(".mha"):
        volume = read_volume(path)
        return volume.voxels_kji, volume.geometry.ijk_to_ras
    image = SimpleITK.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), np.diag([-1.0, -1, 1, 1]) @ matrix


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha", ".seg.nrrd"])
@given(geometry=geometries())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_labels_lie_on_the_volumes_grid(tmp_path, suffix, geometry):
    labels = np.arange(np.prod(geometry.shape_ijk)).reshape(geometry.shape_ijk[::-1])
    path = tmp_path / f"labels{suffix}"
    write_label_map(path, labels, Volume(np.zeros(labels.shape), geometry), force=True)
    array, matrix = read_back(path)
    np.testing.assert_array_equal(array, labels)
    assert array.dtype == (np.uint8 if labels.max() < 256 else np.uint16)
    np.testing.assert_allclose(matrix, geometry.ijk_to_ras, atol=1e-3 if ".nii" in suffix else 1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "malformed/nan_pixdim",
        "malformed/negative_pixdim",
        "malformed/no_form_codes",
        "malformed/zero_pixdim",
        "orientation/SLP",
    ],
)
def test_nifti_labels_repeat_the_place_of_a_nifti_source_bit_for_bit(shared, tmp_path, name):
    volume = read_volume(shared / f"data/robust_nifti/{name}.nii.gz")
    write_label_map(tmp_path / "labels.nii.gz", np.ones(volume.voxels_kji.shape, int), volume)
    source, result = (
        nibabel.load(p).header for p in (shared / f"data/robust_nifti/{name}.nii.gz", tmp_path / "labels.nii.gz")
    )
    for field in ("srow_x", "srow_y", "srow_z", "quatern_b", "qoffset_x", "sform_code", "qform_code", "xyzt_units"):
        np.testing.assert_array_equal(result[field], source[field])
    np.testing.assert_array_equal(result["pixdim"][:4], source["pixdim"][:4])


@pytest.mark.parametrize(
    "source", ["mr/hippocampus/001_image.nii.gz", "mr/ms_patient19/flair.nii.gz", "ct/ts_abdomen_small/image.nii.gz"]
)
def test_both_libraries_find_the_result_on_the_grid_of_the_source(shared, tmp_path, source):
    volume = read_volume(shared / "data" / source)
    write_label_map(tmp_path / "labels.nii.gz", np.ones(volume.voxels_kji.shape, int), volume)
    np.testing.assert_array_equal(
        nibabel.load(tmp_path / "labels.nii.gz").affine, nibabel.load(shared / "data" / source).affine
    )
    image, result = (SimpleITK.ReadImage(str(p)) for p in (shared / "data" / source, tmp_path / "labels.nii.gz"))
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(result, get)() == getattr(image, get)()


def test_seg_nrrd_carries_what_slicer_needs(a_volume, tmp_path):
    labels = np.zeros(a_volume.voxels_kji.shape, int)
    labels[1], labels[2] = 3, 700
    write_label_map(tmp_path / "a.seg.nrrd", labels, a_volume, {700: "left\nkidney", 3: "liver", 9: "Gallenblase ä"})
    _, _, fields = read_nrrd(tmp_path / "a.seg.nrrd")
    found = [
        (fields[f"Segment{n}_LabelValue"], fields[f"Segment{n}_Name"], fields[f"Segment{n}_Layer"]) for n in range(3)
    ]
    assert found == [("3", "liver", "0"), ("9", "Gallenblase ä", "0"), ("700", "left kidney", "0")]
    assert fields["Segment0_Extent"] == "0 5 0 4 0 3"
    assert fields["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert fields["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert len({fields[f"Segment{n}_Color"] for n in range(3)}) == 3


def test_the_same_labels_give_the_same_bytes(a_volume, tmp_path):
    labels = np.ones(a_volume.voxels_kji.shape, int)
    for suffix in (".nii.gz", ".seg.nrrd", ".mha"):
        for name in ("a", "b"):
            write_label_map(tmp_path / f"{name}{suffix}", labels, a_volume)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_nothing_is_overwritten_or_left_half_written(a_volume, tmp_path):
    labels = np.ones(a_volume.voxels_kji.shape, int)
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        write_label_map(path, labels, a_volume)
    with pytest.raises(OutputError, match="must end in"):
        write_label_map(tmp_path / "a.png", labels, a_volume)
    with pytest.raises(OutputError, match="do not fit"):
        write_label_map(tmp_path / "b.nii.gz", labels[1:], a_volume)
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


@pytest.mark.parametrize("name", ["L.Nii", "Labels.Nii.Gz", "L.NII.gz", "L.nII.GZ", "L.Mha", "L.Seg.Nrrd"])
def test_an_ending_in_any_case_is_written_and_read(a_volume, tmp_path, name):
    labels = (a_volume.voxels_kji > 100).astype(np.uint8)
    write_label_map(tmp_path / name, labels, a_volume)
    assert os.listdir(tmp_path) == [name]
    np.testing.assert_array_equal(read_volume(tmp_path / name).voxels_kji, labels)
    usual = (tmp_path / name).rename(tmp_path / name.lower())
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(usual))), labels)


def test_damage_is_refused_whatever_the_case_of_the_ending(tmp_path):
    for content in (b"x", bytes(400), b"\x5c\x01\0\0" + bytes(400)):
        (tmp_path / "V.Nii").write_bytes(content)
        with pytest.raises(VolumeError, match=r"V\.Nii"):
            read_volume(tmp_path / "V.Nii")
