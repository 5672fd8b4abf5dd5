"""Embed an image once, then answer any number of prompts on it: the interface of segment-anything's SamPredictor."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PromptError, VolumeError
from ..network.conventions import PromptKind
from .model import Model
from .preprocess import full_size_logits, mask_prompt, network_coordinates, network_pixels
from .prompt_checks import check_box, check_image, check_mask_input, check_points

_NO_POINT = -1
_BOX_CORNERS = (2, 3)


class Predictor(Protocol):
    """The part of a SamPredictor that callers need, so that another one can stand in its place."""

    def set_image(self, image: np.ndarray) -> None:
        """Encode a uint8 image (H, W) or (H, W, 3)."""

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks (C, H, W) bool, predicted IoU (C,), low-resolution logits (C, 4 grid, 4 grid)."""
        ...


class SamPredictor:
    """Predicts masks from points, a box and an earlier mask, by the conventions of the model.

    Parameters
    ----------
    model
        From `load_model`, float or packed.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.reset_image()

    def reset_image(self) -> None:
        """Forget the image."""
        self._embedding: np.ndarray | None = None
        self.original_size: tuple[int, int] | None = None

    def set_image(self, image: np.ndarray, image_format: str = "RGB") -> None:
        """Embed an image for the calls of `predict` that follow.

        Parameters
        ----------
        image
            uint8, (H, W) or (H, W, 3).
        image_format
            Order of the three channels, "RGB" or "BGR".

        Raises
        ------
        VolumeError
            For another type or shape; the image that was set before stays.
        """
        self._embedding = self.embed(image, image_format)
        self.original_size = image.shape[0], image.shape[1]

    def embed(self, image: np.ndarray, image_format: str = "RGB") -> np.ndarray:
        """Return the embedding of `image`, while the image that is set stays; several threads may ask.

        Raises VolumeError as `set_image` does.
        """
        check_image(image, image_format)
        return self.model.encode(network_pixels(image, self.model.image_size, image_format, self.model.conventions))

    def get_image_embedding(self) -> np.ndarray:
        """Return the embedding of the image that is set, float32 (1, C, grid, grid)."""
        return self._require_image()[0]

    def set_image_embedding(self, embedding: np.ndarray, original_size: tuple[int, int]) -> None:
        """Set an image by the embedding that `get_image_embedding` gave for it; original_size is its (H, W)."""
        a = self.model.architecture
        expected = (1, a.out_chans, a.grid, a.grid)
        if embedding.shape != expected:
            raise VolumeError(f"The embedding has the shape {embedding.shape}, not {expected}. Embed the image again.")
        height, width = original_size
        if min(height, width) < 1:
            raise VolumeError(f"An image of {height} x {width} pixels is impossible. Give its (H, W).")
        self._embedding, self.original_size = np.asarray(embedding, np.float32), (int(height), int(width))

    def predict(
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: ArrayLike | None = None,
        multimask_output: bool | None = None,
        return_logits: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Predict masks of one object on the image that is set, as segment-anything's `SamPredictor.predict`.

        Parameters
        ----------
        point_coords
            (N, 2), x and y in pixels of the image; whole numbers are pixel centres.
        point_labels
            (N,), 1 for foreground and 0 for background.
        box
            (4,) or (1, 4), x0, y0, x1, y1 in pixels of the image.
        mask_input
            (1, 4 grid, 4 grid), logits: one of the low_res_masks of an earlier call.
        multimask_output
            Three masks to choose from (see `best_mask`) instead of a single one; None for what the model's conventions
            have, which is three for SAM-Med2D.
        return_logits
            Logits in the place of the masks; a mask is where they are above 0.

        Returns
        -------
        masks : numpy.ndarray
            bool (C, H, W), or float32 logits. C is 3 or 1.
        iou_predictions : numpy.ndarray
            float32 (C,), the network's own estimate of each mask's IoU, 0..1.
        low_res_masks : numpy.ndarray
            float32 (C, 4 grid, 4 grid), logits.

        Raises
        ------
        PromptError
            When no image is set, there is no prompt, or a prompt is malformed, outside the image, or of a kind that the
            model was not trained with.
        """
        embedding, image_shape = self._require_image()
        conventions, size = self.model.conventions, self.model.image_size
        given: dict[PromptKind, object] = {"point": point_coords, "box": box, "mask": mask_input}
        conventions.check_prompts([kind for kind, prompt in given.items() if prompt is not None])
        coords, labels = self._points(point_coords, point_labels, box, mask_input is not None, image_shape)
        mask = None
        if mask_input is not None:
            mask = mask_prompt(check_mask_input(mask_input, self.model.mask_size), conventions)
        chosen = self._tokens(multimask_output, labels, mask is not None)
        coords = network_coordinates(coords, image_shape, size, conventions)
        low_res_masks, iou_predictions = self.model.decode(embedding, coords[None], labels[None], mask)
        low_res_masks, iou_predictions = low_res_masks[0, chosen], iou_predictions[0, chosen]
        logits = full_size_logits(low_res_masks, image_shape, size, conventions)
        return logits if return_logits else logits > 0, iou_predictions, low_res_masks

    def _tokens(self, multimask_output: bool | None, labels: np.ndarray, has_mask: bool) -> slice:
        """Which of the four masks answer prompts with these labels."""
        conventions = self.model.conventions
        if multimask_output is None:
            points = int(np.isin(labels, (0, 1)).sum())
            multimask_output = conventions.gives_candidates(points, _BOX_CORNERS[0] in labels, has_mask)
        elif multimask_output and conventions.output_token == "single":
            raise PromptError(
                f"{conventions.title} was trained to give one mask, not three. Leave multimask_output out."
            )
        return slice(1, None) if multimask_output else slice(0, 1)

    def _require_image(self) -> tuple[np.ndarray, tuple[int, int]]:
        if self._embedding is None or self.original_size is None:
            raise PromptError("No image is set. Call set_image(image) before predict.")
        return self._embedding, self.original_size

    def _points(
        self,
        point_coords: ArrayLike | None,
        point_labels: ArrayLike | None,
        box: ArrayLike | None,
        has_mask: bool,
        image_shape: tuple[int, int],
    ) -> tuple[np.ndarray, np.ndarray]:
        """All points in pixels of the image: given ones, then the box's corners or SAM's padding point."""
        coords, labels = np.empty((0, 2)), np.empty(0, np.int64)
        if point_coords is not None or point_labels is not None:
            coords, labels = check_points(point_coords, point_labels, image_shape)
        if box is not None:
            return np.concatenate([coords, check_box(box, image_shape)]), np.concatenate([labels, _BOX_CORNERS])
        if len(labels):
            return np.concatenate([coords, np.zeros((1, 2))]), np.concatenate([labels, [_NO_POINT]])
        if not has_mask:
            raise PromptError("There is no prompt. Give points with labels, a box, or a mask_input.")
        return coords, labels


def best_mask(masks: np.ndarray, iou_predictions: np.ndarray) -> np.ndarray:
    """Return the mask with the highest predicted IoU, (H, W) bool, which is SAM-Med2D's answer.

    Parameters
    ----------
    masks
        (C, H, W) bool, as `SamPredictor.predict` gives them.
    iou_predictions
        (C,), beside them.
    """
    return masks[int(np.argmax(iou_predictions))]
