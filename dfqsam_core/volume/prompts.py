"""Prompts on voxels, each on one slice: clicks and boxes, beside strokes, and the prompts of a segment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from numpy.typing import ArrayLike

from ..errors import PromptError
from .extent import Extent
from .geometry import VolumeGeometry, axis_index
from .positions import Voxel, check_axis, voxel_at, voxels_at
from .slices import SliceKey
from .strokes import MAX_SCRIBBLE_POINTS, LassoPrompt, ScribblePrompt

MAX_LABEL = 65535
MIN_BOX_VOXELS = 3
# Control characters and halves of characters, Unicode's categories Cc and Cs.
_NO_TEXT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
MAX_NAME = 1000
# The decoder compares each prompt with each other one.
MAX_PROMPTS_OF_SLICE = 1000


@dataclass(frozen=True)
class PointPrompt:
    """A click on one voxel.

    Parameters
    ----------
    ijk
        The voxel.
    positive
        True where the segment is, False where it is not.
    axis
        The slice that it belongs to is perpendicular to this axis, "I", "J" or "K".
    """

    ijk: Voxel
    positive: bool = True
    axis: str = "K"

    def __post_init__(self) -> None:
        check_axis(self.axis)

    @classmethod
    def at(
        cls, geometry: VolumeGeometry, position: ArrayLike, system: str, positive: bool = True, axis: str | None = None
    ) -> PointPrompt:
        """Click at `position` (3,) given in RAS, LPS or IJK; the axis defaults to the volume's acquisition axis.

        Raises PromptError outside the volume.
        """
        return cls(voxel_at(geometry, position, system), positive, axis or geometry.acquisition_axis)

    @property
    def voxels_ijk(self) -> tuple[Voxel, ...]:
        """The voxels that it was placed by."""
        return (self.ijk,)

    @cached_property
    def slice(self) -> SliceKey:
        """The slice that the click is on."""
        return SliceKey(self.axis, self.ijk[axis_index(self.axis)])


@dataclass(frozen=True)
class BoxPrompt:
    """A rectangle of voxels on one slice, corners included.

    Parameters
    ----------
    low_ijk, high_ijk
        Opposite corners, low <= high along each axis.
    axis
        Its slice is perpendicular to this axis.

    Raises
    ------
    PromptError
        For swapped corners (`from_corners` sorts them) and for corners on different slices.
    """

    low_ijk: Voxel
    high_ijk: Voxel
    axis: str = "K"

    def __post_init__(self) -> None:
        check_axis(self.axis)
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
        a, b = voxels_at(geometry, corners, system)
        return cls.from_corners(a, b, axis or geometry.acquisition_axis)

    def refuse_small(self) -> None:
        """Raise PromptError where it is too small to be meant: a hand has clicked or trembled, a file has a slip."""
        width, height = [self.high_ijk[n] - self.low_ijk[n] + 1 for n in range(3) if n != axis_index(self.axis)]
        if min(width, height) < MIN_BOX_VOXELS:
            raise PromptError(
                f"This box is {width} × {height} voxels; at least {MIN_BOX_VOXELS} × {MIN_BOX_VOXELS} are needed. "
                "Draw a larger one around the structure."
            )

    @property
    def voxels_ijk(self) -> tuple[Voxel, ...]:
        """The voxels that it was placed by."""
        return self.low_ijk, self.high_ijk

    @cached_property
    def slice(self) -> SliceKey:
        """The slice that the box is on."""
        return SliceKey(self.axis, self.low_ijk[axis_index(self.axis)])


Prompt = PointPrompt | BoxPrompt | ScribblePrompt | LassoPrompt


@dataclass(frozen=True)
class Propagation:
    """Slices `first` to `last` (both included) along `axis` that a segment shall be carried to.

    thorough: whether the slices of the two other axes have a say, too.
    """

    first: int
    last: int
    axis: str
    thorough: bool = False


@dataclass(frozen=True)
class SegmentPrompts:
    """All prompts of one segment.

    label: 1..65535, its value in the label map. overwrite: whether it may take voxels of segments before it.
    corrections: given after the propagation, one after the other, as a person would. extent: where it starts and ends,
    as far as that is known.
    Raises PromptError for a label out of range, a name that is too long or cannot be written, no prompts, a slice with
    two outlines (boxes, positive lassos), with negative prompts only or with more than 1000 points for the model, and
    for a prompt or correction beyond the ends.
    """

    name: str
    label: int
    prompts: tuple[Prompt, ...]
    propagation: Propagation | None = None
    overwrite: bool = False
    corrections: tuple[Prompt, ...] = ()
    extent: Extent | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.label <= MAX_LABEL:
            raise PromptError(f"Segment {self.name!r} has the label {self.label}; labels are 1..{MAX_LABEL}.")
        if not self.prompts:
            raise PromptError(f"Segment {self.name!r} has no prompts. Give it a point or a box.")
        outlines = Counter(prompt.slice for prompt in self.prompts if is_outline(prompt))
        for key, prompts in self.by_slice().items():
            _check_slice(self.name, key, prompts, outlines[key])
        for key in {prompt.slice for prompt in self.corrections}:
            _check_points(self.name, key, [prompt for prompt in self.corrections if prompt.slice == key])
        if self.propagation and any(prompt.axis != self.propagation.axis for prompt in self.prompts):
            raise PromptError(f"Segment {self.name!r} is propagated, so its prompts need one axis. Split the segment.")
        if self.extent is not None:
            _check_extent(self.name, self.extent, self.prompts, "prompt")
            # Along another axis a slice crosses the object between its ends, too.
            own = [prompt for prompt in self.corrections if prompt.axis == self.extent.axis]
            _check_extent(self.name, self.extent, own, "correction")
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
            # As `with_prompt`, without going through all earlier ones.
            place = _place(prompt)
            group.pop(place, None)
            group[place] = prompt
        return {key: tuple(group.values()) for key, group in groups.items()}


def is_outline(prompt: Prompt) -> bool:
    """Return whether a prompt goes round the whole segment on its slice: a box or a positive lasso."""
    return isinstance(prompt, BoxPrompt) or (isinstance(prompt, LassoPrompt) and prompt.positive)


def check_name(name: str) -> None:
    """Raise PromptError for a segment's name that is too long, or has characters that no file can hold."""
    if len(name) > MAX_NAME:
        raise PromptError(f"A segment's name has {len(name)} characters; up to {MAX_NAME} are kept. Shorten it.")
    if _NO_TEXT.search(name):
        raise PromptError(f"The segment's name {name!r} has a character that no text can hold. Choose another name.")


def with_prompt(prompts: tuple[Prompt, ...], prompt: Prompt) -> tuple[Prompt, ...]:
    """Prompts of one slice and one more.

    A slice has one outline of the whole segment, a box or a positive lasso: a new one replaces it. Points, scribbles
    and negative lassos add up; only an equal one is replaced.
    """
    place = _place(prompt)
    return (*[earlier for earlier in prompts if _place(earlier) != place], prompt)


def without_prompt(prompts: tuple[Prompt, ...], prompt: Prompt) -> tuple[Prompt, ...]:
    """Prompts of one slice but one; raises PromptError when it is not among them."""
    if prompt not in prompts:
        raise PromptError(f"The segment has no such prompt on its slice: {prompt}.")
    place = prompts.index(prompt)
    return prompts[:place] + prompts[place + 1 :]


def can_predict(prompts: tuple[Prompt, ...], has_mask: bool = False) -> bool:
    """Return whether prompts of one slice say where the segment is: a box or something positive among them.

    has_mask: there is a mask that they correct; then any will do.
    """
    return bool(has_mask and prompts) or any(isinstance(prompt, BoxPrompt) or prompt.positive for prompt in prompts)


def _place(prompt: Prompt) -> object:
    """What only one prompt of a slice can have: being its outline, or being this very prompt."""
    return "outline" if is_outline(prompt) else prompt


def _check_extent(name: str, extent: Extent, prompts: Sequence[Prompt], what: str) -> None:
    for prompt in prompts:
        if prompt.axis != extent.axis or not extent.holds(prompt.slice.index):
            raise PromptError(
                f"Segment {name!r} has a {what} on slice {prompt.slice.axis} = {prompt.slice.index}, outside of its "
                f"extent, which is {extent}. Correct one of them."
            )


def _check_points(name: str, key: SliceKey, prompts: Sequence[Prompt]) -> None:
    points = sum(MAX_SCRIBBLE_POINTS if isinstance(prompt, ScribblePrompt) else 1 for prompt in prompts)
    if points > MAX_PROMPTS_OF_SLICE:
        counted = f"{len(prompts)} prompts" if points == len(prompts) else f"prompts of {points} points"
        where = f"Segment {name!r} on slice {key.axis} = {key.index}"
        raise PromptError(f"{where} has {counted}; up to {MAX_PROMPTS_OF_SLICE} make one prediction.")


def _check_slice(name: str, key: SliceKey, prompts: tuple[Prompt, ...], outlines: int) -> None:
    _check_points(name, key, prompts)
    where = f"Segment {name!r} on slice {key.axis} = {key.index}"
    if outlines > 1:
        raise PromptError(
            f"{where} has more than one box or lasso; a 3D box (ROI) is a box on each slice that it covers. "
            "Keep one on a slice, or make two segments."
        )
    if not can_predict(prompts):
        raise PromptError(f"{where} has negative points only. Add a box, or a positive point, scribble or lasso.")
