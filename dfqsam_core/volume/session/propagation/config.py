"""How a mask is carried on and when it stops."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import ConfigError


@dataclass(frozen=True)
class PropagationConfig:
    """How a mask is carried on and when it stops; the defaults are measured (docs/measured/propagation.md).

    box_margin: widening of the box on each side, as a share of its size. points, negative_points: clicks inside the
    mask, and outside it in the box. feed_mask: whether the logits of the slice before are given to the model as well.
    Propagation stops below min_predicted_iou (the model's own estimate), below min_overlap (IoU with the mask it came
    from), above max_area_ratio (growth or shrinkage from one slice to the next), below min_stability (IoU of the
    mask at logits +1 and -1), and below min_likeness (how far the grey values in the mask are from those around the
    prompted mask, 0, to those in it, 1). Shares are 0..1. thorough: whether two more planes have a say in the end.
    Raises ConfigError for values out of range.
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
