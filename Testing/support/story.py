"""One person's work, told once and played at panel, effect and page: all must end with the same voxels and state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .grey_predictor import GreyModel, GreyPredictor

END = Path(__file__).parents[1] / "data" / "story_end.json"
# Two models, by the names of their files, which need not be there.
_MODELS = {"grey0": ("0" * 64, 60.0), "grey1": ("1" * 64, 8.0)}
_REACHES = dict(_MODELS.values())
# What differs between one run and the next, or between the rooms that a front end stands in.
_NOT_COMPARED = ("seconds",)
K, J = "K", "J"


class Stage(Protocol):
    """A front end with a person in front of it."""

    @property
    def room(self) -> Any:
        """Its `Prompting`."""

    def do(self, verb: str, *arguments: Any) -> None:
        """Ask for a verb as a person does here, without waiting for what it sets off."""

    def wait(self) -> None:
        """Let the front end's timer tick until nothing is worked on."""

    def choose_model(self, path: Path) -> None:
        """Choose another model."""


class SurePredictor(GreyPredictor):
    """One whose masks do not hang on a threshold, so that a propagation trusts it."""

    def predict(self, *arguments: Any, **named: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As its base."""
        masks, ious, low_res = super().predict(*arguments, **named)
        return masks, ious, np.where(low_res > 0, np.float32(10), np.float32(-10))


def put_models_on_stage(replace: Callable[[str, Any], None], folder: Path) -> list[Path]:
    """Let the grey models be loaded in place of real ones; replace: sets a dotted name. Returns their paths."""

    def load_model(path: Path, *_: Any, **__: Any) -> GreyModel:
        return GreyModel(_MODELS[Path(path).stem][0])

    def predictor(model: GreyModel) -> SurePredictor:
        return SurePredictor(_REACHES[model.digest])

    replace("dfqsam_core.load_model", load_model)
    replace("dfqsam_core.runtime.SamPredictor", predictor)
    return [folder / f"{name}.safetensors" for name in _MODELS]


def play(stage: Stage, models: list[Path]) -> dict[str, Any]:
    """Play the script on a stage with the phantom and the first model; returns how it ends."""
    stage.wait()
    if not stage.room.state().segments:
        stage.do("add segment")
    act = _Act(stage)
    act.points_and_candidates()
    act.boxes_and_corners_given_up()
    act.refinement_and_protection()
    act.propagation()
    act.windows()
    stage.choose_model(models[1])
    act.previews()
    act.strokes_and_a_3d_box()
    return {**_end(stage.room), "stops": act.stops}


def told() -> dict[str, Any]:
    """How the story ends, as it was recorded."""
    found: dict[str, Any] = json.loads(END.read_text(encoding="utf-8"))
    return found


class _Act:
    """The script's parts, in order."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stops: list[list[Any]] = []
        self.look(K, 4)

    def points_and_candidates(self) -> None:
        """A point, another candidate, and back."""
        self.do("positive")
        self.click(K, (7, 5, 4))
        self.do("candidate 3")
        self.do("candidate 2")

    def boxes_and_corners_given_up(self) -> None:
        """First corners that are given up by Escape, another tool, another slice and another segment; then boxes."""
        self.do("box")
        self.click(K, (0, 0, 4))
        self.do("cancel")
        assert self.stage.room.tool == ""
        self.do("box")
        self.click(K, (2, 2, 4), (10, 9, 4))
        self.click(K, (1, 1, 4))
        self.do("negative")
        self.click(K, (3, 3, 4))
        self.do("box")
        self.click(K, (0, 1, 4))
        self.look(K, 5)
        self.click(K, (3, 2, 5), (11, 8, 5))
        self.click(K, (0, 1, 5))
        self.do("add segment")
        self.click(K, (4, 4, 5), (8, 7, 5))
        self.choose_segment(0)

    def refinement_and_protection(self) -> None:
        """A point on the present mask; a second segment that leaves the first one alone, then does not."""
        self.look(K, 4)
        self.do("refine", True)
        self.do("positive")
        self.click(K, (8, 6, 4))
        self.do("refine", False)
        self.choose_segment(1)
        self.click(K, (6, 5, 4))
        self.do("protect others", False)
        self.look(K, 3)
        self.click(K, (7, 5, 3))
        self.do("protect others", True)
        self.choose_segment(0)

    def propagation(self) -> None:
        """One that is taken back while it runs, one that is taken back and repeated afterwards."""
        self.stage.do("propagate", 2, 6)
        self.do("undo")
        assert not self.stage.room.state().is_working
        for verb in (("propagate", 2, 6), ("undo",), ("redo",)):
            self.do(*verb)
        self.stops = [[stop.direction, stop.last_index, stop.reason] for stop in self.stage.room.state().stops]

    def windows(self) -> None:
        """A point through another window, and one along another axis."""
        self.do("window", "700,100")
        self.look(K, 6)
        self.click(K, (7, 6, 6))
        self.look(J, 5)
        self.click(J, (6, 5, 4))
        self.do("remove prompt")
        self.look(K, 4)

    def previews(self) -> None:
        """With the other model: a preview that is discarded, and one that is written when previews end."""
        self.stage.wait()
        self.do("auto accept", False)
        self.look(K, 5)
        self.click(K, (7, 4, 5))
        assert self.stage.room.state().has_preview
        self.do("discard")
        self.click(K, (6, 6, 5))
        self.do("candidate 1")
        self.do("auto accept", True)
        self.do("clear slice")
        self.do("undo")

    def strokes_and_a_3d_box(self) -> None:
        """Scribbles and lassos inside and outside, mixed with a point and taken back; then a box on many slices."""
        self.look(K, 2)
        self.do("scribble")
        self.stroke((4, 5, 2), (7, 4, 2), (10, 5, 2))
        self.do("scribble_out")
        self.stroke((1, 1, 2), (3, 1, 2))
        self.do("lasso")
        self.stroke((2, 1, 2), (12, 1, 2), (12, 9, 2), (2, 9, 2))
        self.do("positive")
        self.click(K, (7, 5, 2))
        self.do("lasso_out")
        self.stroke((9, 6, 2), (12, 6, 2), (12, 9, 2))
        for verb in ("undo", "undo", "undo", "redo", "redo"):
            self.do(verb)
        self.look(K, 7)
        self.do("roi")
        self.click(K, (1, 1, 7), (12, 10, 7))
        assert self.stage.room.tool == "", "the mouse has its handles"
        for verb in ("undo", "redo"):
            self.do(verb)

    def do(self, verb: str, *arguments: Any) -> None:
        """Ask for a verb and wait for its end."""
        self.stage.do(verb, *arguments)
        self.stage.wait()

    def choose_segment(self, number: int) -> None:
        """Give prompts to the first or second segment."""
        self.do("choose segment", self.stage.room.state().segments[number].id)

    def look(self, axis: str, index: int) -> None:
        """Show a slice, with the mouse in the view along its axis."""
        from dfqsam_core.volume import SliceKey
        from dfqsam_scene.nodes.slice_views import show_slice, shown_slice, slice_nodes

        volume_node = self.stage.room.choice.volume_node
        scene, key = volume_node.GetScene(), SliceKey(axis, index)
        show_slice(volume_node, key)
        view = next(node for node in slice_nodes(scene) if shown_slice(volume_node, node) == key)
        scene.GetFirstNodeByClass("vtkMRMLCrosshairNode").SetCursorPositionXYZ([0.0, 0.0, 0.0], view)
        self.stage.wait()
        assert self.stage.room.key == key

    def click(self, axis: str, *places_ijk: tuple[int, int, int]) -> None:
        """Click voxels with the tool that is down, in the view that shows them."""
        from dfqsam_scene.nodes.volume_node import world_from_ijk

        room = self.stage.room
        assert room.key.axis == axis
        for ijk in places_ijk:
            node = room.place_tool.place_mode.node
            assert node is not None, "no tool is down"
            node.AddControlPointWorld(world_from_ijk(room.choice.volume_node, ijk).tolist())
            self.stage.wait()

    def stroke(self, *places_ijk: tuple[int, int, int]) -> None:
        """Draw through voxels with the tool that is down, as a script does: all at once."""
        from dfqsam_scene.nodes.volume_node import world_from_ijk

        room = self.stage.room
        node = room.place_tool.place_mode.node
        assert node is not None, "no tool is down"
        was_modifying = node.StartModify()
        for ijk in places_ijk:
            node.AddControlPointWorld(world_from_ijk(room.choice.volume_node, ijk).tolist())
        node.EndModify(was_modifying)
        self.stage.wait()


def _end(room: Any) -> dict[str, Any]:
    """Voxels, prompts and state, without what is made anew each time: IDs of segments, seconds."""
    state = asdict(room.state())
    numbers = {row["id"]: f"segment {n}" for n, row in enumerate(state["segments"])}
    voxels = {numbers[row.id]: _voxels(room.workspace, row.id) for row in room.state().segments}
    for row in state["segments"]:
        row["id"] = numbers[row["id"]]
    for row in state["prompts"]:
        row["segment"] = numbers[row["segment"]]
    for name in _NOT_COMPARED:
        del state[name]
    # As JSON has it: no tuples.
    found: dict[str, Any] = json.loads(json.dumps({"voxels": voxels, "state": state}))
    return found


def _voxels(workspace: Any, segment_id: str) -> dict[str, Any]:
    """How many voxels each slice along K has, and a digest of all."""
    from dfqsam_core.volume import SliceKey

    size = workspace.segments.grid.shape_ijk[2]
    planes = np.stack([workspace.segments.read(segment_id, SliceKey(K, index)) for index in range(size)])
    return {
        "counts": planes.sum(axis=(1, 2)).tolist(),
        "sha256": hashlib.sha256(np.packbits(planes).tobytes()).hexdigest(),
    }
