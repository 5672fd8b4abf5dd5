"""Scribbles and lassos as prompts: where they lie, what they are to the model, how they combine, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, LassoPrompt, PointPrompt, ScribblePrompt, SegmentPrompts, SliceKey
from dfqsam_core.volume import VolumeGeometry as Geometry
from dfqsam_core.volume.prompts import can_predict, with_prompt, without_prompt
from dfqsam_core.volume.strokes import evenly_along

from .strategies import geometries_with_voxels

GEOMETRY = Geometry(np.diag([-1.0, -1.0, 2.0, 1.0]), (60, 50, 40))
TRIANGLE = ((3, 4, 7), (9, 4, 7), (3, 12, 7))
BOX = BoxPrompt((1, 1, 7), (20, 20, 7))
CLICK, AWAY = PointPrompt((4, 5, 7)), PointPrompt((30, 30, 7), positive=False)
SCRIBBLE, RUBBED = ScribblePrompt(((3, 4, 7), (9, 4, 7))), ScribblePrompt(((20, 4, 7), (30, 4, 7)), positive=False)
LASSO, OUT = LassoPrompt(TRIANGLE), LassoPrompt(TRIANGLE, positive=False)


@given(geometries_with_voxels(count=6), st.sampled_from("IJK"), st.booleans())
def test_one_path_in_three_coordinate_systems_is_one_stroke(geometry_and_voxels, axis, positive):
    geometry, voxels = geometry_and_voxels
    normal = "IJK".index(axis)
    path = [tuple(voxels[0][n] if n == normal else voxel[n] for n in range(3)) for voxel in voxels]
    strokes = [
        ScribblePrompt.at(geometry, geometry.from_ijk(path, system), system, positive, axis)
        for system in ("RAS", "LPS", "IJK")
    ]
    expected = tuple(voxel for n, voxel in enumerate(path) if n == 0 or voxel != path[n - 1])
    assert strokes == [ScribblePrompt(expected, positive, axis)] * 3
    assert strokes[0].slice == SliceKey(axis, voxels[0][normal])


def test_a_lasso_may_repeat_its_first_position_at_its_end():
    assert LassoPrompt.at(GEOMETRY, [*TRIANGLE, (9, 4, 7), (3, 4, 7)], "IJK").vertices_ijk == (*TRIANGLE, (9, 4, 7))
    assert LassoPrompt.at(GEOMETRY, [*TRIANGLE, TRIANGLE[0]], "IJK") == LASSO


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30),
    st.integers(1, 12),
)
def test_points_lie_evenly_along_the_path(path, count):
    """Walked along the path in small steps, each point is found a whole number of equal parts after the first."""
    line = np.array(path, np.float64)
    points = evenly_along(line, count)
    ends = np.linalg.norm(np.diff(line, axis=0), axis=1)
    part, walked, expected = ends.sum() / count, 0.0, []
    for start, end, length in zip(line[:-1], line[1:], ends, strict=True):
        while len(expected) < count and walked + length >= (len(expected) + 0.5) * part - 1e-9 and length:
            share = ((len(expected) + 0.5) * part - walked) / length
            expected.append(start + share * (end - start))
        walked += length
    np.testing.assert_allclose(points, expected if ends.sum() else [line[0]] * count, atol=1e-6)


@pytest.mark.parametrize(("positive", "most"), [(True, 10), (False, 3)])
def test_the_model_gets_few_points_of_a_long_scribble_and_one_of_a_short_one(positive, most):
    long = ScribblePrompt(tuple((i, 5, 7) for i in range(60)), positive)
    part = 59 / most
    np.testing.assert_allclose(long.points_ijk[:, 0], (np.arange(most) + 0.5) * part, atol=1e-6)
    assert ScribblePrompt(((3, 4, 7),), positive).points_ijk.tolist() == [[3, 4, 7]]
    assert len(ScribblePrompt(((3, 4, 7), (4, 4, 7)), positive).points_ijk) == 2


@pytest.mark.parametrize("earlier", [BOX, LASSO])
@pytest.mark.parametrize("later", [BoxPrompt((2, 2, 7), (9, 9, 7)), LassoPrompt(((0, 0, 7), (9, 9, 7), (0, 9, 7)))])
def test_a_slice_has_one_outline_and_keeps_everything_else(earlier, later):
    given_before = (CLICK, earlier, SCRIBBLE, OUT)
    assert with_prompt(given_before, later) == (CLICK, SCRIBBLE, OUT, later)


@pytest.mark.parametrize("added", [SCRIBBLE, RUBBED, OUT, ScribblePrompt(SCRIBBLE.path_ijk, positive=False)])
def test_strokes_and_negative_lassos_add_up_and_an_equal_one_counts_once(added):
    others = (BOX, ScribblePrompt(((1, 1, 7),)), LassoPrompt(((0, 0, 7), (9, 9, 7), (0, 9, 7)), positive=False))
    once = with_prompt(others, added)
    assert once == (*others, added)
    assert with_prompt(once, added) == once
    assert without_prompt(once, added) == others


def test_a_file_of_prompts_combines_them_as_one_after_the_other():
    prompts = (SCRIBBLE, CLICK, RUBBED, SCRIBBLE, OUT, LASSO)
    one_by_one: tuple = ()
    for prompt in prompts:
        one_by_one = with_prompt(one_by_one, prompt)
    assert SegmentPrompts("liver", 1, prompts).by_slice() == {SliceKey("K", 7): one_by_one}


@pytest.mark.parametrize(
    ("prompts", "possible"),
    [((SCRIBBLE,), True), ((LASSO,), True), ((RUBBED, OUT, AWAY), False), ((RUBBED, CLICK), True)],
)
def test_something_positive_says_where_the_segment_is(prompts, possible):
    assert can_predict(prompts) is possible


@pytest.mark.parametrize(
    ("prompts", "reason"),
    [
        ((BOX, LASSO), "more than one box or lasso"),
        ((LASSO, LassoPrompt(((0, 0, 7), (9, 9, 7), (0, 9, 7)))), "more than one box or lasso"),
        ((RUBBED, OUT), "negative points only"),
        (tuple(ScribblePrompt(((i, j, 7),)) for i in range(60) for j in range(2)), "prompts of 1200 points"),
    ],
)
def test_prompts_of_a_slice_that_contradict_each_other_are_refused(prompts, reason):
    with pytest.raises(PromptError, match=reason):
        SegmentPrompts("liver", 1, prompts)


@pytest.mark.parametrize(
    ("kind", "positions", "reason"),
    [
        (ScribblePrompt, [], "has no voxels"),
        (ScribblePrompt, [(3, 4, 7), (3, 4, 8)], "one slice; it has voxels on K = 7 and on K = 8"),
        (ScribblePrompt, [(3, 4, 7), (60, 4, 7)], "outside the volume"),
        (ScribblePrompt, [(3, 4, 7), (np.nan, 4, 7)], "three finite numbers"),
        (ScribblePrompt, [(3, 4, 7), (3, 4)], "three finite numbers"),
        (ScribblePrompt, [(3, 4, 7)] * 10_001, "10001 positions; up to 10000"),
        (LassoPrompt, [], "has no voxels"),
        (LassoPrompt, [(3, 4, 7), (9, 4, 7), (3, 4, 7), (9, 4, 7)], "three different voxels, found 2"),
        (LassoPrompt, [(3, 4, 7), (9, 4, 7), (5, 4, 7)], "on one line"),
        (LassoPrompt, [(3, 4, 7), (3, 4, 7), (5, 8, 7), (7, 12, 7)], "on one line"),
        (LassoPrompt, [*TRIANGLE, (3, 3, 8)], "one slice"),
        (LassoPrompt, [*TRIANGLE, (3, -1, 7)], "outside the volume"),
    ],
)
def test_strokes_that_cannot_be_meant_are_refused(kind, positions, reason):
    with pytest.raises(PromptError, match=reason):
        kind.at(GEOMETRY, positions, "IJK")


@pytest.mark.parametrize("kind", [ScribblePrompt, LassoPrompt])
def test_an_unknown_axis_or_coordinate_system_is_refused(kind):
    with pytest.raises(PromptError, match="An axis is I, J or K"):
        kind(TRIANGLE, axis="X")
    with pytest.raises(PromptError, match="RAS, LPS or IJK"):
        kind.at(GEOMETRY, TRIANGLE, "XYZ")
