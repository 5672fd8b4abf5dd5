"""What a person does to the list of segments: each of it a step of the one history, with or without a model."""

from __future__ import annotations

from typing import Any

from dfqsam_core.errors import PromptError, short

from ..nodes.organ_names import organ_number
from ..nodes.segment_numbers import give_free_number, give_number, keep_numbers
from ..nodes.segment_records import KeptVoxels
from ..nodes.segments import new_segmentation
from .history import SegmentStep
from .prompting import Prompting

# Okabe and Ito's colours, which colour-blind people tell apart, without those near the green, red and yellow that
# points and previews have.
_COLORS = ((86, 180, 233), (230, 159, 0), (204, 121, 167), (0, 158, 115), (213, 94, 0), (150, 130, 255))
_LONGEST_NAME = 80


class SegmentVerbs:
    """Adds, chooses, names, colours, hides and removes segments; raises DFQSAMError with a sentence for people.

    room: what the verbs are about.
    """

    def __init__(self, room: Prompting) -> None:
        self.room = room

    def add_segment(self) -> None:
        """Add an empty segment and choose it; a segmentation is made where there is none."""
        segment_id = self.add_first_segment()
        self._note(SegmentStep.added(self.room.choice.segmentation_node, segment_id))

    def add_first_segment(self) -> str:
        """As `add_segment`, for a tool that needs one: no step of the history. Returns its ID."""
        volume_node, node = self.room.require_volume_node(), self.room.choice.segmentation_node
        if node is None:
            node = new_segmentation(volume_node, f"{volume_node.GetName()} segmentation")
        segmentation = node.GetSegmentation()
        color = [part / 255 for part in _free_color(segmentation)]
        self._about_to_change()
        segment_id: str = segmentation.AddEmptySegment("", "", color)
        give_free_number(segmentation, segment_id)
        self.room.choose(segmentation_node=node, segment_id=segment_id)
        return segment_id

    def choose_segment(self, segment_id: str) -> None:
        """Give new prompts to this segment."""
        self.room.segment(segment_id)
        self.room.choose(segment_id=segment_id)

    def next_segment(self) -> None:
        """Give new prompts to the segment after the chosen one, after the last one to the first."""
        node = self.room.choice.segmentation_node
        ids = [] if node is None else list(node.GetSegmentation().GetSegmentIDs())
        if not ids:
            raise PromptError("There is no segment yet. Add one, or choose a tool.")
        chosen = self.room.choice.segment_id
        self.choose_segment(ids[(ids.index(chosen) + 1) % len(ids)] if chosen in ids else ids[0])

    def rename_segment(self, segment_id: str, name: str) -> None:
        """Give a segment another name; an empty one changes nothing. An empty segment takes an organ's number."""
        segment, text = self.room.segment(segment_id), short(str(name), _LONGEST_NAME)
        node, number = self.room.choice.segmentation_node, organ_number(text)

        def change() -> None:
            segment.SetName(text)
            # What is drawn or came from a file keeps its number.
            if number is not None and KeptVoxels.of(node, segment_id) is None:
                give_number(node.GetSegmentation(), segment_id, number)

        if text and text != segment.GetName():
            self._about_to_change()
            keep_numbers(node.GetSegmentation())
            self._note(SegmentStep.done(node, segment_id, change))

    def recolor_segment(self, segment_id: str, color: str) -> None:
        """Give a segment another colour, "#rrggbb"; raises PromptError for another text."""
        segment = self.room.segment(segment_id)
        try:
            red, green, blue = bytes.fromhex(str(color).lstrip("#"))
        except ValueError:
            raise PromptError(f"{color!r} is not a colour such as #ff8800.") from None
        self._about_to_change()
        node = self.room.choice.segmentation_node
        step = SegmentStep.done(node, segment_id, lambda: segment.SetColor(red / 255, green / 255, blue / 255))
        self._note(step)

    def remove_segment(self, segment_id: str) -> None:
        """Remove a segment with its prompts; what is worked on is cancelled, and all of it can be taken back."""
        self.room.segment(segment_id)
        workspace = self.room.workspace
        if workspace is not None:
            workspace.controller.let_go_of(segment_id)
        self._about_to_change()
        node = self.room.choice.segmentation_node
        self._note(SegmentStep.remove(node, segment_id))
        if segment_id == self.room.choice.segment_id:
            self.room.choose(segment_id=next(iter(node.GetSegmentation().GetSegmentIDs()), ""))

    def toggle_segments(self) -> None:
        """Hide all segments, or show them again."""
        node = self.room.choice.segmentation_node
        display = None if node is None else node.GetDisplayNode()
        if display is not None:
            display.SetVisibility(not display.GetVisibility())

    def clear_segment(self) -> None:
        """Take back the prompts of the chosen segment on all slices, and what they drew."""
        workspace = self.room.require_workspace()
        if not workspace.segment_id:
            raise PromptError("No segment is chosen. Choose the one to reset.")
        workspace.controller.clear_segment(workspace.segment_id)

    def _about_to_change(self) -> None:
        if self.room.workspace is not None:
            self.room.workspace.controller.about_to_change()

    def _note(self, step: SegmentStep) -> None:
        self.room.loader.history_of(self.room.choice).add([step])
        self.room.note_change()


def _free_color(segmentation: Any) -> tuple[int, int, int]:
    """The first colour that no segment has; of colours in use the one that fewest have."""
    colors = [segmentation.GetSegment(segment_id).GetColor() for segment_id in segmentation.GetSegmentIDs()]
    used = [tuple(round(255 * part) for part in color) for color in colors]
    return min(_COLORS, key=used.count)
