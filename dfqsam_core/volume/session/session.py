"""A session on one volume: segments, their prompts and masks slice by slice, and exact undo."""

from __future__ import annotations

import operator
from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import PromptError
from ...runtime.embedding_cache import EmbeddingCache
from ..extent import Extents
from ..geometry import AXES, axis_index
from ..prompts import MAX_LABEL, PointPrompt, Prompt, check_name, with_prompt, without_prompt
from ..slices import SliceKey, plane_shape
from ..volume import Volume
from ..window import WindowLevel, choose_window
from .corrections import SlicePresent, answer
from .history import History
from .label_layers import Segment, repaint, segment_region
from .slice_edit import SliceEdit as SliceEdit
from .slice_edit import mask_of
from .slice_predictor import Predictor, SlicePrediction, slices_seen_by
from .slice_state import SliceState as SliceState

Place = tuple[int, SliceKey]
_NOTHING = SliceState()


class VolumeSession:
    """The segments, prompts and masks of one volume: a prompt changes one slice of one segment and nothing else.

    Where segments start and end is said by `extents.put(label, Extent("K", 22, 37))`.

    Parameters
    ----------
    volume
        Read, never written.
    model
        From `load_model`, float or packed.
    window
        "auto", a preset's name, "WIDTH,LEVEL", or a WindowLevel; VolumeError for any other.
    cache
        Keeps embeddings of slices; a new one where none is shared.
    predictor
        Replaces the runtime's own.
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
        self.slices = slices_seen_by(model, volume, window, cache, predictor)
        self.extents = Extents(volume.geometry)
        self._segments: dict[int, Segment] = {}
        self._states: dict[Place, SliceState] = {}
        self._history: History[SliceEdit] = History()
        # Nobody but a file of labels asks for the label map: it is painted then.
        self._labels_kji: np.ndarray | None = None
        self._unpainted: set[SliceKey] = set()
        self._shapes = {axis: plane_shape(volume.voxels_kji.shape, axis) for axis in AXES}

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
        """The label map (K, J, I) uint16 as it is now: a read-only view, which the next call brings up to date."""
        if self._labels_kji is None:
            self._labels_kji = np.zeros(self.volume.voxels_kji.shape, np.uint16)
        for key in self._unpainted:
            repaint(self._labels_kji, key, self._segments.values(), self._masks(self._segments, key), self._turns())
        self._unpainted.clear()
        view = self._labels_kji.view()
        view.flags.writeable = False
        return view

    @property
    def can_undo(self) -> bool:
        """True where there is an action to undo."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """True where there is an undone action to repeat."""
        return self._history.can_redo

    def add_segment(self, label: int, name: str, overwrite: bool = False) -> Segment:
        """Add a segment, empty at first, and return it.

        Parameters
        ----------
        label
            Its number in label maps, 1 to 65535, which no other segment has.
        name
            Up to 1000 characters.
        overwrite
            It takes voxels of earlier segments; else these keep theirs.

        Raises
        ------
        PromptError
            For a label in use and for a name that no file can hold.
        """
        if not 1 <= label <= MAX_LABEL or label in self._segments:
            raise PromptError(f"The label {label} is in use or not in 1..{MAX_LABEL}. Choose another.")
        check_name(name)
        self._segments[label] = Segment(label, name, overwrite)
        return self._segments[label]

    def state(self, label: int, key: SliceKey) -> SliceState:
        """Return the prompts of a segment on a slice and their prediction."""
        return self._states.get((label, key), _NOTHING)

    def prompts(self, label: int, key: SliceKey) -> tuple[Prompt, ...]:
        """The prompts of a segment on a slice, in the order they were given."""
        return self.state(label, key).prompts

    def prediction(self, label: int, key: SliceKey) -> SlicePrediction | None:
        """The candidate masks of a segment on a slice, None where it has none."""
        return self.state(label, key).prediction

    def mask(self, label: int, key: SliceKey) -> np.ndarray:
        """(rows, columns) bool in storage order: what the segment covers on a slice, shared voxels included."""
        return mask_of(self.prediction(label, key), self._shapes[key.axis])

    def region(self, label: int, key: SliceKey) -> np.ndarray:
        """(rows, columns) bool in storage order: what the segment covers on a slice, by its masks of all three axes."""
        if {other.axis for owner, other in self._states if owner == label} <= {key.axis}:
            return self.mask(label, key)
        return segment_region(self._shapes[key.axis], label, key, self._masks({label}, key), self._turns())

    def present(self, label: int, key: SliceKey) -> SlicePresent:
        """Return what a segment has on a slice, for `corrections.answer`.

        Masks of other axes count where they were propagated: a single slice of another axis shows this one as a line.
        """
        state = self.state(label, key)
        others = [(other.axis, found) for (owner, other), found in self._states.items() if owner == label]
        is_crossed = any(axis != key.axis and found.prediction and not found.prompts for axis, found in others)
        is_masked = state.corrected or is_crossed or not (state.prediction is None or state.prompts)
        mask = self.region(label, key) if is_masked else None
        turns = [found.corrected.turn for _, found in others if found.corrected]
        is_there = state.corrected or (mask is not None and mask.any())
        return SlicePresent(state, mask if is_there else None, max(turns, default=0) + 1)

    def add_prompt(self, label: int, prompt: Prompt, refine: bool = False) -> SliceEdit:
        """Add a prompt to a segment, predict its slice anew, and return how that changed; one undo step.

        On a slice with a mask but no prompts, as a propagated one, points, scribbles and negative lassos correct it
        (docs/use/volumes.md, Corrections). Else the answer depends on the prompts alone, in any order. A box or a
        positive lasso replaces the one that the slice had.

        Parameters
        ----------
        label
            Of a segment that was added.
        prompt
            A point, box, scribble or lasso, on one slice.
        refine
            Start from the slice's present mask: its logits are fed back, as in SAM-Med2D's interactive training.

        Raises
        ------
        PromptError
            For a segment or slice that is not there, and for prompts that the model was not trained with.
        """
        prompts = with_prompt(self.prompts(label, prompt.slice), prompt)
        return self.set_prompts(label, prompt.slice, prompts, refine)

    def remove_prompt(self, label: int, prompt: Prompt) -> SliceEdit:
        """Take a prompt back and predict its slice anew; raises PromptError when the segment does not have it."""
        return self.set_prompts(label, prompt.slice, without_prompt(self.prompts(label, prompt.slice), prompt))

    def set_prompts(self, label: int, key: SliceKey, prompts: tuple[Prompt, ...], refine: bool = False) -> SliceEdit:
        """Replace the prompts of a segment on a slice; refine: as in `add_prompt`.

        Without a box or a positive prompt the slice becomes empty, unless there is a mask to correct or to refine.
        """
        self._check(label, key, prompts)
        found = answer(self.slices, key, prompts, self.present(label, key), refine)
        note = found.note.format(slice=f"slice {key.axis} {key.index}")
        return replace(self.apply(label, {key: found.state})[0], note=note)

    def accept(
        self, label: int, key: SliceKey, prompts: tuple[Prompt, ...], prediction: SlicePrediction | None
    ) -> SliceEdit:
        """Give a segment prompts on a slice together with the prediction that was made of them elsewhere."""
        return self.apply(label, {key: SliceState(prompts, prediction)})[0]

    def slices_of(self, label: int) -> list[SliceKey]:
        """The slices on which the segment has prompts or a mask, by axis and index."""
        return sorted([key for owner, key in self._states if owner == label])

    def states(self) -> dict[Place, SliceState]:
        """Return what every label has on every slice where it has something; a new dictionary."""
        return dict(self._states)

    def all_prompts(self) -> dict[Place, tuple[Prompt, ...]]:
        """The prompts of every label and slice that has some, in order."""
        places = sorted([place for place, state in self._states.items() if state.prompts])
        return {place: self._states[place].prompts for place in places}

    def prompted_slices(self, label: int, axis: str) -> list[int]:
        """Indices along `axis`, ascending, of the slices on which the segment has prompts of its own."""
        states = self._states.items()
        return sorted(
            key.index for (owner, key), state in states if (owner, key.axis) == (label, axis) and state.prompts
        )

    def apply(self, label: int, states: Mapping[SliceKey, SliceState]) -> tuple[SliceEdit, ...]:
        """Give a segment these states on these slices, in one undo step; nothing without a slice."""
        for key, state in states.items():
            self._check(label, key, state.prompts)
        edits = tuple([self._change(label, key, state) for key, state in states.items()])
        if edits:
            self._history.add(edits)
        return edits

    def restore_state(self, label: int, key: SliceKey, state: SliceState) -> None:
        """Give a segment on a slice what it had there before, or what was made elsewhere; no prediction, no undo step.

        Raises PromptError for a segment, a slice or a prompt that is not of this session.
        """
        self._check(label, key, state.prompts)
        self._set(label, key, state)

    def choose_mask(self, label: int, key: SliceKey, candidate: int) -> SliceEdit:
        """Use another of the candidate masks of the last prediction; raises PromptError where there is no such one."""
        return self.apply(label, {key: self.with_candidate(label, key, candidate)})[0]

    def with_candidate(self, label: int, key: SliceKey, candidate: int) -> SliceState:
        """Return what a segment would have on a slice with another candidate. Raises PromptError for one it lacks."""
        present = self.state(label, key)
        if present.prediction is None or not 0 <= candidate < len(present.prediction.predicted_iou):
            raise PromptError(f"Segment {label} has no candidate {candidate} on slice {key.axis} = {key.index}.")
        return replace(present, prediction=present.prediction.with_choice(candidate))

    def undo(self) -> tuple[SliceEdit, ...]:
        """Take the last action back, bit for bit; empty when there is none."""
        edits = [self._change(step.label, step.slice, step.old) for step in self._history.undo()]
        return tuple(edits[::-1])

    def redo(self) -> tuple[SliceEdit, ...]:
        """Repeat the action undone last, bit for bit; empty when there is none."""
        return tuple([self._change(step.label, step.slice, step.new) for step in self._history.redo()])

    def _change(self, label: int, key: SliceKey, state: SliceState) -> SliceEdit:
        edit = SliceEdit(label, key, self._shapes[key.axis], self.state(label, key), state)
        self._set(label, key, state)
        return edit

    def _set(self, label: int, key: SliceKey, state: SliceState) -> None:
        place = label, key
        self._states.pop(place, None)
        if state.prompts or state.prediction:
            self._states[place] = state
        self._unpainted.add(key)

    def _masks(self, labels: Container[int], key: SliceKey) -> dict[Place, np.ndarray]:
        """Masks of these segments that meet a slice; unpacked here, as all of them would take much memory."""
        return {
            (label, other): mask_of(state.prediction, self._shapes[other.axis])
            for (label, other), state in self._states.items()
            if (state.prediction or state.corrected) and label in labels and (other == key or other.axis != key.axis)
        }

    def _turns(self) -> dict[Place, int]:
        return {place: state.corrected.turn for place, state in self._states.items() if state.corrected}

    def _check(self, label: int, key: SliceKey, prompts: tuple[Prompt, ...]) -> None:
        if label not in self._segments:
            raise PromptError(f"There is no segment with the label {label}. Add it first.")
        shape_ijk = self.volume.geometry.shape_ijk
        if not 0 <= key.index < shape_ijk[axis_index(key.axis)]:
            raise PromptError(f"The volume has no slice {key.axis} = {key.index}.")
        for prompt in prompts:
            voxels = (prompt.ijk,) if isinstance(prompt, PointPrompt) else prompt.voxels_ijk
            low, high = map(min, zip(*voxels, strict=True)), map(max, zip(*voxels, strict=True))
            is_inside = min(low) >= 0 and all(map(operator.lt, high, shape_ijk))
            if prompt.slice != key or not is_inside:
                raise PromptError(f"The prompt {prompt} is not on slice {key.axis} = {key.index} of the volume.")
