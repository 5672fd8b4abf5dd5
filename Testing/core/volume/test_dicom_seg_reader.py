"""DICOM SEG read back on the series it was drawn on; the files are highdicom's."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import Volume, read_volume, write_label_map
from dfqsam_core.volume.files.dicom_seg_reader import is_dicom_seg, read_dicom_seg

pytest.importorskip("highdicom")
SERIES = ["ct/dcmqi_liver_3slice/dicom", "mr/gbm_oblique_dicom/t1post"]


def written(tmp_path, volume: Volume) -> np.ndarray:
    """labels.dcm of two blocks, 3 and 300, in no symmetric place; returns them."""
    labels = np.zeros(volume.voxels_kji.shape, np.uint16)
    labels[0, 5:20, 8:17], labels[-1, 15:22, 20:24] = 3, 300
    write_label_map(tmp_path / "labels.dcm", labels, volume, {3: "liver", 300: "cyst", 7: "nothing"})
    return labels


@pytest.mark.parametrize("name", SERIES)
def test_labels_and_names_come_back_as_they_were_written(shared, tmp_path, name):
    volume = read_volume(shared / "data" / name)
    labels = written(tmp_path, volume)
    assert is_dicom_seg(tmp_path / "labels.dcm")
    found, names = read_dicom_seg(tmp_path / "labels.dcm", volume)
    np.testing.assert_array_equal(found.voxels_kji, labels)
    assert names == {3: "liver", 7: "nothing", 300: "cyst"}


def test_a_file_without_our_numbers_has_its_own(shared, tmp_path):
    volume = read_volume(shared / "data" / SERIES[0])
    labels = written(tmp_path, volume)
    dataset = pydicom.dcmread(tmp_path / "labels.dcm")
    for item in dataset.SegmentSequence:
        del item.SegmentDescription
    dataset.save_as(tmp_path / "other.dcm")
    found, names = read_dicom_seg(tmp_path / "other.dcm", volume)
    assert names == {1: "liver", 2: "nothing", 3: "cyst"}
    np.testing.assert_array_equal(found.voxels_kji, (labels == 3) + 3 * (labels == 300))


def test_labels_of_another_series_are_refused(shared, tmp_path):
    written(tmp_path, read_volume(shared / "data" / SERIES[0]))
    with pytest.raises(VolumeError, match=r"labels\.dcm lies on another grid"):
        read_dicom_seg(tmp_path / "labels.dcm", read_volume(shared / "data" / SERIES[1]))


def test_segments_that_overlap_are_refused_and_not_cut(shared, tmp_path):
    volume = read_volume(shared / "data" / SERIES[0])
    written(tmp_path, volume)
    dataset = pydicom.dcmread(tmp_path / "labels.dcm")
    first, last = (dataset.PerFrameFunctionalGroupsSequence[n] for n in (0, -1))
    last.PlanePositionSequence = first.PlanePositionSequence
    size = dataset.Rows * dataset.Columns // 8
    dataset.PixelData = dataset.PixelData[:size] * int(dataset.NumberOfFrames)
    dataset.save_as(tmp_path / "overlap.dcm")
    with pytest.raises(VolumeError, match="overlap: 'liver' and 'cyst'"):
        read_dicom_seg(tmp_path / "overlap.dcm", volume)


def test_what_is_no_dicom_seg_is_none(shared, tmp_path):
    (tmp_path / "text.dcm").write_text("no DICOM")
    assert not is_dicom_seg(tmp_path / "text.dcm")
    assert not is_dicom_seg(tmp_path)
    assert not is_dicom_seg(shared / "data/robust_dicom/odd_files/CT_small.dcm")
