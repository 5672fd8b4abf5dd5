"""What a person does to a segment without the model: strokes of a brush, and what is done to all of it or on a slice.

The scene is read in the main thread, and what follows is computed in the worker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Literal, Protocol

import numpy as np

from dfqsam_core.errors import PromptError
from dfqsam_core.progress import ProgressCallback
from dfqsam_core.volume import SliceKey, mask_edits
from dfqsam_core.volume.brush import BrushStroke
from dfqsam_core.volume.geometry import axis_index

from ..nodes.place_mode import OUTSIDE
from .history import HandStep
from .segments import Segments

# A slice, and what is added and taken away there, (rows, columns) bool each.
Plane = tuple[SliceKey, np.ndarray, np.ndarray]
Kind = Literal["largest", "small", "holes", "median", "gaussian"]
KINDS: tuple[Kind, ...] = ("largest", "small", "holes", "median", "gaussian")
_DONE = {
    "largest": "Kept the largest part",
    "small": "Removed small parts",
    "holes": "Filled holes",
    "median": "Smoothed",
    "gaussian": "Smoothed",
}
_MOST_MM = 100.0
_PROTECTED = "Untick Protect others to paint over those."


@dataclass(frozen=True, eq=False)
class Edited:
    """The result of an edit: planes to be written, and what is to be said of its steps, which settings and other
    segments may have kept smaller."""

    planes: Iterable[Plane]
    sentence: Callable[[Sequence[HandStep]], str]


class HandEdit(Protocol):
    """An edit of one segment, whose turn may come later. segment_id: of the scene."""

    @property
    def segment_id(self) -> str:
        """The segment."""

    def begin(self, segments: Segments) -> Callable[[ProgressCallback], Edited]:
        """Read what is needed, and return what is left to be done, which touches no node."""


@dataclass(frozen=True, eq=False)
class BrushEdit:
    """A stroke of brush or eraser."""

    segment_id: str
    stroke: BrushStroke

    def begin(self, segments: Segments) -> Callable[[ProgressCallback], Edited]:
        """As HandEdit has it; the work raises PromptError for a stroke beside the volume."""
        shape_ijk = segments.grid.shape_ijk

        def work(_: ProgressCallback) -> Edited:
            planes = self.stroke.planes(shape_ijk)
            first = next(planes, None)
            if first is None:
                raise PromptError(OUTSIDE)
            nothing, erases = np.zeros_like(first[1]), self.stroke.erases
            found = chain([first], planes)
            edits = ((key, nothing, mask) if erases else (key, mask, nothing) for key, mask in found)
            return Edited(edits, self._sentence)

        return work

    def _sentence(self, steps: Sequence[HandStep]) -> str:
        if steps:
            return ""
        if self.stroke.erases:
            return "Nothing changed: there is nothing of the chosen segment to erase."
        return f"Nothing changed: it was so already, or other segments have these voxels. {_PROTECTED}"


@dataclass(frozen=True, eq=False)
class MaskEdit:
    """Something done to all of a segment in space, or in the plane of one slice.

    kind: "largest" part kept, "small" parts removed, "holes" filled, smoothed by "median" or "gaussian". amount: of
    "small" the least millilitres of a part, or on one slice mm2, that stays; of "median" the side of its box, mm; of
    "gaussian" its standard deviation, mm. key: the slice, None for all of the segment.
    Raises PromptError for an amount that is none.
    """

    segment_id: str
    kind: Kind
    amount: float = 0.0
    key: SliceKey | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PromptError(f"There is no correction {self.kind!r}. There are {', '.join(KINDS)}.")
        if self.kind in ("small", "median", "gaussian") and not 0 < self.amount < np.inf:
            raise PromptError("The amount must be a number above 0. Give another one.")
        if self.kind in ("median", "gaussian") and self.amount > _MOST_MM:
            raise PromptError(f"Smoothing over {self.amount:g} mm is too much. Give {_MOST_MM:g} mm or less.")

    def begin(self, segments: Segments) -> Callable[[ProgressCallback], Edited]:
        """As HandEdit has it; raises PromptError for nothing to correct, the work where nothing would be left."""
        spacing = segments.grid.spacing_mm
        first, mask = segments.box(self.segment_id, self._margin(spacing))
        if self.key is not None:
            plane = segments.read(self.segment_id, self.key)
            mask, first = np.expand_dims(plane, 2 - axis_index(self.key.axis)), np.zeros(3, int)
            first[axis_index(self.key.axis)] = self.key.index
        if not mask.any():
            where = "This segment" if self.key is None else "This slice of the segment"
            raise PromptError(f"{where} is empty, so there is nothing to correct.")
        shape_ijk = segments.grid.shape_ijk
        return lambda _: self._edited(mask, first, spacing, shape_ijk)

    def _edited(
        self, mask: np.ndarray, first: np.ndarray, spacing: tuple[float, ...], shape_ijk: tuple[int, ...]
    ) -> Edited:
        new = self._changed(mask, spacing)
        if not new.any():
            raise PromptError("Nothing would be left of it. Give a smaller number.")
        wanted, voxel_ml = int((new != mask).sum()), float(np.prod(spacing)) / 1000
        axis = "K" if self.key is None else self.key.axis
        return Edited(_planes(mask, new, first, axis, shape_ijk), partial(self._sentence, wanted, voxel_ml))

    def _sentence(self, wanted: int, voxel_ml: float, steps: Sequence[HandStep]) -> str:
        """wanted: voxels that were to change."""
        if not wanted:
            return "Nothing had to be changed."
        own = [change for step in steps for change in step.changes if change.segment_id == self.segment_id]
        planes = [(change.before, change.after) for change in own]
        added = sum(int((after & ~before).sum()) for before, after in planes)
        removed = sum(int((before & ~after).sum()) for before, after in planes)
        parts = [
            f"{_count(count)} ({count * voxel_ml:.2g} ml) {what}"
            for count, what in ((added, "added"), (removed, "taken away"))
            if count
        ]
        said = [f"{_DONE[self.kind]}: {', '.join(parts)}." if parts else "Nothing changed."]
        if left_out := wanted - added - removed:
            said.append(f"Other segments or the masking kept {_count(left_out)} as they were. {_PROTECTED}")
        return " ".join(said)

    def _changed(self, mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
        flat = None if self.key is None else 2 - axis_index(self.key.axis)
        mm = tuple(np.delete(spacing[::-1], [] if flat is None else flat))
        given = mask if flat is None else mask.squeeze(axis=flat)
        new = self._of(given, mm)
        return new if flat is None else np.expand_dims(new, flat)

    def _of(self, mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
        """spacing: mm along the axes of the mask."""
        if self.kind == "largest":
            return mask_edits.largest_part(mask)
        if self.kind == "holes":
            return mask_edits.filled(mask)
        if self.kind == "median":
            return mask_edits.median_smoothed(mask, mask_edits.odd_kernel(self.amount, spacing))
        if self.kind == "gaussian":
            return mask_edits.gaussian_smoothed(mask, tuple(self.amount / mm for mm in spacing))
        unit = 1000 if mask.ndim == 3 else 1
        return mask_edits.without_small_parts(mask, self.amount * unit / float(np.prod(spacing)))

    def _margin(self, spacing: tuple[float, ...]) -> tuple[int, ...]:
        """Voxels along I, J and K that it may add beside the segment."""
        if self.kind == "median":
            return mask_edits.odd_kernel(self.amount, spacing)
        if self.kind == "gaussian":
            return mask_edits.reach_of(tuple(self.amount / mm for mm in spacing))
        return (0, 0, 0)


def _count(voxels: int) -> str:
    return "1 voxel" if voxels == 1 else f"{voxels} voxels"


def _planes(
    old: np.ndarray, new: np.ndarray, first: np.ndarray, axis: str, shape_ijk: tuple[int, ...]
) -> Iterator[Plane]:
    """Slices on which two masks (K, J, I) differ, on the whole grid; first: where they begin, IJK."""
    normal = axis_index(axis)
    columns, rows = [n for n in range(3) if n != normal]
    pairs = zip(np.moveaxis(old, 2 - normal, 0), np.moveaxis(new, 2 - normal, 0), strict=True)
    for offset, (before, after) in enumerate(pairs):
        if (before == after).all():
            continue
        part = (
            slice(first[rows], first[rows] + before.shape[0]),
            slice(first[columns], first[columns] + before.shape[1]),
        )
        added, removed = np.zeros((2, shape_ijk[rows], shape_ijk[columns]), bool)
        added[part], removed[part] = after & ~before, before & ~after
        yield SliceKey(axis, int(first[normal]) + offset), added, removed
