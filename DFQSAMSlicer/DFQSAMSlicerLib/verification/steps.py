"""The steps of the walk, in order; their titles are the checklist in the extension's README."""

from __future__ import annotations

from . import quantizing, segmenting
from .timing import Step

_SEGMENTING, _QUANTIZING = "segmenting", "quantizing"
STEPS = (
    Step("The sample is loaded, chosen, and shown in every slice view", _SEGMENTING, segmenting.show_the_sample),
    Step("A click inside the liver segments it", _SEGMENTING, segmenting.click_inside),
    Step("Undo and redo give back every voxel", _SEGMENTING, segmenting.undo_and_redo),
    Step("A box around the spleen segments it as experts drew it", _SEGMENTING, segmenting.box),
    Step("A scribble in the liver segments it", _SEGMENTING, segmenting.scribble),
    Step("Propagation carries the spleen to neighbouring slices", _SEGMENTING, segmenting.propagate),
    Step("Voxels and prompts are back after the scene is saved, closed and loaded", _SEGMENTING, segmenting.come_back),
    Step("A quantization with the recipe fast is cancelled", _QUANTIZING, quantizing.quantize_and_cancel),
    Step("The quantization is resumed and gives a model", _QUANTIZING, quantizing.resume),
    Step("The new model is compared with the float model", _QUANTIZING, quantizing.compare),
)
