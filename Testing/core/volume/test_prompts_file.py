from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    SegmentPrompts,
    SliceKey,
    VolumeGeometry,
    read_prompts,
)
from dfqsam_core.volume.files.prompts_file import parse_prompts, prompt_json
from dfqsam_core.volume.prompts import Propagation

from .strategies import geometries_with_voxels

GEOMETRY = VolumeGeometry(np.diag([-1.0, -1.0, 2.0, 1.0]), (60, 50, 40))
POINT = {"type": "point", "position": [5, 6, 7], "positive": True, "axis": "K"}
BOX = {"type": "box", "corners": [[10, 20, 7], [3, 30, 7]], "axis": "K"}
SCRIBBLE = {"type": "scribble", "path": [[5, 6, 7], [9, 6, 7]], "positive": False, "axis": "K"}
LASSO = {"type": "lasso", "vertices": [[5, 6, 7], [9, 6, 7], [9, 9, 7]], "positive": True, "axis": "K"}
ROI = {"type": "roi", "corners": [[20, 10, 9], [10, 12, 7]], "axis": "K"}


def content(**changes) -> dict:
    segment = {"name": "liver", "label": 1, "prompts": [POINT, BOX]}
    return {"coordinate_system": "IJK", "segments": [segment | changes]}


def read(tmp_path, value) -> tuple:
    path = tmp_path / "prompts.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return read_prompts(path, GEOMETRY)


def test_the_example_of_the_contract(tmp_path):
    example = {
        "coordinate_system": "RAS",
        "segments": [
            {
                "name": "liver",
                "label": 1,
                "prompts": [
                    {"type": "point", "position": [-12.5, -40.0, 44.0], "positive": True, "axis": "K"},
                    {"type": "box", "corners": [[-10, -20, 44], [-40, -45, 44]], "axis": "K"},
                ],
                "propagate": {"first": 20, "last": 39},
            }
        ],
    }
    (segment,) = read(tmp_path, example)
    assert (segment.name, segment.label, segment.overwrite) == ("liver", 1, False)
    assert segment.prompts == (PointPrompt((13, 40, 22)), BoxPrompt((10, 20, 22), (40, 45, 22)))
    assert segment.propagation == Propagation(20, 39, "K")
    assert list(segment.by_slice()) == [SliceKey("K", 22)]


@given(geometries_with_voxels(count=3), st.sampled_from("IJK"), st.permutations(range(2)))
def test_one_place_in_three_coordinate_systems_is_one_prompt(geometry_and_voxels, axis, order):
    geometry, (point, *corners) = geometry_and_voxels
    normal = "IJK".index(axis)
    corners = [tuple(point[normal] if n == normal else c[n] for n in range(3)) for c in corners]
    expected = BoxPrompt.from_corners(*corners, axis)
    sides = [expected.high_ijk[n] - expected.low_ijk[n] + 1 for n in range(3) if n != normal]
    parsed = []
    for system in ("RAS", "LPS", "IJK"):
        position, *box = geometry.from_ijk([point, *corners], system).tolist()
        prompts = [
            {"type": "point", "position": position, "axis": axis},
            {"type": "box", "corners": [box[n] for n in order], "axis": axis},
        ]
        file = {"coordinate_system": system, "segments": [{"name": "x", "label": 7, "prompts": prompts}]}
        if min(sides) < 3:
            with pytest.raises(PromptError, match="at least 3 × 3"):
                parse_prompts(file, geometry)
            return
        parsed.append(parse_prompts(file, geometry))
    assert parsed[0] == parsed[1] == parsed[2]
    assert parsed[0][0].prompts[0] == PointPrompt(point, True, axis)
    assert parsed[0][0].prompts[1] == expected


def test_axis_defaults_to_the_acquisition_axis_and_points_to_positive(tmp_path):
    prompt = {"type": "point", "position": [5, 6, 7]}
    (segment,) = read(tmp_path, content(prompts=[prompt]))
    assert segment.prompts == (PointPrompt((5, 6, 7), True, "K"),)


def test_strokes_and_a_roi_are_read_as_they_are_written(tmp_path):
    (segment,) = read(tmp_path, content(prompts=[POINT, SCRIBBLE, LASSO, ROI | {"corners": [[1, 2, 8], [9, 8, 10]]}]))
    assert segment.prompts == (
        PointPrompt((5, 6, 7)),
        ScribblePrompt(((5, 6, 7), (9, 6, 7)), positive=False),
        LassoPrompt(((5, 6, 7), (9, 6, 7), (9, 9, 7))),
        *[BoxPrompt((1, 2, k), (9, 8, k)) for k in (8, 9, 10)],
    )
    assert [prompt_json(prompt) for prompt in segment.prompts[:3]] == [POINT, SCRIBBLE, LASSO]


def test_the_corners_of_a_roi_are_a_box_in_space_along_the_files_own_axes(tmp_path):
    """From 4.5 to 8.5 mm to the left, 20 to 30 to the back, 13 to 17 up, in slices 2 mm apart."""
    roi = {"type": "roi", "corners": [[-4.5, -20, 13], [-8.5, -30, 17]]}
    (segment,) = read(tmp_path, content(prompts=[roi]) | {"coordinate_system": "RAS"})
    assert segment.prompts == (BoxPrompt((5, 20, 7), (8, 30, 7)), BoxPrompt((5, 20, 8), (8, 30, 8)))


def test_overwrite_is_read_for_one_segment_or_for_all(tmp_path):
    assert read(tmp_path, content(overwrite=True))[0].overwrite
    assert read(tmp_path, content() | {"overwrite": True})[0].overwrite
    assert not read(tmp_path, content(overwrite=False) | {"overwrite": True})[0].overwrite


BROKEN = {
    "label 0": (content(label=0), "1..65535"),
    "label too large": (content(label=65536), "1..65535"),
    "label true": (content(label=True), "whole number"),
    "label as text": (content(label="1"), "whole number"),
    "no name": (content(name=" "), "name"),
    "no prompts": (content(prompts=[]), "at least one"),
    "no segments": (content() | {"segments": []}, "at least one"),
    "segments no list": (content() | {"segments": {}}, "at least one"),
    "unknown coordinate system": (content() | {"coordinate_system": "XYZ"}, "RAS, LPS or IJK"),
    "coordinate system a list": (content() | {"coordinate_system": ["RAS"]}, "RAS, LPS or IJK"),
    "unknown key on top": (content() | {"colour": 1}, "unknown key 'colour'"),
    "unknown key in a segment": (content(colour=1), "unknown key 'colour'"),
    "unknown key in a prompt": (content(prompts=[POINT | {"colour": 1}]), "unknown key 'colour'"),
    "unknown prompt": (content(prompts=[{"type": "ellipse"}]), "ellipse"),
    "prompt no object": (content(prompts=[5]), "type None"),
    "axis unknown": (content(prompts=[POINT | {"axis": "Z"}]), "I, J or K"),
    "axis of two letters": (content(prompts=[POINT | {"axis": "IJ"}]), "I, J or K"),
    "positive as number": (content(prompts=[POINT | {"positive": 1}]), "true or false"),
    "two numbers": (content(prompts=[POINT | {"position": [1, 2]}]), "position must be 3 finite numbers"),
    "text as number": (content(prompts=[POINT | {"position": [1, 2, "3"]}]), "3 finite numbers"),
    "number beyond float": (content(prompts=[POINT | {"position": [10**400, 2, 3]}]), "3 finite numbers"),
    "outside": (content(prompts=[POINT | {"position": [9999, 0, 0]}]), "outside the volume"),
    "just outside": (content(prompts=[POINT | {"position": [59.5, 0, 0]}]), "outside the volume"),
    "far outside": (content(prompts=[POINT | {"position": [1e308, -1e308, 0]}]), "outside the volume"),
    "scribble without a path": (content(prompts=[{"type": "scribble"}]), "lacks path"),
    "path no list": (content(prompts=[SCRIBBLE | {"path": 5}]), "path must be a list"),
    "empty path": (content(prompts=[SCRIBBLE | {"path": []}]), "path must be a list with at least one entry"),
    "path of two numbers": (content(prompts=[SCRIBBLE | {"path": [[1, 2, 3], [1, 2]]}]), "path[1] must be 3 finite"),
    "path over two slices": (content(prompts=[SCRIBBLE | {"path": [[1, 2, 3], [1, 2, 4]]}]), "K = 3 and on K = 4"),
    "path out of the volume": (content(prompts=[SCRIBBLE | {"path": [[1, 2, 3], [1, 2, 99]]}]), "outside the volume"),
    "endless path": (content(prompts=[SCRIBBLE | {"path": [[1, 2, 3]] * 10_001}]), "up to 10000 are read"),
    "vertices of a scribble": (content(prompts=[SCRIBBLE | {"vertices": []}]), "unknown key 'vertices'"),
    "negative strokes only": (content(prompts=[SCRIBBLE, LASSO | {"positive": False}]), "negative points only"),
    "lasso of two vertices": (
        content(prompts=[LASSO | {"vertices": [[1, 2, 3], [2, 2, 3]]}]),
        "three different voxels",
    ),
    "sign of a lasso as text": (content(prompts=[LASSO | {"positive": "no"}]), "true or false"),
    "lasso and box on a slice": (content(prompts=[LASSO, BOX]), "more than one box or lasso"),
    "roi and box on a slice": (content(prompts=[ROI, BOX]), "more than one box or lasso"),
    "two rois on a slice": (content(prompts=[ROI, ROI]), "is a box on each slice that it covers"),
    "roi of three corners": (content(prompts=[ROI | {"corners": [[1, 1, 7]] * 3}]), "a roi has two opposite corners"),
    "roi of no size": (content(prompts=[ROI | {"corners": [[1, 1, 7]] * 2}]), "never placed"),
    "roi outside": (content(prompts=[ROI | {"corners": [[99, 1, 7], [120, 5, 9]]}]), "outside the volume"),
    "roi far outside": (content(prompts=[ROI | {"corners": [[-1e308] * 3, [1e308] * 3]}]), "outside the volume"),
    "roi with a sign": (content(prompts=[ROI | {"positive": True}]), "unknown key 'positive'"),
    "box over two slices": (content(prompts=[BOX | {"corners": [[1, 1, 7], [5, 5, 8]]}]), "K = 7 and K = 8"),
    "corner of two numbers": (content(prompts=[BOX | {"corners": [[1, 1, 7], [5, 5]]}]), "corners[1] must be 3 finite"),
    "box of two voxels": (
        content(prompts=[BOX | {"corners": [[3, 20, 7], [4, 30, 7]]}]),
        "2 × 11 voxels; at least 3 × 3",
    ),
    "box of three corners": (content(prompts=[BOX | {"corners": [[1, 1, 7]] * 3}]), "two opposite corners"),
    "two boxes on a slice": (content(prompts=[BOX, BOX]), "more than one box"),
    "negative points only": (content(prompts=[POINT | {"positive": False}]), "negative points only"),
    "corrections that are none": (content(corrections=[]), "segments[0].corrections must be a list"),
    "a correction outside": (content(corrections=[POINT | {"position": [60, 6, 7]}]), "outside"),
    "a correction of another kind": (content(corrections=[{"type": "circle"}]), "segments[0].corrections[0]"),
    "too many corrections of a slice": (
        content(corrections=[POINT | {"position": [n % 60, n // 60, 7]} for n in range(1001)]),
        "1001 prompts",
    ),
    "propagate backwards": (content(propagate={"first": 9, "last": 3}), "0 to 39"),
    "propagate outside": (content(propagate={"first": 0, "last": 40}), "0 to 39"),
    "propagate a float": (content(propagate={"first": 0.0, "last": 3}), "whole number"),
    "propagate across two axes": (
        content(prompts=[POINT, POINT | {"axis": "J"}], propagate={"first": 0, "last": 3}),
        "one axis",
    ),
    "no JSON": ("{", "not valid JSON"),
    "nothing": ("", "not valid JSON"),
    "a list": ("[]", "must be an object"),
    "NaN": (json.dumps(content(prompts=[POINT | {"position": [float("nan"), 5, 5]}])), "NaN"),
    "infinity": (json.dumps(content(prompts=[POINT | {"position": [float("-inf"), 5, 5]}])), "Infinity"),
    "infinity by overflow": (json.dumps(content()).replace("5, 6, 7", "1e999, 6, 7"), "finite numbers"),
    "a key twice": ('{"coordinate_system": "RAS", "coordinate_system": "LPS"}', "twice"),
    "deeply nested": ("[" * 100_000, "not valid JSON"),
    "a number of a million digits": ('{"a": ' + "9" * 1_000_000 + "}", "not valid JSON"),
}


@pytest.mark.parametrize(("value", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_refused_and_named(tmp_path, value, reason):
    with pytest.raises(PromptError) as refusal:
        read(tmp_path, value)
    assert reason in str(refusal.value)
    assert len(str(refusal.value)) < 700


def test_corrections_are_prompts_in_their_order_and_may_be_negative_alone(tmp_path):
    negative = POINT | {"positive": False, "position": [8, 8, 9]}
    (segment,) = read(tmp_path, content(corrections=[negative, SCRIBBLE, POINT]))
    assert [type(prompt) for prompt in segment.corrections] == [PointPrompt, ScribblePrompt, PointPrompt]
    assert segment.corrections[0] == PointPrompt((8, 8, 9), positive=False)
    assert read(tmp_path, content())[0].corrections == ()


def test_two_segments_with_one_label_are_refused(tmp_path):
    doubled = content()
    doubled["segments"].append(copy.deepcopy(doubled["segments"][0]))
    with pytest.raises(PromptError, match="label 1 is used by two segments"):
        read(tmp_path, doubled)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x00" * 10])
def test_bytes_that_are_no_text_are_refused(tmp_path, data):
    path = tmp_path / "prompts.json"
    path.write_bytes(data)
    with pytest.raises(PromptError, match="not valid JSON"):
        read_prompts(path, GEOMETRY)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(PromptError, match="cannot be read"):
            read_prompts(path, GEOMETRY)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "position", "path", "corners", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["name", "label", "prompts", "propagate", "overwrite", "corrections"]), json_values)
def test_any_value_anywhere_is_read_or_refused(key, value):
    try:
        (segment,) = parse_prompts(content(**{key: value}), GEOMETRY)
    except PromptError:
        return
    assert getattr(segment, "propagation" if key == "propagate" else key) is not None


def test_box_corners_are_sorted_along_each_axis():
    box = BoxPrompt.from_corners((9, 2, 5), (3, 8, 5))
    assert (box.low_ijk, box.high_ijk) == ((3, 2, 5), (9, 8, 5))
    with pytest.raises(PromptError, match="swapped"):
        BoxPrompt((9, 2, 5), (3, 8, 5))


def test_a_point_that_is_given_twice_counts_once_as_two_clicks_do():
    point, other = PointPrompt((1, 1, 1)), PointPrompt((2, 1, 1))
    assert SegmentPrompts("x", 1, (point, other, point)).by_slice() == {point.slice: (other, point)}
