"""Random grids for property tests: any rotation, spacing, origin, axis order and handedness."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from dfqsam_core.volume import VolumeGeometry


def rotation(quaternion: tuple[float, ...]) -> np.ndarray:
    w, x, y, z = np.array(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


quaternions = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)
spacings = st.tuples(*[st.floats(0.1, 10)] * 3)
origins = st.tuples(*[st.floats(-500, 500)] * 3)
shapes = st.tuples(*[st.integers(1, 9)] * 3)


@st.composite
def geometries(draw: st.DrawFn) -> VolumeGeometry:
    turn = rotation(draw(quaternions)) * np.array(draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = turn[:, draw(st.permutations(range(3)))] * draw(spacings)
    matrix[:3, 3] = draw(origins)
    return VolumeGeometry(matrix, draw(shapes))


@st.composite
def geometries_with_voxels(draw: st.DrawFn, count: int = 1) -> tuple[VolumeGeometry, list[tuple[int, int, int]]]:
    geometry = draw(geometries())
    voxel = st.tuples(*[st.integers(0, n - 1) for n in geometry.shape_ijk])
    return geometry, draw(st.lists(voxel, min_size=count, max_size=count))
