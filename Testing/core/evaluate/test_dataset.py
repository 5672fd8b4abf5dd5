"""Slices and objects of tiny volumes whose every voxel is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.errors import VolumeError
from dfqsam_core.evaluate.cases import Case, find_cases
from dfqsam_core.evaluate.dataset import LabelledSlice, Sampling, label_on_grid, largest_component, load_slices
from dfqsam_core.volume import Volume, VolumeGeometry

EVERYTHING = Sampling(every=1, masks_per_slice=100, min_pixels=1)


@pytest.fixture
def two_organs(tmp_path: Path) -> Case:
    """Six 8 x 8 slices, 5 mm apart: label 1 (bright) on slices 1 to 4, label 2 (dim) on slices 2 and 3."""
    labels = np.zeros((6, 8, 8), np.uint8)
    labels[1:5, 1:4, 1:4] = 1
    labels[2:4, 5:7, 5:8] = 2
    image = np.array([0, 1000, 500], np.int16)[labels]
    for name, array in (("image.nrrd", image), ("label.nrrd", labels)):
        written = sitk.GetImageFromArray(array)
        written.SetSpacing((1, 1, 5))
        sitk.WriteImage(written, str(tmp_path / name))
    return find_cases(tmp_path)[0]


def objects(slices: list[LabelledSlice]) -> dict[int, dict[str, int]]:
    """Pixels of every object by slice."""
    return {slice_.index: {name: int(mask.sum()) for name, mask in slice_.masks.items()} for slice_ in slices}


def test_every_labelled_slice_with_its_objects(two_organs: Case) -> None:
    one, both = {"label.nrrd:1": 9}, {"label.nrrd:1": 9, "label.nrrd:2": 6}
    assert objects(load_slices(two_organs, EVERYTHING)) == {1: one, 2: both, 3: both, 4: one}


def test_each_second_labelled_slice_and_one_object_each(two_organs: Case) -> None:
    slices = load_slices(two_organs, Sampling(every=2, masks_per_slice=1, min_pixels=1))
    assert [slice_.index for slice_ in slices] == [1, 3]
    assert [len(slice_.masks) for slice_ in slices] == [1, 1]
    assert objects(slices) == objects(load_slices(two_organs, Sampling(every=2, masks_per_slice=1, min_pixels=1)))


def test_small_objects_are_left_out_by_their_size_on_the_models_square(two_organs: Case) -> None:
    # 9 of 64 pixels are 9216 of the 256 x 256 square, 6 are 6144.
    slices = load_slices(two_organs, Sampling(every=1, min_pixels=7000))
    assert objects(slices) == {index: {"label.nrrd:1": 9} for index in (1, 2, 3, 4)}


def test_mask_and_image_are_turned_alike(two_organs: Case) -> None:
    slice_ = load_slices(two_organs, EVERYTHING)[1]
    bright = slice_.masks["label.nrrd:1"]
    assert slice_.image.dtype == np.uint8
    assert slice_.image[bright].min() > slice_.image[~bright].max()


def test_a_label_stored_flipped_lands_on_the_same_patient() -> None:
    geometry = VolumeGeometry(np.diag([2.0, 3.0, 4.0, 1.0]), (3, 4, 5))
    flip = np.diag([-2.0, 3.0, -4.0, 1.0])
    flip[:3, 3] = [4, 0, 16]
    label = np.random.default_rng(0).integers(0, 4, (5, 4, 3)).astype(np.uint8)
    flipped = Volume(np.ascontiguousarray(label[::-1, :, ::-1]), VolumeGeometry(flip, (3, 4, 5)))
    np.testing.assert_array_equal(label_on_grid(flipped, geometry), label)


def test_outside_of_the_label_map_nothing_is_labelled() -> None:
    label = Volume(np.ones((2, 2, 2), np.uint8), VolumeGeometry(np.eye(4), (2, 2, 2)))
    found = label_on_grid(label, VolumeGeometry(np.eye(4), (3, 2, 2)))
    assert found[:, :, 2].tolist() == [[0, 0], [0, 0]]
    assert found[:, :, :2].all()


def test_largest_component_counts_diagonal_neighbours() -> None:
    mask = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0]], bool)
    assert np.argwhere(largest_component(mask)).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_a_picture_with_its_masks(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    mask = np.zeros((6, 5), np.uint8)
    mask[1:3, 2:4] = 255
    sitk.WriteImage(sitk.GetImageFromArray(np.full((6, 5), 70, np.uint8)), str(tmp_path / "images" / "s.png"))
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "masks" / "s_liver.png"))
    slices = load_slices(find_cases(tmp_path)[0], EVERYTHING)
    np.testing.assert_array_equal(slices[0].masks["s_liver"], mask > 0)
    assert slices[0].image.tolist() == np.full((6, 5), 70).tolist()


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    for folder, shape in (("images", (6, 5)), ("masks", (5, 6))):
        (tmp_path / folder).mkdir()
        name = "s.png" if folder == "images" else "s_liver.png"
        sitk.WriteImage(sitk.GetImageFromArray(np.ones(shape, np.uint8)), str(tmp_path / folder / name))
    with pytest.raises(VolumeError, match="another size"):
        load_slices(find_cases(tmp_path)[0], EVERYTHING)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(VolumeError, match="not an archive of labelled slices"):
        load_slices(find_cases(tmp_path)[0], EVERYTHING)


def test_real_labels_stored_the_other_way_round_lie_on_their_organs(shared: Path) -> None:
    (case,) = find_cases(shared / "data" / "ct" / "ts_liver_dicom")
    slices = load_slices(case, Sampling(every=10, masks_per_slice=100))
    assert {slice_.modality for slice_ in slices} == {"CT"}
    livers = [(slice_.image, slice_.masks["label_total.nii.gz:5"]) for slice_ in slices]
    # Liver is brighter than fat and air, darker than bone; a mirrored label would lie on the side of the spleen.
    assert all(110 < np.median(image[mask]) < 200 and image[mask].std() < 40 for image, mask in livers)
    assert all(np.nonzero(mask)[1].mean() < image.shape[1] / 2 for image, mask in livers)
