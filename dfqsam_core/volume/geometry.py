"""Where voxels lie in the patient: the one place that converts between RAS, LPS and IJK and that rounds to voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..errors import VolumeError

AXES = "IJK"
# Place of the axis "I", "J" or "K" in positions ijk; arrays (K, J, I) have it at 2 minus this.
axis_index = AXES.index
CoordinateSystem = Literal["RAS", "LPS", "IJK"]
COORDINATE_SYSTEMS: tuple[str, ...] = get_args(CoordinateSystem)
_LPS_SIGNS = np.array([-1.0, -1.0, 1.0])
# Cosine of the angle between two grid axes above which a grid counts as sheared: half a voxel over 512.
SHEAR_TOLERANCE = 1e-3
# Spacings that differ by less than this share are one spacing when the acquisition axis is chosen.
_SAME_SPACING = 0.05
# Voxel fraction below which a position is conversion noise; it keeps RAS, LPS and IJK prompts on one voxel.
VOXEL_DIGITS = 6
# No volume reaches so far; farther positions need not be told apart.
_FAR = 1e9


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """Grid of a volume: integer IJK positions are voxel centres, positions in RAS and LPS are in mm.

    Parameters
    ----------
    ijk_to_ras
        (4, 4) float64, kept read-only; any orientation, spacing, origin and handedness.
    shape_ijk
        Number of voxels along I, J and K.

    Raises
    ------
    VolumeError
        For an empty, degenerate, non-finite or sheared grid.
    """

    ijk_to_ras: np.ndarray
    shape_ijk: tuple[int, int, int]

    def __post_init__(self) -> None:
        matrix = np.array(self.ijk_to_ras, np.float64)
        _check_matrix(matrix)
        shape = tuple(int(n) for n in self.shape_ijk)
        if len(shape) != 3 or min(shape) < 1:
            raise VolumeError(f"The volume has the shape {shape}; three sizes of at least 1 are needed.")
        matrix.flags.writeable = False
        object.__setattr__(self, "ijk_to_ras", matrix)
        object.__setattr__(self, "shape_ijk", shape)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Return the distance between neighbouring voxel centres along I, J and K, in mm."""
        i, j, k = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @cached_property
    def directions_ras(self) -> np.ndarray:
        """Return the unit vectors of I, J and K in RAS, (3, 3), one per column."""
        return self.ijk_to_ras[:3, :3] / np.array(self.spacing_mm)

    @cached_property
    def anatomical_axes(self) -> tuple[int, int, int]:
        """Return for I, J and K the patient axis it follows most closely (0 R, 1 A, 2 S), each used once."""
        closeness = np.round(np.abs(self.directions_ras), VOXEL_DIGITS)
        orders = list(permutations(range(3)))
        best = np.argmax([closeness[i, 0] + closeness[j, 1] + closeness[k, 2] for i, j, k in orders])
        i, j, k = orders[int(best)]
        return i, j, k

    @cached_property
    def orientation(self) -> str:
        """Return three letters that say where I, J and K lead to, as nibabel's `aff2axcodes`: "RAS", "LPS", "PIR"..."""
        along = self.directions_ras[list(self.anatomical_axes), range(3)]
        letters = zip(self.anatomical_axes, along, strict=True)
        return "".join(["LPI"[axis] if cosine < 0 else "RAS"[axis] for axis, cosine in letters])

    @cached_property
    def acquisition_axis(self) -> str:
        """Return the axis of the largest spacing; of equal ones (within 5 %) the closest to S-I, then to A-P.

        Isotropic volumes are so cut into axial slices, in whatever order their axes are stored.
        A volume of one slice has only one sensible axis, whatever its spacing: the one across that slice.
        """
        single = [axis for axis in range(3) if self.shape_ijk[axis] == 1]
        largest = max(self.spacing_mm)
        tied = [axis for axis in range(3) if self.spacing_mm[axis] >= largest * (1 - _SAME_SPACING)]
        return AXES[max(single or tied, key=self.anatomical_axes.__getitem__)]

    def size_along(self, axis: str) -> int:
        """Return the number of slices perpendicular to `axis` ("I", "J" or "K")."""
        return self.shape_ijk[axis_index(axis)]

    def ijk_from(self, points: ArrayLike, system: str) -> np.ndarray:
        """Return continuous voxel positions (..., 3) float64 of `points` (..., 3) given in RAS, LPS or IJK."""
        array = np.asarray(points, np.float64)
        if system == "IJK":
            return array.copy()
        ras = array * _LPS_SIGNS if system == "LPS" else array
        return np.linalg.solve(self.ijk_to_ras[:3, :3], (ras - self.ijk_to_ras[:3, 3])[..., None])[..., 0]

    def from_ijk(self, points_ijk: ArrayLike, system: str) -> np.ndarray:
        """Return positions (..., 3) float64 in RAS, LPS or IJK of continuous voxel positions (..., 3)."""
        array = np.asarray(points_ijk, np.float64)
        if system == "IJK":
            return array.copy()
        ras = array @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]
        return ras * _LPS_SIGNS if system == "LPS" else ras

    def contains(self, points_ijk: ArrayLike) -> bool:
        """Return True where every position (..., 3) has its nearest voxel inside the volume; False for NaN."""
        nearest = nearest_voxel(points_ijk)
        return bool(np.all((nearest >= 0) & (nearest < np.array(self.shape_ijk))))

    def is_close(self, other: VolumeGeometry, tolerance: float = 1e-6) -> bool:
        """Return True where both grids have one shape and matrices that agree within `tolerance` (mm)."""
        return self.shape_ijk == other.shape_ijk and np.allclose(self.ijk_to_ras, other.ijk_to_ras, 0, tolerance)


def nearest_voxel(points_ijk: ArrayLike) -> np.ndarray:
    """Voxel (..., 3) that holds each continuous position: voxel n spans n - 0.5 (included) to n + 0.5 (excluded).

    The only rounding rule of the package. Returned as whole float64 numbers, so that NaN survives until it is refused.
    """
    near = np.clip(np.asarray(points_ijk, np.float64), -_FAR, _FAR)
    return np.floor(np.round(near, VOXEL_DIGITS) + 0.5)


def _check_matrix(matrix: np.ndarray) -> None:
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise VolumeError(f"The volume's position is not a finite 4x4 matrix: {matrix.tolist()}. Repair its header.")
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.allclose(matrix[3], [0, 0, 0, 1]) or lengths.min() < 1e-9 or lengths.max() > 1e9:
        raise VolumeError(f"The volume's voxels have no size (spacing {lengths.tolist()} mm). Repair its header.")
    unit = matrix[:3, :3] / lengths
    cosine = float(np.abs(unit.T @ unit - np.eye(3)).max())
    if cosine > SHEAR_TOLERANCE:
        angle = np.degrees(np.arccos(min(cosine, 1.0)))
        raise VolumeError(
            f"The volume's grid is sheared: two of its axes meet at {angle:.2f} degrees, not 90 (a gantry tilt, or "
            "an affine registration written into the header). Resample it to a rectangular grid first."
        )
