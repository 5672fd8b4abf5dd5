"""How a mask is carried on and when it stops."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import ConfigError


@dataclass(frozen=True)
class PropagationConfig:
    """Settings of a propagation: how a mask is carried on, and when it stops.

    The defaults are measured (docs/measured/propagation.md).

    Parameters
    ----------
    box_margin
        Widening of the box on each side, as a share of its size, 0..1.
    points, negative_points
        Clicks inside the mask, and outside it in the box; 0 to 16.
    feed_mask
        The logits of the slice before are given to the model as well.
    min_predicted_iou
        It stops below this estimate of the model, 0..1.
    min_overlap
        It stops below this IoU with the mask that the slice's mask came from, 0..1.
    max_area_ratio
        It stops above this growth or shrinkage from one slice to the next, above 1.
    min_stability
        It stops below this IoU of the mask at logits +1 and -1, 0..1.
    min_likeness
        It stops where the grey values in the mask are farther than this from those in the prompted mask (1), towards
        those around it (0).
    thorough
        Slices of the two other axes have a say in the end.

    Raises
    ------
    ConfigError
        For values out of range.
    """

    box_margin: float = 0.0
    points: int = 0
    negative_points: int = 0
    feed_mask: bool = True
    min_predicted_iou: float = 0.5
    min_overlap: float = 0.5
    max_area_ratio: float = 2.0
    min_stability: float = 0.4
    min_likeness: float = 0.5
    thorough: bool = False

    def __post_init__(self) -> None:
        shares = (self.min_predicted_iou, self.min_overlap, self.min_stability, self.min_likeness, self.box_margin)
        if not all(0 <= share <= 1 for share in shares):
            raise ConfigError(f"Thresholds and the box margin of a propagation are shares of 0 to 1, found {self}.")
        if not self.max_area_ratio > 1 or not 0 <= min(self.points, self.negative_points) <= 16:
            raise ConfigError(f"max_area_ratio must be above 1 and points 0 to 16, found {self}.")
