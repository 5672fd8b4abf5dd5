"""A volume of the scene, read only: its voxels and grid for the core, and the way from the world to a voxel."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike
from vtkmodules.util.numpy_support import vtk_to_numpy

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.volume import Volume, VolumeGeometry

# By the state of a node: VTK counts every change of an image in its MTime.
_HELD: WeakValueDictionary[tuple[Any, ...], Volume] = WeakValueDictionary()


class SceneError(DFQSAMError):
    """The scene lacks what is asked of it, or holds it in a form that cannot be segmented."""


def read_volume_node(node: Any) -> Volume:
    """The volume of a vtkMRMLScalarVolumeNode: a read-only view of its voxels and its own grid, without parents.

    The grid is the one of the volume's header, so that a registration does not change what the model sees. The same
    Volume is returned as long as somebody holds it and nothing of it changed, so that its digest is computed once.
    Raises SceneError for no volume, an empty one, one with several values per voxel; VolumeError for its grid.
    """
    if node is None or node.GetScene() is None:
        raise SceneError("There is no volume. Load one, or choose it in the list of volumes.")
    name, image = node.GetName(), node.GetImageData()
    scalars = None if image is None else image.GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise SceneError(f"The volume {name!r} is empty. Choose another one.")
    if scalars.GetNumberOfComponents() != 1:
        raise SceneError(
            f"The volume {name!r} has {scalars.GetNumberOfComponents()} values per voxel; one is needed. "
            "Extract one frame or one channel of it first (module Vector to Scalar Volume, or Sequences)."
        )
    shape_ijk, matrix = image.GetDimensions(), ijk_to_ras(node)
    state = (name, scalars.GetAddressAsString(""), image.GetMTime(), shape_ijk, matrix.tobytes())
    volume = _HELD.get(state)
    if volume is None:
        voxels = vtk_to_numpy(scalars).reshape(shape_ijk[::-1])
        volume = _HELD[state] = Volume(voxels, VolumeGeometry(matrix, shape_ijk), source=name)
    return volume


def ijk_to_ras(node: Any) -> np.ndarray:
    """(4, 4) float64: from voxel positions to the volume's own RAS, before its parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix_array(matrix)


def matrix_array(matrix: Any) -> np.ndarray:
    """(4, 4) float64 of a vtkMatrix4x4."""
    return np.reshape(matrix.GetData(), (4, 4))


def ijk_from_world(node: Any, points_world: ArrayLike) -> np.ndarray:
    """Continuous voxel positions (..., 3) of points (..., 3) in world RAS, mm, through all parent transforms."""
    local = _transformed(points_world, None, node.GetParentTransformNode())
    matrix = ijk_to_ras(node)
    return np.linalg.solve(matrix[:3, :3], (local - matrix[:3, 3])[..., None])[..., 0]


def world_from_ijk(node: Any, points_ijk: ArrayLike) -> np.ndarray:
    """World RAS positions (..., 3), mm, of voxel positions (..., 3): the inverse of `ijk_from_world`."""
    matrix = ijk_to_ras(node)
    local = np.asarray(points_ijk, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return _transformed(local, node.GetParentTransformNode(), None)


def world_of_point(markups_node: Any, n: int) -> np.ndarray:
    """(3,) world RAS, mm, of a control point, placed or not."""
    position = [0.0, 0.0, 0.0]
    markups_node.GetNthControlPointPositionWorld(n, position)
    return np.array(position)


def ijk_of_point(node: Any, markups_node: Any, n: int) -> np.ndarray:
    """(3,) continuous voxel position of a control point."""
    return ijk_from_world(node, world_of_point(markups_node, n))


def view_axis(node: Any, slice_node: Any, point_world: ArrayLike) -> str:
    """The voxel axis ("I", "J" or "K") that looks most closely out of a slice view at a point of the volume.

    slice_node: vtkMRMLSliceNode of the view. point_world: (3,), as a non-linear parent bends directions by place.
    """
    normal_world = matrix_array(slice_node.GetSliceToRAS())[:3, 2]
    ends = np.asarray(point_world, np.float64) + np.outer((0.0, 1.0), normal_world)
    start, end = _transformed(ends, None, node.GetParentTransformNode())
    directions = ijk_to_ras(node)[:3, :3]
    cosines = np.abs(directions.T @ (end - start)) / np.linalg.norm(directions, axis=0)
    return "IJK"[int(np.argmax(cosines))]


def _transformed(points: ArrayLike, source: Any, target: Any) -> np.ndarray:
    """Points (..., 3) in the frame of the transform node `source` as seen in that of `target`; None is the world."""
    array = np.asarray(points, np.float64)
    if source is target:
        return array.copy()
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    flat = [transform.TransformPoint(point) for point in array.reshape(-1, 3)]
    return np.array(flat, np.float64).reshape(array.shape)
