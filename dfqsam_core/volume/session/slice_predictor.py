"""One prediction: the prompts of one segment on one slice, through the model, to a mask in storage order."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from ...network.conventions import SAM_MED2D, Conventions
from ...runtime.embedding_cache import EmbeddingCache
from ...runtime.predictor import Predictor as ImagePredictor
from ..geometry import AXES
from ..prompts import BoxPrompt, PointPrompt, Prompt, is_outline
from ..slices import SliceFrame, SliceKey
from ..strokes import LassoPrompt, ScribblePrompt
from ..volume import Volume
from ..window import WindowLevel
from .mask_input import MaskGrid, draw_strokes, has_strokes, kinds_of, lasso_pixels, seed_prompts, within_lasso
from .slice_embeddings import SliceEmbeddings
from .slice_prediction import SlicePrediction as SlicePrediction

_MED2D_GRID = MaskGrid()


class Predictor(ImagePredictor, Protocol):
    """A predictor whose embeddings can be kept and set again."""

    def get_image_embedding(self) -> np.ndarray:
        """Embedding of the image set last."""
        ...

    def set_image_embedding(self, embedding: np.ndarray, original_size: tuple[int, int]) -> None:
        """Use an embedding made before, of an image of `original_size` (H, W)."""


class PredictorBeside(Predictor, Protocol):
    """A predictor on one core, for a thread of its own."""

    def embed(self, image: np.ndarray) -> np.ndarray:
        """Embedding of an image, float32 (1, C, grid, grid), while the set one stays; several threads may ask."""
        ...


class SlicePredictor:
    """Shows the slices of a volume to a model through one window; encodes each slice once.

    encoder: what makes an embedding of an image: the model's digest and its engine. mask_grid: the mask prompt and the
    model's conventions. beside: gives a predictor on one core, None where there is none. at_once: how many cores.
    """

    def __init__(
        self,
        volume: Volume,
        predictor: Predictor,
        encoder: str,
        window: WindowLevel,
        cache: EmbeddingCache,
        mask_grid: MaskGrid = _MED2D_GRID,
        beside: Callable[[], PredictorBeside] | None = None,
        at_once: int = 1,
    ) -> None:
        self.volume = volume
        self.window = window
        self.mask_grid = mask_grid
        self._predictor, self._beside = predictor, beside
        encode = None if beside is None else partial(_embed_beside, beside)
        self.embeddings = SliceEmbeddings(self.image, encoder, predictor, cache, encode, at_once)
        self._frames = {axis: SliceFrame.of(volume.geometry, axis) for axis in AXES}

    def for_another_thread(self) -> SlicePredictor:
        """Return what shows the same slices on a thread of its own, on one core; only where `at_once` is above 1."""
        assert self._beside is not None, "one core has one thread"
        other = copy.copy(self)
        other._predictor, other.embeddings = self._beside(), self.embeddings.for_another_thread()
        return other

    @property
    def conventions(self) -> Conventions:
        """How the model wants its prompts, and what its answers are."""
        return self.mask_grid.conventions

    def image(self, key: SliceKey) -> np.ndarray:
        """uint8 (H, W) as the model sees the slice: windowed, in canonical orientation."""
        plane = self._frames[key.axis].view(self.volume.voxels_kji, key.index)
        return np.ascontiguousarray(self.window.apply(plane))

    def predict(
        self,
        key: SliceKey,
        prompts: tuple[Prompt, ...],
        low_res_mask: np.ndarray | None = None,
        image: np.ndarray | None = None,
    ) -> SlicePrediction:
        """Predict the masks of `prompts`, all on the slice `key`; low_res_mask: (n, n) logits to refine, if any.

        image: what `image` gives, where it is at hand. Scribbles and lassos are drawn into those logits, or else into
        those of what says first where the segment is. Raises PromptError for what the model was not trained with.
        """
        self.conventions.check_prompts(kinds_of(prompts, low_res_mask is not None))
        frame = self._show(key, image)
        drawn = [prompt for prompt in prompts if isinstance(prompt, ScribblePrompt | LassoPrompt)]
        if drawn and has_strokes(drawn):
            if low_res_mask is None:
                _, estimates, logits = self._decode(frame, seed_prompts(prompts), None)
                low_res_mask = logits[int(np.argmax(estimates))]
            low_res_mask = draw_strokes(low_res_mask, frame, prompts, self.conventions)
        return self._stored(frame, *self._decode(frame, prompts, low_res_mask))

    def predict_box(
        self,
        key: SliceKey,
        box_xyxy: np.ndarray,
        low_res_mask: np.ndarray | None = None,
        image: np.ndarray | None = None,
    ) -> SlicePrediction:
        """Predict the masks of a box (4,) in pixels of the canonical slice, x1 and y1 exclusive, fractions allowed.

        What of the box lies outside of the slice is cut off. low_res_mask, image: as in `predict`.
        """
        frame = self._show(key, image)
        box = np.clip(box_xyxy, 0, [frame.width, frame.height] * 2).astype(np.float32)
        return self._stored(frame, *self._ask(None, None, box, low_res_mask))

    def _show(self, key: SliceKey, image: np.ndarray | None) -> SliceFrame:
        """Let the predictor answer for a slice."""
        frame = self._frames[key.axis]
        image = self.image(key) if image is None else image
        self._predictor.set_image_embedding(self.embeddings.embed(key, image), (frame.height, frame.width))
        return frame

    def _decode(
        self, frame: SliceFrame, prompts: tuple[Prompt, ...], low_res_mask: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks, predicted IoU and logits as the predictor gives them, the masks within the lasso."""
        coords, labels, box = pixel_prompts(frame, prompts)
        masks, predicted_iou, low_res = self._ask(coords, labels, box, low_res_mask)
        lassos = [prompt for prompt in prompts if isinstance(prompt, LassoPrompt)]
        if lassos and coords is not None and labels is not None:
            masks = within_lasso(masks, frame, lassos, coords[labels == 1])
        return masks, predicted_iou, low_res

    def _ask(
        self,
        coords: np.ndarray | None,
        labels: np.ndarray | None,
        box: np.ndarray | None,
        low_res_mask: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        points = 0 if coords is None else len(coords)
        return self._predictor.predict(
            point_coords=coords,
            point_labels=labels,
            box=box,
            mask_input=None if low_res_mask is None else low_res_mask[None],
            multimask_output=self.conventions.gives_candidates(points, box is not None, low_res_mask is not None),
        )

    def _stored(
        self, frame: SliceFrame, masks: np.ndarray, predicted_iou: np.ndarray, low_res: np.ndarray
    ) -> SlicePrediction:
        """What a predictor gives, as a prediction in storage order; an estimate that nobody trained is none."""
        estimates, logits = np.array(predicted_iou, np.float32), np.asarray(low_res, np.float16)
        if not self.conventions.predicts_iou:
            estimates[:] = np.nan
        return SlicePrediction.of(frame.to_storage(masks), estimates, logits)

    def embed(self, key: SliceKey, image: np.ndarray | None = None) -> np.ndarray:
        """Embedding of a slice: from the cache, or made now and put there; image: as in `predict`."""
        return self.embeddings.embed(key, image)

    @property
    def at_once(self) -> int:
        """How many slices `embed_all` and `ahead` encode side by side."""
        return self.embeddings.at_once

    def embed_all(self, keys: Sequence[SliceKey]) -> None:
        """Put the embeddings of these slices into the cache."""
        with self.ahead(keys):
            for key in keys:
                self.embed(key)

    def ahead(self, keys: Sequence[SliceKey]) -> contextlib.AbstractContextManager[None]:
        """While this context is entered, these slices are encoded side by side, in the order that they are given in."""
        return self.embeddings.ahead(keys)

    @property
    def encodings(self) -> int:
        """How often the encoder ran, for reports and tests."""
        return self.embeddings.encodings

    def embedding_key(self, image: np.ndarray) -> tuple[str, str]:
        """Return what the cache knows the embedding of a slice image by."""
        return self.embeddings.key_of(image)


def _embed_beside(beside: Callable[[], PredictorBeside], image: np.ndarray) -> np.ndarray:
    # Made when the first slice needs it: the model's form for one thread is loaded then.
    return beside().embed(image)


def pixel_prompts(
    frame: SliceFrame, prompts: tuple[Prompt, ...]
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Prompts of one slice in the model's terms: point_coords (N, 2) xy, point_labels (N,), box (4,) xyxy.

    Coordinates are pixel indices in canonical orientation. A box's x1 and y1 are exclusive (last voxel + 1), as the
    boxes that SAM-Med2D was trained with. What is absent is None.
    """
    xy, positive = prompt_points(frame, prompts)
    outlines = [prompt for prompt in prompts if not isinstance(prompt, PointPrompt) and is_outline(prompt)]
    coords = labels = box = None
    if len(xy):
        coords, labels = xy.astype(np.float32), positive.astype(np.int32)
    if outlines:
        corners = frame.xy_from_ijk(outlines[-1].voxels_ijk)
        box = np.concatenate([corners.min(axis=0), corners.max(axis=0) + 1]).astype(np.float32)
    return coords, labels, box


def prompt_points(frame: SliceFrame, prompts: Sequence[Prompt]) -> tuple[np.ndarray, np.ndarray]:
    """The points that the model is given of prompts: xy (N, 2) in canonical pixels, and positive (N,) bool."""
    clicks = [click for prompt in prompts for click in _clicks(frame, prompt)]
    xy = np.array([xy for xy, _ in clicks], np.float64).reshape(-1, 2)
    return xy, np.array([positive for _, positive in clicks], bool)


def _clicks(frame: SliceFrame, prompt: Prompt) -> list[tuple[np.ndarray, bool]]:
    """The points xy that a prompt gives the model, and whether they are positive."""
    if isinstance(prompt, BoxPrompt):
        return []
    if isinstance(prompt, LassoPrompt):
        return [(lasso_pixels(frame, prompt).deepest_xy, prompt.positive)]
    points = (prompt.ijk,) if isinstance(prompt, PointPrompt) else prompt.points_ijk
    return [(xy, prompt.positive) for xy in frame.xy_from_ijk(points)]


def predictor_for(model: Any) -> PredictorBeside:
    """The runtime's predictor of a loaded model."""
    from ...runtime import SamPredictor

    return SamPredictor(model)


def slices_seen_by(
    model: Any, volume: Volume, window: WindowLevel, cache: EmbeddingCache | None, predictor: Predictor | None
) -> SlicePredictor:
    """The slices of `volume` for a loaded model; arguments as VolumeSession has them."""

    def beside() -> PredictorBeside:
        return predictor_for(model.side_by_side())

    encoder = f"{model.digest} {model.engine}"
    # Another predictor may have no place for a second image.
    at_once = 1 if predictor is not None else getattr(model, "encoders", 1)
    cache = EmbeddingCache() if cache is None else cache
    grid = MaskGrid(getattr(model, "mask_size", 64), getattr(model, "conventions", SAM_MED2D))
    return SlicePredictor(volume, predictor or predictor_for(model), encoder, window, cache, grid, beside, at_once)
