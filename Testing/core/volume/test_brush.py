"""Which voxels a brush reaches, told apart by their distances one by one."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise, product

import numpy as np
import pytest

from dfqsam_core.volume import SliceKey, brush
from dfqsam_core.volume.brush import Brush, BrushStroke

SHAPE = (30, 26, 14)
# Oblique and anisotropic: mm in the world for a step along I, J and K.
_TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
STEPS = _TURN * (0.8, 1.1, 3.0)
PATH = np.array([[8.2, 9.1, 6.0], [14.6, 12.4, 6.0], [15.0, 17.0, 6.0]])


def painted(stroke: BrushStroke) -> np.ndarray:
    """(K, J, I) bool of all slices of a stroke."""
    voxels = np.zeros(SHAPE[::-1], bool)
    for key, plane in stroke.planes(SHAPE):
        np.moveaxis(voxels, "KJI".index(key.axis), 0)[key.index] |= plane
    return voxels


def distances(points: np.ndarray, path: np.ndarray) -> np.ndarray:
    """mm from each of (N, 3) to the nearest of many positions on a path in the world."""
    ways = [start + np.linspace(0, 1, 400)[:, None] * (end - start) for start, end in pairwise(path)]
    dense = np.concatenate(ways) if ways else path
    return np.array([np.linalg.norm(dense - point, axis=1).min() for point in points])


def indices() -> np.ndarray:
    """(N, 3) IJK of all voxels in the order of a (K, J, I) array."""
    return np.stack(np.indices(SHAPE[::-1]), axis=-1).reshape(-1, 3)[:, ::-1]


def plane_normal(axis: str) -> np.ndarray:
    normal = np.linalg.inv(STEPS)["IJK".index(axis)]
    return np.asarray(normal / np.linalg.norm(normal))


def is_told_apart(distance: np.ndarray, radius: float) -> np.ndarray:
    """Not so near the edge that the positions of `distances` would decide."""
    return np.abs(distance - radius) > 0.02


def test_a_ball_reaches_the_voxels_within_its_radius_of_the_way() -> None:
    stroke = BrushStroke(PATH, STEPS, plane_normal("K"), "K", Brush(7.0, is_ball=True))
    away = distances(indices() @ STEPS.T, PATH @ STEPS.T)
    certain = is_told_apart(away, 3.5)
    np.testing.assert_array_equal(painted(stroke).ravel()[certain], (away <= 3.5)[certain])
    assert len({key for key, _ in stroke.planes(SHAPE)}) > 1


@pytest.mark.parametrize("axis", ["I", "J", "K"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_disc_paints_one_slice_alone_where_the_view_shows_one(axis: str, sign: int) -> None:
    path = PATH.copy()
    path[:, "IJK".index(axis)] = 5.0
    stroke = BrushStroke(path, STEPS, sign * plane_normal(axis), axis, Brush(9.0))
    assert [key for key, _ in stroke.planes(SHAPE)] == [SliceKey(axis, 5)]
    voxels = indices()
    away = distances(voxels @ STEPS.T, path @ STEPS.T)
    certain = is_told_apart(away, 4.5)
    expected = (away <= 4.5) & (voxels[:, "IJK".index(axis)] == 5)
    np.testing.assert_array_equal(painted(stroke).ravel()[certain], expected[certain])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_plane_between_two_slices_counts_as_the_one_that_is_read_there(sign: int) -> None:
    path = PATH + np.array([0, 0, 0.5])
    stroke = BrushStroke(path, STEPS, sign * plane_normal("K"), "K", Brush(6.0))
    assert [key for key, _ in stroke.planes(SHAPE)] == [SliceKey("K", 7)]


def test_in_an_oblique_view_every_voxel_that_it_shows_under_the_disc_is_painted_and_none_that_it_does_not_show() -> (
    None
):
    normal = np.array([0.3, -0.2, 0.93])
    normal /= np.linalg.norm(normal)
    middle = np.array([14.0, 12.0, 6.2])
    stroke = BrushStroke(middle[None], STEPS, normal, "K", Brush(14.0))
    # Positions in the plane, as pixels of a view: what is under them.
    across = np.cross(normal, (1.0, 0, 0))
    across /= np.linalg.norm(across)
    up = np.cross(normal, across)
    x, y = np.meshgrid(np.linspace(-7, 7, 281), np.linspace(-7, 7, 281))
    spots = STEPS @ middle + x.reshape(-1, 1) * across + y.reshape(-1, 1) * up
    found = {tuple(voxel[::-1]) for voxel in np.argwhere(painted(stroke)).tolist()}
    corners = np.array(list(product((-0.5, 0.5), repeat=3)))
    for voxel in found:
        heights = (voxel + corners - middle) @ STEPS.T @ normal
        assert heights.min() <= 0 <= heights.max(), "the plane goes through it"
    well_inside = np.hypot(x, y).ravel() < 7 - np.linalg.norm(STEPS, axis=0).max()
    shown = {tuple(voxel) for voxel in np.rint(spots[well_inside] @ np.linalg.inv(STEPS).T).astype(int).tolist()}
    assert shown <= found, "no hole is left in what was painted over"
    assert len({voxel[2] for voxel in found}) > 1


def test_the_smallest_brush_paints_the_voxel_under_the_mouse() -> None:
    stroke = BrushStroke(np.array([[3.4, 7.3, 2.4]]), STEPS, plane_normal("K"), "K", Brush(0.5))
    assert np.argwhere(painted(stroke)).tolist() == [[2, 7, 3]]


def test_beside_the_volume_nothing_is_painted_and_across_its_edge_what_is_inside() -> None:
    beside = BrushStroke(np.array([[90.0, 7, 2]]), STEPS, plane_normal("K"), "K", Brush(5.0))
    assert list(beside.planes(SHAPE)) == []
    across = BrushStroke(np.array([[-1.0, 7, 2]]), STEPS, plane_normal("K"), "K", Brush(6.0))
    assert painted(across)[2, :, 0].any()


def huge(points: int = 1) -> tuple[BrushStroke, tuple[int, int, int]]:
    """A ball of 100 mm on half millimetres, along an arc."""
    angles = np.linspace(0, 0.5, points)
    path = 110 + 40 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    return BrushStroke(path, _TURN * 0.5, _TURN[:, 2], "K", Brush(100.0, is_ball=True)), (220, 220, 220)


def test_a_huge_brush_on_a_fine_grid_takes_little_memory() -> None:
    stroke, shape = huge()
    tracemalloc.start()
    planes = list(stroke.planes(shape))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(planes) > 150
    assert most < 12 * np.prod(shape), "bytes for each voxel, of which two are the answer"


def test_in_parts_the_same_voxels_are_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_ball in (True, False):
        stroke = BrushStroke(PATH, STEPS, plane_normal("K"), "K", Brush(12.0, is_ball))
        whole = painted(stroke)
        with monkeypatch.context() as patch:
            patch.setattr(brush, "_MOST_VOXELS", 1)
            np.testing.assert_array_equal(painted(stroke), whole)


def test_a_slow_hand_with_a_huge_brush_is_not_followed_pixel_by_pixel() -> None:
    stroke, _ = huge(points=400)
    path = stroke._thinned_path()
    assert len(path) < 30
    away = distances(stroke.path_ijk @ stroke.steps_mm.T, path @ stroke.steps_mm.T)
    assert away.max() < 0.05
    np.testing.assert_array_equal(path[[0, -1]], stroke.path_ijk[[0, -1]])
