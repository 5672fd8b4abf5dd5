"""What the module's self-test does: the shortest way from a volume to a segment and back, on the embedded sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .sample_data import load_sample


def segment_and_undo(logic: Any, say: Callable[[str], None]) -> None:
    """Segment one slice of the embedded CT with the embedded model, take it back, and repeat it.

    logic: a DFQSAMSlicerLogic. say: shows a sentence. Raises AssertionError where a step did not do what it should.
    """
    from dfqsam_core.volume import BoxPrompt

    say("Loading the sample")
    workspace = logic.open(load_sample())
    segment_id = workspace.segment_id = workspace.segments.add_segment("liver")
    prompt = BoxPrompt((20, 20, 15), (70, 70, 15))
    before = workspace.segments.read(segment_id, prompt.slice)
    say("Segmenting one slice")
    workspace.controller.add_prompt(segment_id, prompt)
    workspace.finish()
    _check(workspace.controller.message == "", workspace.controller.message)
    segmented = workspace.segments.read(segment_id, prompt.slice)
    _check(segmented.any(), "The box has segmented nothing.")
    workspace.controller.undo()
    _check((workspace.segments.read(segment_id, prompt.slice) == before).all(), "Undo left another slice than before.")
    workspace.controller.redo()
    _check((workspace.segments.read(segment_id, prompt.slice) == segmented).all(), "Redo gave another slice.")
    workspace.close()


def _check(is_so: bool, sentence: str) -> None:
    if not is_so:
        raise AssertionError(sentence)
