"""From the entries of a journal back to a segmentation with its prompts, as they were."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

import numpy as np

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.slices import plane_shape

from ..jobs.journal_file import Entries
from ..nodes.saved_session import store_text
from ..nodes.segment_rows import SegmentFacts
from ..nodes.segment_voxels import fill_segment
from ..nodes.segments import SegmentScene, new_segmentation
from .work_journal import EXTENTS, PLANE, SEGMENTS, SESSION, STATE

_DAMAGED = "The kept work is damaged and cannot be continued"


def summary(entries: Entries) -> str:
    """How much a journal holds, in words."""
    segments = len(entries.get((SEGMENTS,), ()))
    prompts = sum(len(value["prompts"]) for key, value in entries.items() if key[0] == STATE)
    return f"{_count(segments, 'segment')}, {_count(prompts, 'prompt')}"


def restore(entries: Entries, volume_node: Any, model: Any = None) -> Any:
    """Add a segmentation of the entries on a volume; returns its node, with the session that a workspace goes on with.

    model: the one in use, None where none is loaded; of another one than before only prompts and voxels come back.
    Raises PromptError for entries that are damaged or of another volume; the scene is then as before.
    """
    node = new_segmentation(volume_node, "segmentation")
    try:
        facts = [SegmentFacts.from_json(item) for item in entries[(SEGMENTS,)]]
        for fact in facts:
            fact.add_to(node.GetSegmentation())
        segments = SegmentScene(volume_node, node)
        for fact in facts:
            fill_segment(segments, fact.id, _voxels(entries, fact.id, segments.grid.shape_ijk[::-1]))
        store_text(_session_text(entries, facts, model), node)
    except (KeyError, TypeError, ValueError, IndexError, zlib.error, binascii.Error) as error:
        volume_node.GetScene().RemoveNode(node)
        reason = str(error) if isinstance(error, DFQSAMError) else repr(error)
        raise PromptError(f"{_DAMAGED}: {reason[:200]}. Discard it.") from error
    return node


def _voxels(entries: Entries, segment_id: str, shape_kji: tuple[int, ...]) -> np.ndarray:
    """(K, J, I) bool: planes in the order in which they were noted, so that the last word on each voxel counts."""
    voxels = np.zeros(shape_kji, bool)
    for key, value in entries.items():
        if key[:2] == (PLANE, segment_id):
            place = SliceKey(key[2], key[3])
            normal = "KJI".index(place.axis)
            if not 0 <= place.index < shape_kji[normal]:
                raise ValueError(f"no slice {place.axis} = {place.index}")
            np.moveaxis(voxels, normal, 0)[place.index] = _plane(value, plane_shape(shape_kji, place.axis))
    return voxels


def _plane(text: str, shape: tuple[int, int]) -> np.ndarray:
    count = shape[0] * shape[1]
    if not text:
        return np.zeros(shape, bool)
    size = -(-count // 8)
    data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    if len(data) != size:
        raise ValueError("a plane of another size")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count).view(bool).reshape(shape)


def _session_text(entries: Entries, facts: list[SegmentFacts], model: Any) -> str:
    """As `save_session` writes it."""
    head = dict(entries[(SESSION,)])
    is_other = model is not None and model.digest != head["model_digest"]
    if is_other:
        head["model_digest"] = model.digest
    slices: dict[str, list[Any]] = {fact.id: [] for fact in facts}
    for key, value in entries.items():
        if key[0] == STATE and key[1] in slices:
            slices[key[1]].append(_without_predictions(value) if is_other else value)
    segments = [
        {"label": n, "name": fact.id, "overwrite": False, "slices": slices[fact.id]}
        | dict(entries.get((EXTENTS,), {})).get(fact.id, {})
        for n, fact in enumerate(facts, start=1)
    ]
    return json.dumps(head | {"segments": segments}, allow_nan=False)


def _without_predictions(state: dict[str, Any]) -> dict[str, Any]:
    """A slice's state for another model, which would give other candidates: its masks stay as voxels."""
    left = {name: part for name, part in state.items() if name != "prediction"}
    if "corrected" in left:
        left["corrected"] = {name: left["corrected"][name] for name in ("mask", "turn")}
    return left


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
