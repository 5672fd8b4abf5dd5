"""Strokes as a hand might draw them on a labelled slice: a scribble along its middle, a lasso around it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_filter1d
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from skimage.measure import find_contours
from skimage.morphology import medial_axis

Voxels = list[tuple[int, int]]
# Of a scribble: the share of the medial axis that is left out at each end, and how smoothly it wavers, in pixels.
_SHORT, _SMOOTH = 0.1, 5.0
# Positions of a lasso, and the pixels added around a label so that its outline is closed.
_VERTICES, _MARGIN = 60, 24


def scribble_through(mask: np.ndarray, rng: np.random.Generator) -> Voxels:
    """Pixels (I, J) of a scribble along the longest way on the medial axis of a mask (J, I) bool, not empty."""
    axis, depth = medial_axis(np.pad(mask, 1), return_distance=True, rng=0)
    way = _longest_way(axis)
    cut = round(len(way) * _SHORT)
    way = way[cut : len(way) - cut]
    wavering = gaussian_filter1d(rng.standard_normal((len(way) + 8 * int(_SMOOTH), 2)), _SMOOTH, axis=0)
    wavering = np.clip(3 * wavering[4 * int(_SMOOTH) :][: len(way)], -1, 1)
    room = np.maximum(depth[tuple(way.T)] - 1, 0) / 2
    return _pixels(way - 1 + wavering * room[:, None], mask.shape)


def lasso_around(mask: np.ndarray, rng: np.random.Generator, share: float) -> Voxels:
    """Pixels (I, J) of the smoothed, wavering outline of a mask (J, I) bool.

    share: how far outside of it the hand draws, of the root of its area.
    """
    away = max(1.5, share * float(np.sqrt(np.count_nonzero(mask))))
    margin = int(3 * away) + _MARGIN
    padded = np.pad(mask, margin)
    distance = distance_transform_edt(~padded) - distance_transform_edt(padded)
    noise = gaussian_filter(rng.standard_normal(padded.shape), 3 * away)
    wavering = away / 4 * noise / noise.std()
    outlines = find_contours(gaussian_filter(distance, away) + wavering, away)
    outline = max(outlines, key=len) - margin
    return _pixels(outline[:: max(1, len(outline) // _VERTICES)], mask.shape)


def _longest_way(axis: np.ndarray) -> np.ndarray:
    """(n, 2) rows and columns: the longest of the shortest ways between pixels of a thin line (H, W) bool."""
    places = np.argwhere(axis)
    number = np.full(axis.shape, -1)
    number[tuple(places.T)] = np.arange(len(places))
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    found = [(number[tuple((places + step).T)], float(np.hypot(*step))) for step in steps]
    ends = np.concatenate([neighbour for neighbour, _ in found])
    starts = np.tile(np.arange(len(places)), len(steps))
    lengths = np.repeat([length for _, length in found], len(places))
    graph = coo_matrix((lengths[ends >= 0], (starts[ends >= 0], ends[ends >= 0])), shape=(len(places),) * 2).tocsr()
    first = _farthest(dijkstra(graph, indices=0))
    distances, before = dijkstra(graph, indices=first, return_predecessors=True)
    way = [_farthest(distances)]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    return places[way]


def _farthest(distances: np.ndarray) -> int:
    return int(np.where(np.isfinite(distances), distances, -1).argmax())


def _pixels(positions: np.ndarray, shape: tuple[int, ...]) -> Voxels:
    inside = np.clip(np.round(positions), 0, np.array(shape) - 1).astype(int)
    return [(column, row) for row, column in inside.tolist()]
