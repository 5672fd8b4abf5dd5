"""Pairs of images and labels are found by name, and refused by reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.evaluate.cases import find_cases


def make(folder: Path, *names: str) -> None:
    """Create empty files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" * 128 + b"DICM" if path.suffix == ".dcm" else b"")


def found(folder: Path) -> dict[str, list[str]]:
    """Names of the images with those of their labels."""
    return {case.name: [label.name for label in case.labels] for case in find_cases(folder)}


def test_one_volume_takes_all_label_maps_beside_it(tmp_path: Path) -> None:
    make(tmp_path, "a/image.nii.gz", "a/label_liver.nrrd", "a/label_spine_seg.nrrd", "b/only.nii.gz")
    assert found(tmp_path) == {"a/image.nii.gz": ["label_liver.nrrd", "label_spine_seg.nrrd"]}


def test_several_volumes_take_the_label_that_shares_their_name(tmp_path: Path) -> None:
    make(tmp_path, "t1w.nii.gz", "t2.nii.gz", "t2s.nii.gz", "label_cord_t2.nii.gz", "label_gm_t2s.nii.gz")
    assert found(tmp_path) == {"t2.nii.gz": ["label_cord_t2.nii.gz"], "t2s.nii.gz": ["label_gm_t2s.nii.gz"]}


def test_numbered_pairs_in_one_folder(tmp_path: Path) -> None:
    make(tmp_path, "001_image.nii.gz", "001_label.nii.gz", "002_image.nii.gz", "002_label.nii.gz")
    assert found(tmp_path) == {"001_image.nii.gz": ["001_label.nii.gz"], "002_image.nii.gz": ["002_label.nii.gz"]}


def test_a_dicom_folder_beside_label_maps_is_their_image(tmp_path: Path) -> None:
    make(tmp_path, "dicom/1.dcm", "dicom/2.dcm", "notes/read.txt", "label_total.nii.gz")
    assert found(tmp_path) == {"dicom": ["label_total.nii.gz"]}


def test_pictures_with_one_mask_an_object(tmp_path: Path) -> None:
    make(tmp_path, "images/s1_10.png", "images/s2.png", "masks/s1_10_liver_000.png", "masks/s1_10_spleen_000.png")
    assert found(tmp_path) == {"images/s1_10.png": ["s1_10_liver_000.png", "s1_10_spleen_000.png"]}


def test_archives_carry_their_own_labels(tmp_path: Path) -> None:
    make(tmp_path, "lesion.npz")
    assert found(tmp_path) == {"lesion.npz": ["lesion.npz"]}


def test_volumes_and_labels_of_one_name_in_two_folders(tmp_path: Path) -> None:
    make(tmp_path, "T/imagesTr/liver_1.nii.gz", "T/imagesTr/._liver_1.nii.gz", "T/labelsTr/liver_1.nii.gz")
    make(tmp_path, "N/imagesTs/a_0000.nii.gz", "N/imagesTs/a_0001.nii.gz", "N/imagesTs/b_0000.nii.gz")
    make(tmp_path, "N/labelsTs/a.nii.gz")
    assert found(tmp_path) == {
        "N/imagesTs/a_0000.nii.gz": ["a.nii.gz"],
        "T/imagesTr/liver_1.nii.gz": ["liver_1.nii.gz"],
    }


def test_equal_names_in_two_folders_stay_two_cases(tmp_path: Path) -> None:
    make(tmp_path, "a/image.nii.gz", "a/label.nii.gz", "b/image.nii.gz", "b/label.nii.gz")
    cases = find_cases(tmp_path / "a", tmp_path / "b")
    assert [case.name for case in cases] == [f"{(tmp_path / name).as_posix()}/image.nii.gz" for name in "ab"]
    assert [case.image for case in cases] == [tmp_path / name / "image.nii.gz" for name in "ab"]


@pytest.mark.parametrize("names", [[], ["image.nii.gz"], ["label.nii.gz"], ["a_image.nii", "b_image.nii", "label.nii"]])
def test_a_folder_without_pairs_says_what_it_looked_for(tmp_path: Path, names: list[str]) -> None:
    make(tmp_path, *names)
    with pytest.raises(DFQSAMError, match="No image with labels was found"):
        find_cases(tmp_path)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DFQSAMError, match="nowhere is not a folder"):
        find_cases(tmp_path / "nowhere")


def test_every_labelled_case_of_the_reference_data_is_found(shared: Path) -> None:
    names = {case.name for case in find_cases(shared / "data")}
    assert names >= {
        "ct/ts_liver_dicom/dicom",
        "ct/dcmqi_liver_3slice/dicom",
        "ct/deeplesion/CT_Lesion_000001_02_01_008-023.npz",
        "mr/hippocampus/003_image.nii.gz",
        "mr/ms_patient19/flair.nii.gz",
        "mr/spine_errsm30/t2s.nii.gz",
        "slices2d/sam_med2d_demo/images/amos_0004_75.png",
    }
    assert not [name for name in names if name.startswith("robust")]
