from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import SimpleITK

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, LassoPrompt, PointPrompt, ScribblePrompt, VolumeGeometry, read_prompts

GEOMETRY = VolumeGeometry(np.diag([-1.0, -1.0, 2.0, 1.0]), (60, 50, 40))


def a_point(position, **fields):
    return {"id": "1", "label": "F-1", "description": "", "position": position, "positionStatus": "defined"} | fields


def a_roi(**fields):
    return {
        "type": "ROI", "coordinateSystem": "LPS", "coordinateUnits": "mm", "roiType": "Box",
        "center": [20, 15, 20], "orientation": [-1, 0, 0, 0, -1, 0, 0, 0, 1], "size": [10, 6, 30],
    } | fields  # fmt: skip


def read(tmp_path, *markups):
    path = tmp_path / "kidney.mrk.json"
    path.write_text(json.dumps({"@schema": "markups-schema-v1.0.3.json#", "markups": list(markups)}))
    return read_prompts(path, GEOMETRY)


def fiducials(*points, **fields):
    return {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": list(points),
    } | fields


def curve(kind, *positions, **first):
    points = [a_point(list(position)) for position in positions]
    return fiducials(*[points[0] | first, *points[1:]] if points else points, type=kind)


def test_curves_are_scribbles_and_lassos_on_the_slice_they_were_drawn_on(tmp_path):
    (segment,) = read(
        tmp_path,
        curve("Curve", [5, 6, 8], [7, 6, 8], label="- vessel"),
        curve("Curve", [5, 6, 9], [5, 30, 17]),
        curve("ClosedCurve", [10, 10, 8], [20, 10, 8], [20, 20, 8], [10, 20, 8]),
    )
    assert segment.prompts == (
        ScribblePrompt(((5, 6, 4), (7, 6, 4)), positive=False),
        ScribblePrompt(((5, 6, 5), (5, 30, 9)), axis="I"),
        LassoPrompt(((10, 10, 4), (20, 10, 4), (20, 20, 4), (10, 20, 4))),
    )


def test_points_are_positive_unless_their_label_or_description_says_otherwise(tmp_path):
    (segment,) = read(
        tmp_path,
        fiducials(
            a_point([5, 6, 8]),
            a_point([7, 6, 8], label="-2"),
            a_point([9, 6, 8], description="negative"),
            a_point([0, 0, 0], positionStatus="undefined"),
        ),
    )
    assert (segment.name, segment.label) == ("kidney", 1)
    assert segment.prompts == (
        PointPrompt((5, 6, 4), True),
        PointPrompt((7, 6, 4), False),
        PointPrompt((9, 6, 4), False),
    )


def test_ras_files_are_read_as_ras(tmp_path):
    (segment,) = read(tmp_path, fiducials(a_point([-5, -6, 8]), coordinateSystem="RAS"))
    assert segment.prompts == (PointPrompt((5, 6, 4)),)


def test_a_roi_is_a_box_on_every_slice_it_covers(tmp_path):
    """From 5 to 35 mm, slices 2 mm apart: those at 6 to 34 mm."""
    (segment,) = read(tmp_path, a_roi())
    assert segment.prompts == tuple(BoxPrompt((15, 12, k), (25, 18, k)) for k in range(3, 18))


def test_a_turned_roi_gives_the_box_around_it(tmp_path):
    (segment,) = read(tmp_path, a_roi(orientation=[0, -1, 0, 1, 0, 0, 0, 0, 1]))
    assert segment.prompts == tuple(BoxPrompt((17, 10, k), (23, 20, k)) for k in range(3, 18))


def test_a_roi_that_reaches_beyond_the_volume_is_cut_to_it(tmp_path):
    (segment,) = read(tmp_path, a_roi(size=[1000, 6, 1000]))
    assert segment.prompts == tuple(BoxPrompt((0, 12, k), (59, 18, k)) for k in range(40))


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        (a_roi(center=[500, 0, 0]), "outside the volume"),
        (a_roi(size=[1, 2]), "3 finite numbers"),
        (a_roi(center=None), "3 finite numbers"),
        (a_roi(orientation=[1e400] * 9), "orientation. of a markup must be 9 finite numbers|Infinity"),
        ({"type": "Curve"}, "Curve"),
        ({"type": "Line"}, "Line"),
        (curve("Curve", [5, 6, 8], [7, 7, 10]), "one slice; it has voxels on K = 4 and on K = 5"),
        (curve("ClosedCurve", [5, 6, 8], [7, 6, 8]), "three different voxels"),
        (curve("ClosedCurve", [5, 6, 8], [7, 6, 8], [9, 6, 8]), "on one line"),
        (curve("Curve", [5, 6, 8], [500, 6, 8]), "outside the volume"),
        (curve("Curve"), "no placed point"),
        (a_roi(size=[1e308] * 3, center=[1e308] * 3), "outside the volume"),
        ("text", "None"),
        (fiducials(a_point([500, 0, 0])), "outside the volume"),
        (fiducials(a_point(None)), "3 finite numbers"),
        (fiducials(5), "controlPoints"),
        (fiducials(a_point([5, 6, 8]), coordinateSystem="XYZ"), "RAS or LPS"),
        (fiducials(a_point([5, 6, 8]), coordinateUnits="inch"), "mm"),
        (fiducials(a_point([5, 6, 8], label="negative")), "negative points only"),
        (fiducials(), "no placed point"),
    ],
)
def test_markups_that_are_no_prompts_are_refused(tmp_path, markup, reason):
    with pytest.raises(PromptError, match=reason):
        read(tmp_path, markup)


@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_a_roi_on_voxel_borders_takes_the_voxels_inside_however_they_are_stored(tmp_path, signs):
    """Its faces lie between the voxels 9 and 10, and 19 and 20: ten voxels, on no side one more."""
    image = SimpleITK.Image(64, 64, 12, SimpleITK.sitkUInt8)
    image.SetSpacing((1.5, 1.5, 4.0))
    image.SetDirection(np.diag([*signs, 1.0]).ravel().tolist())
    image.SetOrigin([0.0 if sign > 0 else 1.5 * 63 for sign in signs] + [0.0])
    geometry = VolumeGeometry(
        np.diag([-1.0, -1, 1, 1])
        @ np.block([[np.diag([1.5 * signs[0], 1.5 * signs[1], 4.0]), np.array([image.GetOrigin()]).T], [0, 0, 0, 1]]),
        (64, 64, 12),
    )
    low, high = 1.5 * 9.5, 1.5 * 19.5
    roi = a_roi(center=[(low + high) / 2] * 2 + [24.0], size=[high - low] * 2 + [8.0])
    (tmp_path / "r.mrk.json").write_text(json.dumps({"markups": [roi]}))
    (segment,) = read_prompts(tmp_path / "r.mrk.json", geometry)
    corners = [
        image.TransformIndexToPhysicalPoint(getattr(segment.prompts[0], name)) for name in ("low_ijk", "high_ijk")
    ]
    np.testing.assert_allclose(np.sort(np.array(corners)[:, :2], axis=0), [[15, 15], [28.5, 28.5]])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_roi_between_two_slices_takes_the_same_one_however_they_are_stored(tmp_path, sign):
    """It holds no slice's centre, and its own lies on the border of two: the upper one, at 24 mm, in both orders."""
    matrix = np.diag([-1.5, -1.5, 4.0 * sign, 1.0])
    matrix[2, 3] = 0.0 if sign > 0 else 4.0 * 11
    geometry = VolumeGeometry(matrix, (64, 64, 12))
    (tmp_path / "r.mrk.json").write_text(json.dumps({"markups": [a_roi(center=[30, 30, 22], size=[12, 12, 3])]}))
    (segment,) = read_prompts(tmp_path / "r.mrk.json", geometry)
    assert nibabel.affines.apply_affine(matrix, segment.prompts[0].low_ijk)[2] == 24


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_roi_over_two_slices_takes_both_however_they_are_stored(tmp_path, sign):
    matrix = np.diag([-1.5, -1.5, 4.0 * sign, 1.0])
    matrix[2, 3] = 0.0 if sign > 0 else 4.0 * 11
    geometry = VolumeGeometry(matrix, (64, 64, 12))
    (tmp_path / "r.mrk.json").write_text(json.dumps({"markups": [a_roi(center=[30, 30, 22], size=[12, 12, 8])]}))
    (segment,) = read_prompts(tmp_path / "r.mrk.json", geometry)
    heights = [nibabel.affines.apply_affine(matrix, box.low_ijk)[2] for box in segment.prompts]
    assert sorted(heights) == [20, 24]


@pytest.mark.parametrize(
    "fields",
    [
        {"center": [0, 0, 0], "size": [0, 0, 0], "controlPoints": []},
        {"center": [0, 0, 0], "size": [0, 0, 0]},
        {"controlPoints": []},
        {"controlPoints": [{"position": "", "positionStatus": "undefined"}]},
        {"size": [-1, 5, 5]},
    ],
)
def test_a_roi_that_was_never_placed_is_refused(tmp_path, fields):
    with pytest.raises(PromptError, match="never placed"):
        read(tmp_path, a_roi(**fields))


def test_a_roi_between_the_centres_of_voxels_is_refused(tmp_path):
    with pytest.raises(PromptError, match="centre of no voxel"):
        read(tmp_path, a_roi(center=[20.5, 15, 20], size=[0.4, 6, 30]))
