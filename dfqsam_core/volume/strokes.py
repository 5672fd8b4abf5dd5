"""Prompts drawn with the mouse held down: a scribble and a lasso, each on one slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PromptError
from .geometry import VOXEL_DIGITS, VolumeGeometry, axis_index
from .positions import Voxel, check_one_slice, voxels_at
from .slices import SliceKey

# Some minutes of a mouse; more would only keep the reader of a file busy.
MAX_STROKE_VOXELS = 10_000
# More positive points gain nothing on labelled slices; more negative ones make the model give up the whole segment.
MAX_SCRIBBLE_POINTS, MAX_NEGATIVE_POINTS = 10, 3


@dataclass(frozen=True)
class ScribblePrompt:
    """A line drawn through what is meant, or through what is not.

    Parameters
    ----------
    path_ijk
        1 to 10,000 voxels in the order the pen passed them, on one slice, with straight lines between them; a path of
        one voxel prompts as the point there.
    positive
        True where the segment is, False where it is not.
    axis
        Its slice is perpendicular to this axis.

    Raises
    ------
    PromptError
        For no voxels, too many, and more than one slice.
    """

    path_ijk: tuple[Voxel, ...]
    positive: bool = True
    axis: str = "K"

    def __post_init__(self) -> None:
        _check_count(self.path_ijk, "scribble")
        check_one_slice(self.path_ijk, self.axis, "scribble")

    @classmethod
    def at(
        cls,
        geometry: VolumeGeometry,
        positions: Sequence[ArrayLike],
        system: str,
        positive: bool = True,
        axis: str | None = None,
    ) -> ScribblePrompt:
        """Scribble through `positions`, each (3,) in RAS, LPS or IJK; the axis defaults to the acquisition axis.

        A voxel that several positions in a row lie in counts once. Raises PromptError outside the volume, too.
        """
        _check_count(positions, "scribble")
        path = _without_repeats(voxels_at(geometry, positions, system))
        return cls(path, positive, axis or geometry.acquisition_axis)

    @property
    def voxels_ijk(self) -> tuple[Voxel, ...]:
        """The voxels that it was placed by."""
        return self.path_ijk

    @cached_property
    def slice(self) -> SliceKey:
        """The slice that the scribble is on."""
        return SliceKey(self.axis, self.path_ijk[0][axis_index(self.axis)])

    @property
    def points_ijk(self) -> np.ndarray:
        """(n, 3) float64 points that the model is given: evenly spaced by length in voxels, n <= 10, or 3 if negative.

        Not rounded to voxels, for that would depend on the direction in which these are stored.
        """
        path = np.array(self.path_ijk, np.float64)
        length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
        count = min(MAX_SCRIBBLE_POINTS if self.positive else MAX_NEGATIVE_POINTS, int(length) + 1)
        return np.round(evenly_along(path, count), VOXEL_DIGITS)


@dataclass(frozen=True)
class LassoPrompt:
    """A closed outline drawn around what is meant, or around what is not.

    It holds the voxels that it goes round, in whatever direction and however often (the nonzero rule), and those on its
    line.

    Parameters
    ----------
    vertices_ijk
        3 to 10,000 voxels on one slice, in order; the last is joined to the first.
    positive
        True around the segment, False around what is not of it.
    axis
        Its slice is perpendicular to this axis.

    Raises
    ------
    PromptError
        For too many voxels, more than one slice, fewer than three different voxels, or all on a line.
    """

    vertices_ijk: tuple[Voxel, ...]
    positive: bool = True
    axis: str = "K"

    def __post_init__(self) -> None:
        _check_count(self.vertices_ijk, "lasso")
        check_one_slice(self.vertices_ijk, self.axis, "lasso")
        found = len(set(self.vertices_ijk))
        if found < 3:
            raise PromptError(f"A lasso needs three different voxels, found {found}. Draw it around something.")
        arms = np.array(self.vertices_ijk) - self.vertices_ijk[0]
        if not np.cross(arms[arms.any(axis=1)][0], arms).any():
            raise PromptError("The lasso goes round nothing: its voxels lie on one line. Draw it around something.")

    @classmethod
    def at(
        cls,
        geometry: VolumeGeometry,
        positions: Sequence[ArrayLike],
        system: str,
        positive: bool = True,
        axis: str | None = None,
    ) -> LassoPrompt:
        """Lasso through `positions`, each (3,) in RAS, LPS or IJK; the axis defaults to the acquisition axis.

        The first position may be repeated at the end. Raises PromptError outside the volume, too.
        """
        _check_count(positions, "lasso")
        vertices = _without_repeats(voxels_at(geometry, positions, system))
        closed = len(vertices) > 1 and vertices[0] == vertices[-1]
        return cls(vertices[:-1] if closed else vertices, positive, axis or geometry.acquisition_axis)

    @property
    def voxels_ijk(self) -> tuple[Voxel, ...]:
        """The voxels that it was placed by."""
        return self.vertices_ijk

    @cached_property
    def slice(self) -> SliceKey:
        """The slice that the lasso is on."""
        return SliceKey(self.axis, self.vertices_ijk[0][axis_index(self.axis)])


def evenly_along(path: np.ndarray, count: int) -> np.ndarray:
    """Positions (count, d) in the middles of `count` equal parts of a path (n, d) of straight lines.

    The middles, for the ends of a line are where a hand slips over a border.
    """
    reached = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted = (np.arange(count) + 0.5) / count * reached[-1]
    return np.stack([np.interp(wanted, reached, line) for line in path.T], axis=1)


def _check_count(voxels: Sequence[ArrayLike], what: str) -> None:
    if len(voxels) == 0:
        raise PromptError(f"The {what} has no voxels. Draw it anew.")
    if len(voxels) > MAX_STROKE_VOXELS:
        raise PromptError(f"The {what} has {len(voxels)} positions; up to {MAX_STROKE_VOXELS} are read. Thin it out.")


def _without_repeats(voxels: Sequence[Voxel]) -> tuple[Voxel, ...]:
    return (voxels[0], *[here for before, here in pairwise(voxels) if here != before])
