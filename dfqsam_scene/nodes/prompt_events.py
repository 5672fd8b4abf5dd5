"""What the markups of a volume tell of what a person does with them."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.volume import BoxPrompt
from dfqsam_core.volume.brush import BrushStroke
from dfqsam_core.volume.prompts import Prompt

# Segment, the boxes of a 3D box, one a slice, and the boxes that they are given instead of.
GiveBoxes = Callable[[str, tuple[BoxPrompt, ...], Set[BoxPrompt]], None]


@dataclass
class PromptEvents:
    """The events that the markups tell a panel.

    segment: the segment that new prompts go to; raises PromptError where none is chosen. added: a person placed this
    prompt of a segment. removed: a person took it away. refused: what was done cannot be a prompt, and why. boxes: a
    person placed a 3D box, or changed it. brushed: a person painted or erased in a segment. changed: a ruler or the
    crosshair was placed, which concerns no segment.
    """

    segment: Callable[[], str]
    added: Callable[[str, Prompt], None]
    removed: Callable[[str, Prompt], None]
    refused: Callable[[DFQSAMError], None]
    boxes: GiveBoxes = lambda segment_id, boxes, instead_of: None
    brushed: Callable[[str, BrushStroke], None] = lambda segment_id, stroke: None
    changed: Callable[[], None] = lambda: None
