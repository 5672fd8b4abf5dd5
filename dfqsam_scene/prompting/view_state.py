"""All that a front end shows of prompting, as plain frozen values: panel, effect and page draw nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from dfqsam_core.volume.prompts import Prompt

from .strips import Strip


@dataclass(frozen=True)
class SegmentRow:
    """One segment. id: of the scene. label: its number in label maps. color: "#rrggbb"."""

    id: str
    label: int
    name: str
    color: str
    visible: bool
    chosen: bool


@dataclass(frozen=True)
class PromptRow:
    """One prompt. segment: ID. name: of the segment. axis, index: its slice, from 0. plane: "axial" or another."""

    segment: str
    name: str
    axis: str
    index: int
    plane: str
    text: str
    prompt: Prompt


@dataclass(frozen=True)
class CandidateMask:
    """One of the masks of a prediction. text: the model's own estimate of its IoU, "–" where it has none.

    "edit": the mask as a correction alone edited it.
    """

    text: str
    chosen: bool


@dataclass(frozen=True)
class Place:
    """The slice that is looked at. index, last: from 0. prompted: the slices of the segment that have prompts."""

    axis: str
    index: int
    last: int
    plane: str
    prompted: tuple[int, ...]


@dataclass(frozen=True)
class Ends:
    """Where the chosen segment starts and ends along the present axis: from 0, None where nobody said."""

    first: int | None
    last: int | None


@dataclass(frozen=True)
class NextPrompt:
    """The slice on which a prompt of a segment would help most. index: from 0."""

    segment: str
    axis: str
    index: int
    plane: str


@dataclass(frozen=True)
class Work:
    """How far the work in hand is. total: 0 where that is not known. text: share, slices and time left, in words."""

    done: int
    total: int
    text: str


@dataclass(frozen=True)
class StopRow:
    """Where a propagation ended. direction: -1 or 1 along the axis. last_index: from 0."""

    direction: int
    last_index: int
    reason: str


@dataclass(frozen=True)
class WindowWords:
    """The window. text: as it was chosen. width, level: what the model sees through; None until that is known."""

    text: str
    width: float | None
    level: float | None


@dataclass(frozen=True)
class ModelWords:
    """The model that answers, "" before one is loaded. kind: "float" or its bits a weight. summary: of its card."""

    name: str
    kind: str
    summary: str


@dataclass(frozen=True)
class Training:
    """How the model was trained, and what follows from that.

    conventions: that somebody said of it, "" for none; is_asked: whether they must be said before it can be used.
    refused_tools: of what it was not trained with; why_refused: in a sentence, "" where there are none. can_refine:
    whether it goes on from a mask.
    """

    conventions: str
    is_asked: bool
    refused_tools: tuple[str, ...]
    why_refused: str
    can_refine: bool


@dataclass(frozen=True)
class ViewState:
    """All that a front end shows, and which buttons can be pressed.

    message: one sentence; is_error: whether it is a refusal. busy: loading or working. is_working: on a prompt or a
    propagation. tool: "" for none. can_place: whether tools can be chosen. prompts: of all segments. candidates: of
    the present slice. place: None beside the volume. next_prompt: the slice on which a prompt would help most, None
    where that is not known. strips: of the chosen segment. thorough_cost: of thorough propagation, in words, "" while
    that is off. seconds: of a click on this computer, in words. offer: what an earlier run left of
    this volume, "" for nothing.
    """

    message: str
    is_error: bool
    busy: bool
    is_working: bool
    progress: Work | None
    tool: str
    can_place: bool
    segments: tuple[SegmentRow, ...]
    prompts: tuple[PromptRow, ...]
    candidates: tuple[CandidateMask, ...]
    place: Place | None
    ends: Ends
    stops: tuple[StopRow, ...]
    next_prompt: NextPrompt | None
    strips: tuple[Strip, ...]
    window: WindowWords
    model: ModelWords
    training: Training
    seconds: str
    can_undo: bool
    can_redo: bool
    has_preview: bool
    can_propagate: bool
    can_clear: bool
    auto_accept: bool
    refine: bool
    protect_others: bool
    encode_ahead: bool
    thorough: bool
    thorough_cost: str
    offer: str
