"""What a person has chosen: on what to prompt, with which model, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfqsam_core.volume.brush import Brush

from .window_texts import AUTO


@dataclass(frozen=True)
class Choice:
    """Volume, segmentation and segment, model and window, and the switches; None and "" for what is not chosen yet.

    model_path: None for the embedded demonstration model. window: "auto", a preset's name, or "WIDTH,LEVEL".
    auto_accept: write each prediction at once, without a preview. refine: start from the slice's present mask.
    protect_others: leave all other segments as they are. encode_ahead: encode the slices around the present one while
    nothing else runs. thorough: let the slices of the two other axes vote on what is propagated. brush: of the tools
    that paint and erase.
    conventions: of a float checkpoint whose tensors do not tell them, "" where nobody said.
    """

    volume_node: Any = None
    segmentation_node: Any = None
    model_path: Path | None = None
    window: str = AUTO
    segment_id: str = ""
    auto_accept: bool = True
    refine: bool = False
    protect_others: bool = True
    encode_ahead: bool = True
    thorough: bool = False
    brush: Brush = field(default_factory=Brush)
    conventions: str = ""

    @property
    def is_complete(self) -> bool:
        """True where a workspace can be opened on it."""
        return self.volume_node is not None and self.segmentation_node is not None

    def opens_as(self, other: Choice | None) -> bool:
        """Return whether the same workspace serves both: segment and switches may differ."""
        return other is not None and self._opened == other._opened

    @property
    def _opened(self) -> tuple[Any, ...]:
        return self.volume_node, self.segmentation_node, self.model_path, self.conventions, self.window
