"""A polygon's pixels beside those of scikit-image, and the rule for lines that cross themselves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import polygon

from dfqsam_core.volume.polygons import filled_polygon

SHAPE = (12, 15)
corners = st.tuples(st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[0] - 1))


def shown(mask):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in mask]


@given(st.lists(corners, min_size=3, max_size=9, unique=True), st.booleans())
def test_a_simple_polygon_is_scikit_images(vertices, clockwise):
    """Sorted round their middle, corners make a polygon that does not cross itself."""
    x, y = np.array(vertices).T
    # A point beside the middle, so that no two corners are seen in one direction from it.
    around = np.argsort(np.arctan2(y - y.mean() - 1e-3, x - x.mean() - 1.3e-3))[:: 1 if clockwise else -1]
    x, y = x[around], y[around]
    expected = np.zeros(SHAPE, bool)
    expected[polygon(y, x, SHAPE)] = True
    found = filled_polygon(list(zip(x.tolist(), y.tolist(), strict=True)), SHAPE)
    if np.linalg.matrix_rank(np.array([x - x[0], y - y[0]])) == 2:
        np.testing.assert_array_equal(found, expected)


@given(st.lists(corners, min_size=3, max_size=9))
def test_a_line_that_crosses_itself_leaves_no_hole_where_it_goes_round_twice(vertices):
    """The winding number as the sum of the angles under which a pixel sees the edges."""
    found = filled_polygon(vertices, SHAPE)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    arms = [(x - columns) + 1j * (y - rows) for x, y in [*vertices, vertices[0]]]
    on_corner = np.any([arm == 0 for arm in arms], axis=0)
    turned = [np.angle(b / np.where(a == 0, 1, a)) for a, b in pairwise(arms)]
    # Half a turn: the pixel lies on that edge.
    on_line = on_corner | np.any([np.isclose(np.abs(turn), np.pi, atol=1e-9) for turn in turned], axis=0)
    winding = np.round(np.sum(turned, axis=0) / (2 * np.pi))
    np.testing.assert_array_equal(found, on_line | (winding != 0))


def test_a_figure_of_eight_holds_both_halves():
    found = filled_polygon([(0, 0), (6, 4), (6, 0), (0, 4)], (5, 7))
    assert shown(found) == [
        "#.....#",
        "##...##",
        "#######",
        "##...##",
        "#.....#",
    ]


def test_a_hand_that_goes_round_twice_holds_what_it_went_round_once():
    ring = [(1, 1), (5, 1), (5, 4), (1, 4)]
    np.testing.assert_array_equal(filled_polygon(ring * 2, (6, 7)), filled_polygon(ring, (6, 7)))
