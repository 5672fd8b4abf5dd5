"""Prompts on voxels: clicks and boxes, each on one slice, and the prompts of a segment."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PromptError
from .geometry import COORDINATE_SYSTEMS, VolumeGeometry, axis_index, nearest_voxel
from .slices import SliceKey

Voxel = tuple[int, int, int]
MAX_LABEL = 65535
# Control characters and halves of characters, Unicode's categories Cc and Cs.
_NO_TEXT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
MAX_NAME = 1000
# The decoder compares each prompt with each other one.
MAX_PROMPTS_OF_SLICE = 1000


@dataclass(frozen=True)
class PointPrompt:
    """A click on one voxel.

    ijk: the voxel. positive: True where the segment is, False where it is not. axis: the slice it belongs to is
    perpendicular to this axis.
    """

    ijk: Voxel
    positive: bool = True
    axis: str = "K"

    def __post_init__(self) -> None:
        _check_axis(self.axis)

    @classmethod
    def at(
        cls, geometry: VolumeGeometry, position: ArrayLike, system: str, positive: bool = True, axis: str | None = None
    ) -> PointPrompt:
        """Click at `position` (3,) given in RAS, LPS or IJK; the axis defaults to the volume's acquisition axis.

        Raises PromptError outside the volume.
        """
        return cls(_voxel_at(geometry, position, system), positive, axis or geometry.acquisition_axis)

    @cached_property
    def slice(self) -> SliceKey:
        """The slice that the click is on."""
        return SliceKey(self.axis, self.ijk[axis_index(self.axis)])


@dataclass(frozen=True)
class BoxPrompt:
    """A rectangle of voxels on one slice, corners included.

    low_ijk, high_ijk: opposite corners, low <= high along each axis. axis: its slice is perpendicular to this axis.
    Raises PromptError for swapped corners (`from_corners` sorts them) and for corners on different slices.
    """

    low_ijk: Voxel
    high_ijk: Voxel
    axis: str = "K"

    def __post_init__(self) -> None:
        _check_axis(self.axis)
        if any(low > high for low, high in zip(self.low_ijk, self.high_ijk, strict=True)):
            raise PromptError(f"Box corners are swapped: {self.low_ijk}, {self.high_ijk}. Use BoxPrompt.from_corners.")
        normal = axis_index(self.axis)
        if self.low_ijk[normal] != self.high_ijk[normal]:
            raise PromptError(
                f"A box must lie on one slice; its corners are on {self.axis} = {self.low_ijk[normal]} and "
                f"{self.axis} = {self.high_ijk[normal]}. Give both corners on one slice, or another axis."
            )

    @classmethod
    def from_corners(cls, a_ijk: Voxel, b_ijk: Voxel, axis: str = "K") -> BoxPrompt:
        """Box between two opposite corners in any order."""
        pairs = list(zip(a_ijk, b_ijk, strict=True))
        i, j, k = (min(pair) for pair in pairs)
        p, q, r = (max(pair) for pair in pairs)
        return cls((i, j, k), (p, q, r), axis)

    @classmethod
    def at(
        cls, geometry: VolumeGeometry, corners: tuple[ArrayLike, ArrayLike], system: str, axis: str | None = None
    ) -> BoxPrompt:
        """Box between two corners (3,) in RAS, LPS or IJK, in any order; raises PromptError outside the volume."""
        a, b = (_voxel_at(geometry, corner, system) for corner in corners)
        return cls.from_corners(a, b, axis or geometry.acquisition_axis)

    @cached_property
    def slice(self) -> SliceKey:
        """The slice that the box is on."""
        return SliceKey(self.axis, self.low_ijk[axis_index(self.axis)])


Prompt = PointPrompt | BoxPrompt


@dataclass(frozen=True)
class Propagation:
    """Slices `first` to `last` (both included) along `axis` that a segment shall be carried to."""

    first: int
    last: int
    axis: str


@dataclass(frozen=True)
class SegmentPrompts:
    """All prompts of one segment.

    label: 1..65535, its value in the label map. overwrite: whether it may take voxels of segments before it.
    Raises PromptError for a label out of range, a name that is too long or cannot be written, no prompts, a slice with
    two boxes, with negative points only or with more than 1000 prompts.
    """

    name: str
    label: int
    prompts: tuple[Prompt, ...]
    propagation: Propagation | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.label <= MAX_LABEL:
            raise PromptError(f"Segment {self.name!r} has the label {self.label}; labels are 1..{MAX_LABEL}.")
        if not self.prompts:
            raise PromptError(f"Segment {self.name!r} has no prompts. Give it a point or a box.")
        boxes = Counter(prompt.slice for prompt in self.prompts if isinstance(prompt, BoxPrompt))
        for key, prompts in self.by_slice().items():
            _check_slice(self.name, key, prompts, boxes[key])
        if self.propagation and any(prompt.axis != self.propagation.axis for prompt in self.prompts):
            raise PromptError(f"Segment {self.name!r} is propagated, so its prompts need one axis. Split the segment.")
        asked = self.propagation
        if asked and not any(asked.first <= key.index <= asked.last for key in self.by_slice()):
            raise PromptError(
                f"Segment {self.name!r} is to be propagated over the slices {asked.first} to {asked.last} along "
                f"{asked.axis}, but has no prompt on them. Include a prompted slice in the range."
            )

    def by_slice(self) -> dict[SliceKey, tuple[Prompt, ...]]:
        """Prompts grouped by slice as if given one after the other, slices in the order of their first prompt."""
        groups: dict[SliceKey, dict[object, Prompt]] = {}
        for prompt in self.prompts:
            group = groups.setdefault(prompt.slice, {})
            # As `with_prompt`, without going through all earlier ones: a box replaces the box, a point an equal one.
            kind = BoxPrompt if isinstance(prompt, BoxPrompt) else prompt
            group.pop(kind, None)
            group[kind] = prompt
        return {key: tuple(group.values()) for key, group in groups.items()}


def check_name(name: str) -> None:
    """Raise PromptError for a segment's name that is too long, or has characters that no file can hold."""
    if len(name) > MAX_NAME:
        raise PromptError(f"A segment's name has {len(name)} characters; up to {MAX_NAME} are kept. Shorten it.")
    if _NO_TEXT.search(name):
        raise PromptError(f"The segment's name {name!r} has a character that no text can hold. Choose another name.")


def with_prompt(prompts: tuple[Prompt, ...], prompt: Prompt) -> tuple[Prompt, ...]:
    """Prompts of one slice and one more: a box replaces the earlier box, a point an equal one."""
    kept = [p for p in prompts if p != prompt and not (isinstance(p, BoxPrompt) and isinstance(prompt, BoxPrompt))]
    return (*kept, prompt)


def without_prompt(prompts: tuple[Prompt, ...], prompt: Prompt) -> tuple[Prompt, ...]:
    """Prompts of one slice but one; raises PromptError when it is not among them."""
    if prompt not in prompts:
        raise PromptError(f"The segment has no such prompt on its slice: {prompt}.")
    place = prompts.index(prompt)
    return prompts[:place] + prompts[place + 1 :]


def can_predict(prompts: tuple[Prompt, ...]) -> bool:
    """Whether prompts of one slice say where the segment is: a box or a positive point among them."""
    return bool([prompt for prompt in prompts if isinstance(prompt, BoxPrompt) or prompt.positive])


def _check_axis(axis: str) -> None:
    if axis not in ("I", "J", "K"):
        raise PromptError(f"Unknown axis {axis!r}. An axis is I, J or K.")


def _check_slice(name: str, key: SliceKey, prompts: tuple[Prompt, ...], boxes: int) -> None:
    where = f"Segment {name!r} on slice {key.axis} = {key.index}"
    if len(prompts) > MAX_PROMPTS_OF_SLICE:
        raise PromptError(f"{where} has {len(prompts)} prompts; up to {MAX_PROMPTS_OF_SLICE} make one prediction.")
    if boxes > 1:
        raise PromptError(f"{where} has more than one box. Keep one, or make two segments.")
    if not can_predict(prompts):
        raise PromptError(f"{where} has negative points only. Add a positive point or a box.")


def _voxel_at(geometry: VolumeGeometry, position: ArrayLike, system: str) -> Voxel:
    if system not in COORDINATE_SYSTEMS:
        raise PromptError(f"Unknown coordinate system {system!r}. Use RAS, LPS or IJK.")
    point = np.asarray(position, np.float64)
    if point.shape != (3,) or not all(map(math.isfinite, point)):
        raise PromptError(f"A position needs three finite numbers, found {position!r}.")
    ijk = geometry.ijk_from(point, system)
    if not geometry.contains(ijk):
        raise PromptError(
            f"The position {point.tolist()} ({system}) is outside the volume: it would be voxel "
            f"{', '.join(f'{n:.4g}' for n in ijk)} of {geometry.shape_ijk}. Check the coordinate system and the volume."
        )
    i, j, k = nearest_voxel(ijk).astype(int).tolist()
    return i, j, k
