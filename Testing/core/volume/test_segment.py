from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from dfqsam_core.errors import PromptError
from dfqsam_core.progress import Cancelled
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import Volume, VolumeGeometry, read_volume, segment_volume
from dfqsam_core.volume.files.prompts_file import parse_prompts
from dfqsam_core.volume.prompts import SegmentPrompts

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor

CODES = ("ALI", "ASL", "ASR", "IRA", "LAS", "LPI", "PIL", "RAS", "RPI", "SLP", "SPL", "SRA")


def prompts_of(volume: Volume, *segments: dict, system: str = "IJK") -> tuple[SegmentPrompts, ...]:
    return parse_prompts({"coordinate_system": system, "segments": list(segments)}, volume.geometry)


def run(volume, prompts, **options):
    return segment_volume(
        volume, prompts, MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=GreyPredictor(), **options
    )


LIVER = {
    "name": "liver",
    "label": 7,
    "prompts": [
        {"type": "point", "position": [3, 2, 1]},
        {"type": "box", "corners": [[2, 0, 2], [4, 2, 2]]},
        {"type": "point", "position": [2, 1, 2]},
    ],
}
SPLEEN = {"name": "spleen", "label": 300, "prompts": [{"type": "box", "corners": [[0, 0, 1], [5, 4, 1]]}]}


def test_each_segment_takes_one_prediction_per_slice(a_volume):
    result = run(a_volume, prompts_of(a_volume, LIVER, SPLEEN))
    expected = np.zeros((4, 5, 6), np.uint16)
    expected[1] = 300
    expected[1:3, 1:3, 2:5] = 7
    np.testing.assert_array_equal(result.labels_kji, expected)
    assert result.report["encodings"] == 2


def test_a_later_segment_may_overwrite(a_volume):
    result = run(a_volume, prompts_of(a_volume, LIVER, SPLEEN | {"overwrite": True}))
    assert set(np.unique(result.labels_kji[1])) == {300}


def test_the_report_says_what_was_done(a_volume):
    report = run(a_volume, prompts_of(a_volume, LIVER, SPLEEN)).report
    assert json.loads(json.dumps(report)) == report
    assert report["window"] == {"width": 255, "level": 127.5, "source": "explicit"}
    assert report["model_digest"] == MODEL.digest
    assert (report["image_size"], report["conventions"]) == (MODEL.image_size, "sam-med2d")
    assert report["volume"]["spacing_mm"] == [1, 1, 2]
    assert [(row["segment"], row["axis"], row["slice"], row["prompts"]) for row in report["slices"]] == [
        ("liver", "K", 1, 1),
        ("liver", "K", 2, 2),
        ("spleen", "K", 1, 1),
    ]
    assert [row["area_mm2"] for row in report["slices"]] == [6, 6, 30]
    assert [row["predicted_iou"] for row in report["slices"]] == [0.75] * 3
    assert [(row["label"], row["voxels"]) for row in report["segments"]] == [(7, 12), (300, 24)]


def test_progress_is_told_and_can_cancel(a_volume):
    seen = []
    run(a_volume, prompts_of(a_volume, LIVER, SPLEEN), progress=lambda p: seen.append((p.stage, p.done, p.total)))
    assert seen == [("segment", n, 3) for n in range(4)]

    def cancel(progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        run(a_volume, prompts_of(a_volume, LIVER), progress=cancel)


def test_two_segments_with_one_label_are_refused(a_volume):
    with pytest.raises(PromptError, match="label 7 is in use"):
        run(a_volume, prompts_of(a_volume, LIVER) * 2)


def restored(volume: Volume, labels_kji: np.ndarray, code: str) -> np.ndarray:
    """Labels as an (I, J, K) array stored in the orientation `code`, by nibabel."""
    image = nibabel.Nifti1Image(labels_kji.T, volume.geometry.ijk_to_ras, dtype=np.uint16)
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(code))
    return np.asarray(image.as_reoriented(turn).dataobj)


@pytest.mark.parametrize("anatomical", ["R", "A", "S"])
def test_a_volume_stored_in_twelve_ways_gives_one_mask_in_the_patient(shared, anatomical):
    """The same RAS prompts on the same slice of the patient; exact, because nothing is resampled."""
    source = nibabel.load(shared / "data/robust_nifti/orientation/RAS.nii.gz")
    masks, images = [], []
    for code in CODES:
        turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(code))
        stored = source.as_reoriented(turn)
        volume = Volume(np.asarray(stored.dataobj).astype(np.float32).T, VolumeGeometry(stored.affine, stored.shape))
        assert volume.geometry.orientation == code
        axis = "IJK"[volume.geometry.anatomical_axes.index("RAS".index(anatomical))]
        center = nibabel.affines.apply_affine(source.affine, [30, 41, 35]).tolist()
        corner = nibabel.affines.apply_affine(source.affine, [18, 25, 20]).tolist()
        corner["RAS".index(anatomical)] = center["RAS".index(anatomical)]
        prompts = [
            {"type": "point", "position": center, "axis": axis},
            {"type": "box", "corners": [center, corner], "axis": axis},
        ]
        predictor = GreyPredictor()
        result = segment_volume(
            volume,
            prompts_of(volume, {"name": "x", "label": 5, "prompts": prompts}, system="RAS"),
            MODEL,
            cache=EmbeddingCache(),
            predictor=predictor,
        )
        masks.append(restored(volume, result.labels_kji, "RAS"))
        images.append(predictor.encoded[0])
    assert masks[0].any()
    for mask, image in zip(masks, images, strict=True):
        np.testing.assert_array_equal(mask, masks[0])
        np.testing.assert_array_equal(image, images[0])


@pytest.mark.parametrize("axis_given", [True, False])
def test_the_files_of_twelve_orientations_show_the_model_the_same_slice(shared, axis_given):
    """As the files come, each with its own rounding of the header: images equal, masks on the same voxels."""
    masks = []
    for code in CODES:
        volume = read_volume(shared / f"data/robust_nifti/orientation/{code}.nii.gz")
        axis = "IJK"[volume.geometry.anatomical_axes.index(2)]
        point = {"type": "point", "position": [3.0, 5.0, 7.0]} | ({"axis": axis} if axis_given else {})
        prompts = prompts_of(volume, {"name": "x", "label": 1, "prompts": [point]}, system="RAS")
        result = segment_volume(volume, prompts, MODEL, cache=EmbeddingCache(), predictor=GreyPredictor())
        masks.append(restored(volume, result.labels_kji, "RAS"))
    dice = [2 * (mask & masks[0]).sum() / (mask.sum() + masks[0].sum()) for mask in masks]
    assert masks[0].any()
    assert min(dice) == 1.0


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.4, 3.0), (5.0, 0.5)])
def test_unequal_pixel_sides_change_areas_in_mm2_and_nothing_else(a_volume, spacing):
    """The model squashes each slice to a square whatever its spacing, so voxels alone decide what it sees."""
    stretched = Volume(a_volume.voxels_kji, VolumeGeometry(np.diag([*spacing, 6.0, 1.0]), (6, 5, 4)))
    reference = Volume(a_volume.voxels_kji, VolumeGeometry(np.diag([1.0, 1.0, 6.0, 1.0]), (6, 5, 4)))
    result, expected = (run(volume, prompts_of(volume, LIVER)) for volume in (stretched, reference))
    np.testing.assert_array_equal(result.labels_kji, expected.labels_kji)
    areas, expected_areas = ([row["area_mm2"] for row in r.report["slices"]] for r in (result, expected))
    np.testing.assert_allclose(areas, np.array(expected_areas) * spacing[0] * spacing[1])
