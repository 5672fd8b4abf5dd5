"""DICOM SEG is read back by highdicom, and its place compared with SimpleITK's reading of the series."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pydicom
import pytest
import SimpleITK

from dfqsam_core.cli.main import main
from dfqsam_core.errors import OutputError
from dfqsam_core.store.model_file import write_model
from dfqsam_core.volume import Volume, VolumeGeometry, read_volume, write_label_map
from Testing.support.dicom_series import write_series
from Testing.support.packed import packed_toy

highdicom = pytest.importorskip("highdicom")
NAMES = {3: "liver", 300: "Milz \\ größer"}


def labels_for(volume: Volume) -> np.ndarray:
    """A block of label 3 and one of 300, different on each slice, in no symmetric place."""
    labels = np.zeros(volume.voxels_kji.shape, np.uint16)
    for k in range(len(labels)):
        labels[k, 5 + k : 20 + k, 8:17] = 3
        labels[k, 15:22, 20 : 24 + k] = 300
    return labels


@pytest.mark.parametrize(
    "name", ["ct/dcmqi_liver_3slice/dicom", "ct/rt_breast_slice/dicom", "mr/gbm_oblique_dicom/t1post"]
)
def test_a_segment_lies_where_simpleitk_puts_the_series(shared, tmp_path, name):
    folder = shared / "data" / name
    volume = read_volume(folder)
    labels = labels_for(volume)
    write_label_map(tmp_path / "labels.dcm", labels, volume, NAMES)
    segmentation = highdicom.seg.segread(tmp_path / "labels.dcm")
    assert [segmentation.get_segment_description(n).SegmentLabel for n in (1, 2)] == ["liver", "Milz / größer"]
    assert [segmentation.get_segment_description(n).SegmentDescription for n in (1, 2)] == ["label 3", "label 300"]
    found = segmentation.get_volume(combine_segments=True)
    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    for number, label in ((1, 3), (2, 300)):
        places = np.argwhere(found.array == number)
        points = found.map_indices_to_reference(places)
        ijk = np.rint([image.TransformPhysicalPointToContinuousIndex(p.tolist()) for p in points]).astype(int)
        assert set(map(tuple, ijk)) == set(map(tuple, np.argwhere(labels == label)[:, ::-1]))


def test_each_slice_names_the_image_it_was_drawn_on(shared, tmp_path):
    volume = read_volume(shared / "data/ct/dcmqi_liver_3slice/dicom")
    labels = labels_for(volume)
    write_label_map(tmp_path / "labels.dcm", labels, volume, NAMES)
    segmentation = highdicom.seg.segread(tmp_path / "labels.dcm")
    uids = [pydicom.dcmread(frame.path, stop_before_pixels=True).SOPInstanceUID for frame in volume.dicom_frames]
    array = segmentation.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(array, (labels == 3) + 2 * (labels == 300))
    source = pydicom.dcmread(volume.dicom_frames[0].path, stop_before_pixels=True)
    written = pydicom.dcmread(tmp_path / "labels.dcm")
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert written[name].value == source[name].value
    assert written.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.mark.parametrize("name", ["enhanced_mr_philips", "enhanced_mr_siemens"])
def test_frames_of_a_multi_frame_file_keep_their_order(shared, tmp_path, name):
    path = tmp_path / "enhanced.dcm"
    dataset = pydicom.dcmread(next((shared / "data/robust_dicom" / name).iterdir()))
    dataset.FrameOfReferenceUID = "1.2.3.4"
    # The reader sorts frames along the normal; the file need not.
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    dataset.PerFrameFunctionalGroupsSequence = [*groups[3:], *groups[:3]]
    dataset.save_as(path)
    volume = read_volume(path)
    labels = labels_for(volume)
    write_label_map(tmp_path / "labels.dcm", labels, volume, NAMES)
    segmentation = highdicom.seg.segread(tmp_path / "labels.dcm")
    numbers = [frame.number + 1 for frame in volume.dicom_frames]
    uid = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
    array = segmentation.get_pixels_by_source_frame(uid, numbers, combine_segments=True)
    np.testing.assert_array_equal(array, (labels == 3) + 2 * (labels == 300))


def test_a_volume_that_is_no_series_is_refused(a_volume, tmp_path):
    with pytest.raises(OutputError, match=r"refers to the DICOM series.*seg\.nrrd"):
        write_label_map(tmp_path / "labels.dcm", np.ones(a_volume.voxels_kji.shape), a_volume)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_refusal_says_what_to_install(shared, tmp_path, monkeypatch):
    volume = read_volume(shared / "data/robust_dicom/odd_files/CT_small.dcm")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OutputError, match=r"pip install '\S*\[dicomseg\]'"):
        write_label_map(tmp_path / "labels.dcm", np.ones(volume.voxels_kji.shape), volume)


@pytest.mark.parametrize("name", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_series_that_cannot_be_referred_to_is_refused(shared, tmp_path, name):
    dataset = pydicom.dcmread(shared / "data/robust_dicom/odd_files/CT_small.dcm")
    del dataset[name]
    dataset.save_as(tmp_path / "a.dcm")
    volume = read_volume(tmp_path / "a.dcm")
    with pytest.raises(OutputError, match=rf"no {name}.*seg\.nrrd"):
        write_label_map(tmp_path / "labels.dcm", np.ones(volume.voxels_kji.shape), volume)
    assert not (tmp_path / "labels.dcm").exists()


def test_what_highdicom_refuses_is_told_and_nothing_is_left(shared, tmp_path, monkeypatch):
    def refuse(**options):
        raise KeyError("Modality")

    monkeypatch.setattr(highdicom.seg, "Segmentation", refuse)
    volume = read_volume(shared / "data/robust_dicom/odd_files/CT_small.dcm")
    with pytest.raises(OutputError, match=r"cannot be written: 'Modality'.*seg\.nrrd"):
        write_label_map(tmp_path / "labels.dcm", np.ones(volume.voxels_kji.shape), volume)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_label_map_without_names_is_refused(shared, tmp_path):
    volume = read_volume(shared / "data/robust_dicom/odd_files/CT_small.dcm")
    with pytest.raises(OutputError, match="at least one segment"):
        write_label_map(tmp_path / "labels.dcm", np.zeros(volume.voxels_kji.shape), volume)


def test_the_verb_writes_a_segmentation_of_a_series(shared, tmp_path, capsys):
    write_model(tmp_path / "m.safetensors", packed_toy())
    prompts = [{"type": "box", "corners": [[40, 50, 0], [90, 100, 0]]}]
    content = {"coordinate_system": "IJK", "segments": [{"name": "organ", "label": 7, "prompts": prompts}]}
    (tmp_path / "p.json").write_text(json.dumps(content))
    options = ["-m", str(tmp_path / "m.safetensors"), "--threads", "1", "--progress", "none"]
    series = str(shared / "data/robust_dicom/odd_files/CT_small.dcm")
    assert main(["segment", series, str(tmp_path / "p.json"), "-o", str(tmp_path / "seg.dcm"), *options]) == 0
    assert main(["segment", series, str(tmp_path / "p.json"), "-o", str(tmp_path / "seg.nrrd"), *options]) == 0
    mask = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "seg.nrrd")))
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "seg.dcm").pixel_array.reshape(mask.shape), mask == 7)
    assert mask.any()
    nifti = str(shared / "data/robust_nifti/minimal.nii.gz")
    assert main(["segment", nifti, str(tmp_path / "p.json"), "-o", str(tmp_path / "x.dcm"), *options]) == 2
    assert "DICOM series" in capsys.readouterr().err


def test_a_series_over_several_multi_frame_files_is_refused(shared, tmp_path):
    volume = read_volume(next((shared / "data/robust_dicom/enhanced_mr_siemens").iterdir()))
    other = read_volume(shared / "data/robust_dicom/odd_files/CT_small.dcm").dicom_frames
    geometry = VolumeGeometry(volume.geometry.ijk_to_ras, volume.geometry.shape_ijk)
    mixed = Volume(volume.voxels_kji, geometry, source="x", dicom_frames=volume.dicom_frames[1:] + other)
    with pytest.raises(OutputError, match="2 multi-frame files"):
        write_label_map(tmp_path / "labels.dcm", np.ones(mixed.voxels_kji.shape), mixed)


@pytest.mark.parametrize("declared", [["", "ISO 2022 IR 87"], "ISO 2022 IR 87", "GB18030", "ISO_IR 100"])
def test_texts_of_any_character_set_go_through(tmp_path, declared):
    name = {"GB18030": "Wang=\u738b", "ISO_IR 100": "M\u00fcller"}.get(str(declared), "Yamada=\u5c71\u7530")

    def edit(dataset, k):
        dataset.SpecificCharacterSet, dataset.PatientName = declared, name

    write_series(tmp_path / "s", edit)
    volume = read_volume(tmp_path / "s")
    write_label_map(tmp_path / "l.dcm", np.ones(volume.voxels_kji.shape, np.uint8), volume, {1: "\u809d"})
    segmentation = highdicom.seg.segread(tmp_path / "l.dcm")
    assert (str(segmentation.PatientName), segmentation.SegmentSequence[0].SegmentLabel) == (name, "\u809d")
