"""Refuses images and prompts that cannot be meant so, each with its own sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import PromptError, VolumeError

# A position on the rim of an image: half a pixel before the first centre, or a box that ends where the image does.
_RIM = 0.5


def check_image(image: Any, image_format: str) -> np.ndarray:
    """Return a uint8 image (H, W) or (H, W, 3); raise VolumeError for anything else."""
    if not isinstance(image, np.ndarray):
        raise VolumeError(f"The image is a {type(image).__name__}, not an array. Give uint8 (H, W) or (H, W, 3).")
    if image.dtype != np.uint8:
        raise VolumeError(f"The image is {image.dtype}, not uint8. Apply a window to the grey values first.")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise VolumeError(f"The image has the shape {image.shape}. Give (H, W), or (H, W, 3) for colours.")
    if image_format not in ("RGB", "BGR"):
        raise VolumeError(f"Unknown image format {image_format!r}. Use RGB or BGR.")
    return image


def check_points(point_coords: Any, point_labels: Any, image_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, 2) as float64 and labels (N,) as int64; raise PromptError when malformed or outside."""
    if point_coords is None or point_labels is None:
        missing = "point_coords" if point_coords is None else "point_labels"
        raise PromptError(f"{missing} is missing. Give coordinates and labels together, one label per point.")
    points = _numbers(point_coords, "point_coords")
    labels = _numbers(point_labels, "point_labels")
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise PromptError(f"point_coords has the shape {points.shape}. Give (N, 2): x and y of at least one point.")
    if labels.shape != (len(points),):
        raise PromptError(f"point_labels has the shape {labels.shape}. Give one label per point, ({len(points)},).")
    if not np.isin(labels, (0, 1)).all():
        raise PromptError(f"Unknown point label in {labels.tolist()}. Use 1 for foreground and 0 for background.")
    _check_inside(points, image_shape, "point", "Place points on the image.")
    return points, labels.astype(np.int64)


def check_box(box: Any, image_shape: tuple[int, int]) -> np.ndarray:
    """Return corners (2, 2) as float64 of a box in xyxy order; raise PromptError when it is malformed or outside."""
    corners = _numbers(box, "box")
    # SAM's own examples give one box as (1, 4).
    if corners.shape == (1, 4):
        corners = corners[0]
    if corners.shape != (4,):
        raise PromptError(f"The box has the shape {corners.shape}. Give one box of four numbers: x0, y0, x1, y1.")
    x0, y0, x1, y1 = corners.tolist()
    if x0 > x1 or y0 > y1:
        raise PromptError(f"The corners of the box {corners.tolist()} are swapped. Give the smaller x and y first.")
    if x0 == x1 or y0 == y1:
        raise PromptError(f"The box {corners.tolist()} has no area. Draw it around the object.")
    _check_inside(corners.reshape(2, 2), image_shape, "corner of the box", "Clip the box to the image.")
    return corners.reshape(2, 2)


def check_mask_input(mask_input: Any, side: int) -> np.ndarray:
    """Return low-resolution logits (1, side, side) as float32; raise PromptError for anything else."""
    mask = _numbers(mask_input, "mask_input")
    if mask.shape != (1, side, side):
        wanted = f"one of the low_res_masks of an earlier call, (1, {side}, {side})"
        raise PromptError(f"mask_input has the shape {mask.shape}. Give {wanted}.")
    return mask.astype(np.float32)


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise PromptError(f"{name} is not an array of numbers: {error}. Give numbers.") from error
    if not np.isfinite(array).all():
        raise PromptError(f"{name} has values that are not finite. Give finite numbers.")
    return array


def _check_inside(xy: np.ndarray, image_shape: tuple[int, int], what: str, remedy: str) -> None:
    height, width = image_shape
    outside = ((xy < -_RIM) | (xy > (width, height))).any(axis=1)
    if outside.any():
        x, y = xy[outside][0].tolist()
        raise PromptError(f"A {what} at x = {x:g}, y = {y:g} lies outside the image of {width} x {height}. {remedy}")
