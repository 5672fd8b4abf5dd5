"""A session as one JSON file: segments, prompts, masks and logits, so that tomorrow continues where today ended."""

from __future__ import annotations

import base64
import binascii
import json
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...base.outputs import atomic_output
from ...errors import PromptError, VolumeError
from ..extent import Extent
from ..files.prompts_file import extent_json, parse_extent, parse_prompt, prompt_json
from ..files.strict_json import json_numbers, json_object, json_text, json_typed, read_json, shown
from ..slices import SliceKey, stored_plane
from ..volume import Volume
from ..window import WindowLevel
from .session import VolumeSession
from .slice_predictor import Predictor, SlicePrediction
from .slice_state import CorrectedMask, SliceState
from .trust import Trust

_FORMAT = "dfqsam session 1"
_TOP_KEYS = {"format", "volume", "model_digest", "window", "segments"}
_MAX_FILE_BYTES = 2**30
# NIfTI keeps single precision: half a micrometre at a metre from the origin.
_ROUNDED_MM = 1e-3
_MAX_CANDIDATES, _MAX_LOW_RES_SIDE = 4, 256


def save_session(path: str | os.PathLike, session: VolumeSession, force: bool = False) -> None:
    """Write the state of `session` (not its undo history) as JSON; raises OutputError as `atomic_output` does."""
    segments = [
        {"label": segment.label, "name": segment.name, "overwrite": segment.overwrite}
        | extents_json(session, segment.label)
        | {"slices": [slice_json(key, session.state(segment.label, key)) for key in session.slices_of(segment.label)]}
        for segment in session.segments
    ]
    content = session_head(session, session.volume.source) | {"segments": segments}
    with atomic_output(path, force) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def session_head(session: VolumeSession, source: str = "") -> dict[str, Any]:
    """Return what a session file says beside its segments; source: the volume's name in it."""
    return {
        "format": _FORMAT,
        "volume": {
            "source": source,
            "digest": session.volume.digest,
            "ijk_to_ras": session.volume.geometry.ijk_to_ras.tolist(),
        },
        "model_digest": session.model_digest,
        "window": {"width": session.window.width, "level": session.window.level, "source": session.window.source},
    }


def extents_json(session: VolumeSession, label: int) -> dict[str, Any]:
    """Return what a session file says of where a segment starts and ends: nothing where nobody said."""
    extents = [{"axis": extent.axis} | extent_json(extent) for extent in session.extents.of_label(label)]
    return {"extents": extents} if extents else {}


def slice_json(key: SliceKey, state: SliceState) -> dict[str, Any]:
    """Return what a session file says of one segment on one slice."""
    entry = {"axis": key.axis, "index": key.index, "prompts": [prompt_json(prompt) for prompt in state.prompts]}
    entry |= _optional("prediction", state.prediction)
    corrected = state.corrected
    if corrected is not None:
        planes = {"mask": _packed(np.packbits(corrected.mask)), "predicted": _packed(np.packbits(corrected.predicted))}
        entry["corrected"] = planes | {"turn": corrected.turn} | _optional("prediction", corrected.prediction)
    return entry


def restore_session(
    path: str | os.PathLike, volume: Volume, model: Any, *, predictor: Predictor | None = None
) -> VolumeSession:
    """Session from a file of `save_session`, with the same masks and the same answers to further prompts.

    Raises PromptError for a damaged file, and for a session of another volume or model.
    """
    top = json_object(read_json(Path(path), _MAX_FILE_BYTES), str(path), _TOP_KEYS, set())
    if top["format"] != _FORMAT:
        raise PromptError(f"{path} is not a session file of this version: its format is {shown(top['format'])}.")
    saved = json_object(top["volume"], "volume", {"digest", "source", "ijk_to_ras"}, set())
    if saved["digest"] != volume.digest or not _is_same_place(saved["ijk_to_ras"], volume):
        raise PromptError(f"The session {path} belongs to another volume, {shown(saved['source'])}. Open that one.")
    if top["model_digest"] != model.digest:
        raise PromptError(f"The session {path} belongs to another model. Load the one of {shown(top['model_digest'])}.")
    session = VolumeSession(volume, model, _window(top["window"]), predictor=predictor)
    for n, item in enumerate(_list(top["segments"], "segments")):
        _restore_segment(session, item, f"segments[{n}]")
    return session


def _is_same_place(matrix: Any, volume: Volume) -> bool:
    """Whether a matrix of a session file is that of the volume, but for what a volume's file format rounds."""
    try:
        found = np.array(matrix, np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return found.shape == (4, 4) and np.allclose(found, volume.geometry.ijk_to_ras, rtol=0, atol=_ROUNDED_MM)


def _prediction_json(prediction: SlicePrediction) -> dict[str, Any]:
    return {
        "chosen": prediction.chosen,
        # An interpolated mask has no estimate: null, as JSON has no NaN.
        "predicted_iou": [None if np.isnan(value) else float(value) for value in prediction.predicted_iou],
        "masks": _packed(prediction.packed_masks),
        "low_res_masks": _packed(prediction.low_res_masks.astype("<f2")),
        "low_res_side": prediction.low_res_masks.shape[-1],
    } | _trust_json(prediction.trust)


def _trust_json(trust: Trust | None) -> dict[str, Any]:
    if trust is None:
        return {}
    estimate = None if trust.is_shape_alone else trust.predicted_iou
    # Left out where the model has no estimates: null is a slice on which it disagreed.
    known = {} if trust.predicted_iou is None else {"predicted_iou": estimate}
    return {"trust": known | {"neighbours": trust.neighbours, "planes": trust.planes}}


def _optional(name: str, prediction: SlicePrediction | None) -> dict[str, Any]:
    return {} if prediction is None else {name: _prediction_json(prediction)}


def _restore_segment(session: VolumeSession, item: Any, where: str) -> None:
    keys = json_object(item, where, {"label", "name", "overwrite", "slices"}, {"extents"})
    label = json_typed(keys["label"], int, f"{where}.label")
    overwrite = json_typed(keys["overwrite"], bool, f"{where}.overwrite")
    session.add_segment(label, json_text(keys["name"], f"{where}.name"), overwrite)
    for n, entry in enumerate(_list(keys.get("extents", []), f"{where}.extents")):
        session.extents.put(label, _extent(entry, f"{where}.extents[{n}]", session))
    for n, entry in enumerate(_list(keys["slices"], f"{where}.slices")):
        key, state = _slice_state(session, entry, f"{where}.slices[{n}]")
        session.restore_state(label, key, state)


def _extent(item: Any, where: str, session: VolumeSession) -> Extent:
    keys = dict(json_object(item, where, {"axis"}, {"first", "last"}))
    axis = keys.pop("axis")
    if axis not in ("I", "J", "K"):
        raise PromptError(f"{where}.axis must be I, J or K, found {shown(axis)}.")
    return parse_extent(keys, where, axis, session.volume.geometry)


def _slice_state(session: VolumeSession, item: Any, where: str) -> tuple[SliceKey, SliceState]:
    keys = json_object(item, where, {"axis", "index", "prompts"}, {"prediction", "corrected"})
    geometry = session.volume.geometry
    index = json_typed(keys["index"], int, f"{where}.index")
    if keys["axis"] not in ("I", "J", "K") or not 0 <= index < geometry.size_along(keys["axis"]):
        raise PromptError(f"{where} is not a slice of the volume: {shown(keys['axis'])} {index}.")
    key = SliceKey(keys["axis"], index)
    entries = enumerate(_list(keys["prompts"], f"{where}.prompts"))
    prompts = tuple(parse_prompt(entry, f"{where}.prompts[{n}]", "IJK", geometry) for n, entry in entries)
    rows, columns = stored_plane(session.volume.voxels_kji, key).shape
    prediction = _found(keys, where, (rows, columns))
    if "corrected" not in keys:
        return key, SliceState(prompts, prediction)
    return key, SliceState(prompts, prediction, _corrected(keys["corrected"], f"{where}.corrected", (rows, columns)))


def _corrected(item: Any, where: str, shape: tuple[int, int]) -> CorrectedMask:
    keys = json_object(item, where, {"mask", "turn"}, {"predicted", "prediction"})
    mask = _plane(keys["mask"], where, shape)
    predicted = _plane(keys["predicted"], where, shape) if "predicted" in keys else np.zeros_like(mask)
    turn = json_typed(keys["turn"], int, f"{where}.turn")
    return CorrectedMask.of(mask, predicted, _found(keys, where, shape), turn)


def _plane(text: Any, where: str, shape: tuple[int, int]) -> np.ndarray:
    packed = _unpacked(text, where, np.dtype(np.uint8), (-(-shape[0] * shape[1] // 8),))
    return np.unpackbits(packed, count=shape[0] * shape[1]).view(bool).reshape(shape)


def _found(keys: dict[str, Any], where: str, shape: tuple[int, int]) -> SlicePrediction | None:
    return _prediction(keys["prediction"], f"{where}.prediction", shape) if "prediction" in keys else None


def _prediction(item: Any, where: str, shape: tuple[int, int]) -> SlicePrediction:
    keys = json_object(item, where, {"chosen", "predicted_iou", "masks", "low_res_masks", "low_res_side"}, {"trust"})
    estimates = _list(keys["predicted_iou"], f"{where}.predicted_iou")
    count = len(estimates)
    numbers = json_numbers([0 if value is None else value for value in estimates], count, f"{where}.predicted_iou")
    chosen = json_typed(keys["chosen"], int, f"{where}.chosen")
    side = json_typed(keys["low_res_side"], int, f"{where}.low_res_side")
    if not (0 <= chosen < count <= _MAX_CANDIDATES and 1 <= side <= _MAX_LOW_RES_SIDE):
        raise PromptError(f"{where} has candidates that contradict each other. The session file is damaged.")
    masks = _unpacked(keys["masks"], where, np.dtype(np.uint8), (count, -(-shape[0] * shape[1] // 8)))
    low_res = _unpacked(keys["low_res_masks"], where, np.dtype("<f2"), (count, side, side)).astype(np.float16)
    iou = np.where([value is None for value in estimates], np.nan, numbers).astype(np.float32)
    found = SlicePrediction.packed(masks, shape, iou, low_res, chosen)
    return replace(found, trust=_trust(keys["trust"], f"{where}.trust")) if "trust" in keys else found


def _trust(item: Any, where: str) -> Trust:
    keys = json_object(item, where, {"neighbours", "planes"}, {"predicted_iou"})
    values = [keys.get("predicted_iou"), keys["neighbours"], keys["planes"]]
    numbers = json_numbers([0 if value is None else value for value in values], 3, where)
    if keys["neighbours"] is None or min(numbers[1:]) < 0 or max(numbers[1:]) > 1:
        raise PromptError(f"{where} must hold shares from 0 to 1. The session file is damaged.")
    estimate, neighbours, planes = map(float, numbers)
    disagreed = "predicted_iou" in keys and keys["predicted_iou"] is None
    return Trust(
        float("nan") if disagreed else estimate if "predicted_iou" in keys else None,
        neighbours,
        None if keys["planes"] is None else planes,
    )


def _window(item: Any) -> WindowLevel:
    keys = json_object(item, "window", {"width", "level", "source"}, set())
    json_numbers([keys["width"], keys["level"]], 2, "width and level of the window")
    try:
        return WindowLevel(keys["width"], keys["level"], str(keys["source"]))
    except VolumeError as error:
        raise PromptError(f"{error} The session file is damaged.") from error


def _list(item: Any, where: str) -> list[Any]:
    if not isinstance(item, list):
        raise PromptError(f"{where} must be a list, found {shown(item)}.")
    return item


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes())).decode("ascii")


def _unpacked(text: Any, where: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape)) * dtype.itemsize
    try:
        # One byte more than is needed tells a text that is too long, and no more than that is ever unfolded.
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except (TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise PromptError(f"{where} holds an array that cannot be read: {error}. The file is damaged.") from error
    if len(data) != size:
        raise PromptError(f"{where} holds an array of another size than its slice. The session file is damaged.")
    return np.frombuffer(data, dtype).reshape(shape)
