"""The steps of a person who segments the sample: look, click, drag, propagate, save, and come back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .timing import Doing, Skipped

# Labels of the experts' segmentation that comes with the sample.
_LIVER, _SPLEEN = 5, 1
# A box of the demonstration model that is worse is broken, not just one of its poorer slices.
_LEAST_DICE = 0.6
_REACH = 2


def show_the_sample(walk: Any) -> Doing:
    """Load it, choose it with the embedded model, and see that every view shows it."""
    from dfqsam_core.resources import DEMO_LABELS, resource_path
    from dfqsam_core.volume import read_volume
    from dfqsam_scene.nodes.shown_volume import is_shown, show_volume

    from ..sample_data import load_sample

    walk.volume_node = load_sample()
    walk.labels_kji = read_volume(resource_path(DEMO_LABELS)).voxels_kji
    walk.room.choose(volume_node=walk.volume_node, segmentation_node=None, segment_id="", model_path=None)
    show_volume(walk.volume_node)
    yield walk.is_idle
    nodes = [node for node, _ in walk.stage.views()]
    hidden = [node.GetName() for node in nodes if not is_shown(walk.volume_node, node)]
    assert not hidden, f"The sample is not shown in {', '.join(hidden)}."
    return f"{len(nodes)} slice views show it." if nodes else "It is loaded; there are no slice views here."


def click_inside(walk: Any) -> Doing:
    """A positive point in the liver, as the first thing that is done: the model is loaded meanwhile."""
    from dfqsam_core.volume import SliceKey

    middle = _middle(walk, _LIVER)
    key = SliceKey("K", middle[2])
    yield from _choose_tool(walk, "positive", key)
    walk.click(key, [middle])
    yield walk.is_idle
    return _segmented(walk, key, "A click inside the liver")


def undo_and_redo(walk: Any) -> Doing:
    """Both give back every voxel."""
    _require_masks(walk)
    (segment_id, key), expected = next(iter(walk.masks.items()))
    walk.room.require_workspace().controller.undo()
    yield walk.is_idle
    assert not walk.mask(segment_id, key).any(), "Undo left another slice than before."
    walk.room.require_workspace().controller.redo()
    yield walk.is_idle
    assert (walk.mask(segment_id, key) == expected).all(), "Redo gave another slice."
    return f"{int(expected.sum())} voxels went and came back."


def box(walk: Any) -> Doing:
    """A box by two clicks around the spleen, in a segment of its own, compared with what experts drew."""
    from dfqsam_core.volume import SliceKey
    from dfqsam_scene.prompting.verbs import Verbs

    key = SliceKey("K", _middle(walk, _SPLEEN)[2])
    Verbs(walk.room).add_segment()
    yield from _choose_tool(walk, "box", key)
    walk.click(key, _corners(walk, _SPLEEN, key))
    yield walk.is_idle
    sentence = _segmented(walk, key, "A box around the spleen")
    found = _dice(walk, walk.masks[walk.room.choice.segment_id, key], _SPLEEN, key)
    assert found >= _LEAST_DICE, f"Dice {found:.3f} with the experts' spleen is below {_LEAST_DICE}."
    return f"{sentence} Dice {found:.3f} with the experts' spleen on this slice."


def scribble(walk: Any) -> Doing:
    """A stroke through the liver in a segment of its own."""
    from dfqsam_core.volume import SliceKey
    from dfqsam_scene.nodes.roles import ROLES
    from dfqsam_scene.prompting.verbs import Verbs

    role = next((role for role in ROLES if role.startswith("scribble")), None)
    if role is None:
        raise Skipped("This version has no scribbles.")
    i, j, k = _middle(walk, _LIVER)
    key = SliceKey("K", k + _REACH)
    Verbs(walk.room).add_segment()
    yield from _choose_tool(walk, role, key)
    walk.click(key, [(i + step, j, key.index) for step in range(-4, 5, 2)], is_stroke=True)
    yield walk.is_idle
    return _segmented(walk, key, "A scribble in the liver")


def propagate(walk: Any) -> Doing:
    """The spleen from its one slice to the neighbours, then back with one undo, and again."""
    from .walk import moved

    _require_masks(walk)
    segment_id, key = _place_of_box(walk)
    walk.room.choose(segment_id=segment_id)
    walk.look_at(key)
    yield walk.is_idle
    controller = walk.room.require_workspace().controller
    controller.propagate(segment_id, key.axis, key.index - _REACH, key.index + _REACH)
    yield walk.is_idle
    walk.require_no_refusal()
    steps = [step for step in range(-_REACH, _REACH + 1) if step]
    filled = [moved(key, step) for step in steps if walk.mask(segment_id, moved(key, step)).any()]
    assert filled, "No neighbouring slice was segmented."
    walk.masks |= {(segment_id, other): walk.mask(segment_id, other) for other in filled}
    walk.look_at(filled[-1])
    walk.take_picture(filled[-1], segment_id, "Propagated to a neighbouring slice")
    stops = "; ".join(stop.reason for stop in controller.stops)
    return f"{len(filled)} of {len(steps)} neighbouring slices. {stops}".strip()


def come_back(walk: Any) -> Doing:
    """Save the scene as Slicer's dialog does, close it, load it: voxels and prompts are the same."""
    import slicer

    _require_masks(walk)
    scene, prompts = slicer.mrmlScene, walk.room.require_workspace().prompts()
    names = walk.volume_node.GetName(), walk.room.choice.segmentation_node.GetName()
    folder: Path = walk.folder / "scene"
    folder.mkdir()
    scene.StartState(scene.SaveState)
    is_saved = scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    scene.EndState(scene.SaveState)
    assert is_saved, "The scene could not be saved."
    walk.close_scene()
    yield walk.is_idle
    scene.SetURL(str(next(folder.rglob("*.mrml"))))
    assert scene.Import(None), "The saved scene could not be loaded."
    walk.stage.after_load()
    walk.volume_node, node = map(scene.GetFirstNodeByName, names)
    walk.room.choose(volume_node=walk.volume_node, segmentation_node=node, model_path=None)
    yield _is_open(walk)
    walk.require_no_refusal()
    workspace = walk.room.require_workspace()
    lost = [key for (segment_id, key), mask in walk.masks.items() if (walk.mask(segment_id, key) != mask).any()]
    assert not lost, f"{len(lost)} slices have other voxels than before."
    assert workspace.prompts() == prompts, f"{len(workspace.prompts())} of {len(prompts)} prompted slices came back."
    return f"{len(walk.masks)} segmented slices and {len(prompts)} prompted ones came back."


def _choose_tool(walk: Any, role: str, key: Any) -> Doing:
    walk.look_at(key)
    walk.verbs.choose_tool(role)
    yield walk.has_tool
    walk.require_no_refusal()
    return ""


def _segmented(walk: Any, key: Any, caption: str) -> str:
    """Check that a prompt became voxels and note them."""
    walk.require_no_refusal()
    segment_id = walk.room.choice.segment_id
    prompts = walk.room.require_workspace().prompts_on(key)
    assert prompts, "No prompt was placed."
    mask = walk.mask(segment_id, key)
    assert mask.any(), "The prompt has segmented nothing."
    walk.masks[segment_id, key] = mask
    walk.take_picture(key, segment_id, caption)
    return f"{int(mask.sum())} voxels."


def _require_masks(walk: Any) -> None:
    if not walk.masks:
        raise Skipped("Nothing was segmented.")


def _is_open(walk: Any) -> Callable[[], bool]:
    return lambda: walk.is_idle() and (walk.room.workspace is not None or walk.room.sentence[1])


def _place_of_box(walk: Any) -> tuple[str, Any]:
    """(segment, slice) of the box: the segment was added second."""
    segment_id = walk.room.choice.segmentation_node.GetSegmentation().GetNthSegmentID(1)
    return segment_id, next(key for found, key in walk.masks if found == segment_id)


def _middle(walk: Any, label: int) -> tuple[int, int, int]:
    """A voxel IJK in the middle of an organ's largest slice: of all its voxels there, the one nearest to their mean."""
    organ = walk.labels_kji == label
    k = int(np.argmax(organ.sum(axis=(1, 2))))
    places = np.argwhere(organ[k])
    j, i = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))].tolist()
    return i, j, k


def _corners(walk: Any, label: int, key: Any) -> list[tuple[float, float, float]]:
    rows, columns = np.nonzero(walk.labels_kji[key.index] == label)
    ends = (columns.min() - 1, rows.min() - 1), (columns.max() + 1, rows.max() + 1)
    return [(float(i), float(j), float(key.index)) for i, j in ends]


def _dice(walk: Any, mask: np.ndarray, label: int, key: Any) -> float:
    from .walk import dice

    return dice(mask, walk.labels_kji[key.index] == label)
