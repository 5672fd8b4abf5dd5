"""From prompted slices along the stack: the masks of the slices between and beyond them."""

from .config import PropagationConfig
from .cost import ThoroughCost
from .plan import PropagationPlan, PropagationResult
from .propagate import plan_propagation, propagate
from .stops import Stop

__all__ = [
    "PropagationConfig",
    "PropagationPlan",
    "PropagationResult",
    "Stop",
    "ThoroughCost",
    "plan_propagation",
    "propagate",
]
