"""How far a propagated slice agrees with the model, its neighbours and the other planes: no truth is needed for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Below this share a person should look; what that finds and what it marks in vain: docs/measured/trust.md.
WEAK_SHARE = 0.65


@dataclass(frozen=True)
class Trust:
    """How much speaks for the mask of a propagated slice, each a share 0..1.

    predicted_iou: the model's own estimate; NaN where the model disagreed and a shape stands in, None for a model that
    has no estimates. neighbours: IoU with the shape between the masks of the slices beside it. planes: IoU with what
    the two other axes made of it; None where they were not asked.
    """

    predicted_iou: float | None
    neighbours: float
    planes: float | None = None

    @property
    def share(self) -> float:
        """The product of what there is of the three, 0..1; 0 where the model disagreed."""
        estimate = 1.0 if self.predicted_iou is None else 0.0 if self.is_shape_alone else self.predicted_iou
        return estimate * self.neighbours * (1.0 if self.planes is None else self.planes)

    @property
    def is_shape_alone(self) -> bool:
        """Whether the model disagreed and a shape stands in."""
        return self.predicted_iou is not None and math.isnan(self.predicted_iou)

    @property
    def is_weak(self) -> bool:
        """True where a person should look at the slice."""
        return self.share < WEAK_SHARE
