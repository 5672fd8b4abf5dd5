"""A session on one volume: segments, their prompts and masks slice by slice, and exact undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import PromptError
from ...runtime.embedding_cache import EmbeddingCache
from ..prompts import MAX_LABEL, BoxPrompt, PointPrompt, Prompt, can_predict
from ..slices import SliceKey, stored_plane
from ..volume import Volume
from ..window import WindowLevel, choose_window
from .label_layers import Segment, repaint, segment_region
from .slice_predictor import Predictor, SlicePrediction, SlicePredictor, predictor_for

Place = tuple[int, SliceKey]


@dataclass(frozen=True, eq=False)
class SliceState:
    """What one segment has on one slice: its prompts and the prediction they gave (None where they select nothing).

    A prediction without prompts was propagated from other slices.
    """

    prompts: tuple[Prompt, ...] = ()
    prediction: SlicePrediction | None = None


@dataclass(frozen=True, eq=False)
class SliceEdit:
    """How one segment changed on one slice.

    before, after: (rows, columns) bool in storage order (axes of the (K, J, I) array without the slice's own axis).
    predicted_iou: the model's own estimate of `after`, None where the segment has no mask there.
    """

    label: int
    slice: SliceKey
    before: np.ndarray
    after: np.ndarray
    predicted_iou: float | None


@dataclass(frozen=True, eq=False)
class _Change:
    place: Place
    before: SliceState
    after: SliceState


class VolumeSession:
    """Prompts go in, one slice of one segment changes, and nothing else does.

    volume: read, never written. model: from `runtime.load_model`. window: "auto", a preset's name, "WIDTH,LEVEL", or a
    WindowLevel. cache: keeps embeddings; a new one where none is shared. predictor: replaces the runtime's own.
    """

    def __init__(
        self,
        volume: Volume,
        model: Any,
        window: str | WindowLevel = "auto",
        *,
        cache: EmbeddingCache | None = None,
        predictor: Predictor | None = None,
    ) -> None:
        if isinstance(window, str):
            window = choose_window(window, volume.voxels_kji, volume.modality)
        self.volume = volume
        self.model_digest: str = model.digest
        self.slices = SlicePredictor(
            volume,
            predictor or predictor_for(model),
            f"{model.digest} {model.engine}",
            window,
            EmbeddingCache() if cache is None else cache,
        )
        self._segments: dict[int, Segment] = {}
        self._states: dict[Place, SliceState] = {}
        self._masks: dict[Place, np.ndarray] = {}
        self._labels_kji = np.zeros(volume.voxels_kji.shape, np.uint16)
        self._done: list[tuple[_Change, ...]] = []
        self._undone: list[tuple[_Change, ...]] = []

    @property
    def window(self) -> WindowLevel:
        """The window the model sees the volume through."""
        return self.slices.window

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Segments in the order they were added."""
        return tuple(self._segments.values())

    @property
    def labels_kji(self) -> np.ndarray:
        """The label map (K, J, I) uint16: a read-only view that follows every edit."""
        view = self._labels_kji.view()
        view.flags.writeable = False
        return view

    @property
    def can_undo(self) -> bool:
        """Whether there is an action to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone action to repeat."""
        return bool(self._undone)

    def add_segment(self, label: int, name: str, overwrite: bool = False) -> Segment:
        """Add a segment; earlier ones keep their voxels unless `overwrite`. Raises PromptError for a label in use."""
        if not 1 <= label <= MAX_LABEL or label in self._segments:
            raise PromptError(f"The label {label} is in use or not in 1..{MAX_LABEL}. Choose another.")
        self._segments[label] = Segment(label, name, overwrite)
        return self._segments[label]

    def prompts(self, label: int, key: SliceKey) -> tuple[Prompt, ...]:
        """The prompts of a segment on a slice, in the order they were given."""
        return self._states.get((label, key), SliceState()).prompts

    def prediction(self, label: int, key: SliceKey) -> SlicePrediction | None:
        """The candidate masks of a segment on a slice, None where it has none."""
        return self._states.get((label, key), SliceState()).prediction

    def mask(self, label: int, key: SliceKey) -> np.ndarray:
        """(rows, columns) bool in storage order: what the segment covers on a slice, shared voxels included."""
        found = self._masks.get((label, key))
        return np.zeros(stored_plane(self._labels_kji, key).shape, bool) if found is None else found.copy()

    def region(self, label: int, key: SliceKey) -> np.ndarray:
        """(rows, columns) bool in storage order: what the segment covers on a slice, by its masks of all three axes."""
        return segment_region(stored_plane(self._labels_kji, key).shape, label, key, self._masks)

    def add_prompt(self, label: int, prompt: Prompt, refine: bool = False) -> SliceEdit:
        """Add a prompt to a segment and predict its slice anew; a box replaces the slice's earlier box.

        refine: start from the slice's present mask (its logits are fed back, as in SAM-Med2D's interactive training);
        otherwise the answer depends on the prompts alone, whatever their order.
        """
        earlier = self.prompts(label, prompt.slice)
        if isinstance(prompt, BoxPrompt):
            earlier = tuple(p for p in earlier if not isinstance(p, BoxPrompt))
        return self.set_prompts(label, prompt.slice, (*earlier, prompt), refine)

    def remove_prompt(self, label: int, prompt: Prompt) -> SliceEdit:
        """Take a prompt back and predict its slice anew; raises PromptError when the segment does not have it."""
        earlier = list(self.prompts(label, prompt.slice))
        if prompt not in earlier:
            raise PromptError(f"Segment {label} has no such prompt on its slice: {prompt}.")
        earlier.remove(prompt)
        return self.set_prompts(label, prompt.slice, tuple(earlier))

    def set_prompts(self, label: int, key: SliceKey, prompts: tuple[Prompt, ...], refine: bool = False) -> SliceEdit:
        """Replace the prompts of a segment on a slice, all in one prediction; refine: as in `add_prompt`.

        Without a box or a positive point the slice becomes empty, unless there is a mask to refine.
        """
        self._check(label, key, prompts)
        present = self.prediction(label, key) if refine else None
        low_res = None if present is None else present.low_res_masks[present.chosen]
        possible = can_predict(prompts) or (present is not None and bool(prompts))
        prediction = self.slices.predict(key, prompts, low_res) if possible else None
        return self._do({(label, key): SliceState(prompts, prediction)})[0]

    def accept(
        self, label: int, key: SliceKey, prompts: tuple[Prompt, ...], prediction: SlicePrediction | None
    ) -> SliceEdit:
        """Give a segment prompts on a slice together with the prediction that was made of them elsewhere."""
        self._check(label, key, prompts)
        return self._do({(label, key): SliceState(prompts, prediction)})[0]

    def slices_of(self, label: int) -> list[SliceKey]:
        """The slices on which the segment has prompts or a mask, by axis and index."""
        return sorted(key for owner, key in self._states if owner == label)

    def prompted_slices(self, label: int, axis: str) -> list[int]:
        """Indices along `axis`, ascending, of the slices on which the segment has prompts of its own."""
        states = self._states.items()
        return sorted(
            key.index for (owner, key), state in states if (owner, key.axis) == (label, axis) and state.prompts
        )

    def replace_propagated(
        self, label: int, axis: str, indices: Iterable[int], found: Mapping[int, SlicePrediction]
    ) -> tuple[SliceEdit, ...]:
        """Give the slices `indices` along `axis` the predictions `found` and no others, in one undo step.

        Slices with prompts of their own stay as they are.
        """
        prompted = set(self.prompted_slices(label, axis))
        places = {(label, SliceKey(axis, index)): found.get(index) for index in indices if index not in prompted}
        changed = {p: SliceState((), new) for p, new in places.items() if new or p in self._states}
        return self._do(changed) if changed else ()

    def restore_state(self, label: int, key: SliceKey, state: SliceState) -> None:
        """Put back what a segment had on a slice in an earlier session; no prediction, no undo step."""
        self._check(label, key, state.prompts)
        self._apply({(label, key): state})

    def choose_mask(self, label: int, key: SliceKey, candidate: int) -> SliceEdit:
        """Use another of the candidate masks of the last prediction; raises PromptError where there is no such one."""
        prediction = self.prediction(label, key)
        if prediction is None or not 0 <= candidate < len(prediction.predicted_iou):
            raise PromptError(f"Segment {label} has no candidate {candidate} on slice {key.axis} = {key.index}.")
        return self._do({(label, key): SliceState(self.prompts(label, key), prediction.with_choice(candidate))})[0]

    def undo(self) -> tuple[SliceEdit, ...]:
        """Take the last action back, bit for bit; empty when there is none."""
        if not self._done:
            return ()
        changes = self._done.pop()
        self._undone.append(changes)
        return self._apply({change.place: change.before for change in changes})

    def redo(self) -> tuple[SliceEdit, ...]:
        """Repeat the action undone last, bit for bit; empty when there is none."""
        if not self._undone:
            return ()
        changes = self._undone.pop()
        self._done.append(changes)
        return self._apply({change.place: change.after for change in changes})

    def _do(self, states: dict[Place, SliceState]) -> tuple[SliceEdit, ...]:
        """Apply new states as one undo step."""
        changes = [_Change(place, self._states.get(place, SliceState()), state) for place, state in states.items()]
        self._done.append(tuple(changes))
        self._undone.clear()
        return self._apply(states)

    def _apply(self, states: dict[Place, SliceState]) -> tuple[SliceEdit, ...]:
        return tuple(self._apply_one(place, state) for place, state in states.items())

    def _apply_one(self, place: Place, state: SliceState) -> SliceEdit:
        label, key = place
        before = self.mask(label, key)
        self._states.pop(place, None)
        self._masks.pop(place, None)
        if state.prompts or state.prediction:
            self._states[place] = state
        if state.prediction:
            self._masks[place] = state.prediction.mask
        repaint(self._labels_kji, key, self._segments.values(), self._masks)
        predicted_iou = state.prediction.chosen_iou if state.prediction else None
        return SliceEdit(label, key, before, self.mask(label, key), predicted_iou)

    def _check(self, label: int, key: SliceKey, prompts: tuple[Prompt, ...]) -> None:
        if label not in self._segments:
            raise PromptError(f"There is no segment with the label {label}. Add it first.")
        if not 0 <= key.index < self.volume.geometry.size_along(key.axis):
            raise PromptError(f"The volume has no slice {key.axis} = {key.index}.")
        for prompt in prompts:
            corners = (prompt.ijk,) if isinstance(prompt, PointPrompt) else (prompt.low_ijk, prompt.high_ijk)
            if prompt.slice != key or not all(map(self.volume.geometry.contains, corners)):
                raise PromptError(f"The prompt {prompt} is not on slice {key.axis} = {key.index} of the volume.")
