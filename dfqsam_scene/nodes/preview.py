"""What a controller has predicted and not written yet, and who shows that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.prompts import Prompt
from dfqsam_core.volume.session.slice_predictor import SlicePrediction


@dataclass(frozen=True, eq=False)
class Preview:
    """A prediction that is shown and not yet written; prediction: None where the prompts select nothing."""

    segment_id: str
    key: SliceKey
    prompts: tuple[Prompt, ...]
    prediction: SlicePrediction | None


class PreviewLayer(Protocol):
    """Shows a mask that is in no segment yet."""

    def show(self, preview: Preview | None) -> None:
        """Show this one instead of what was shown; None for nothing."""
