"""Offers the effect "SAM-Med2D" in Slicer's Segment Editor."""

from __future__ import annotations

from pathlib import Path

# In a folder of its own: Slicer runs an effect's file under its folder's name, in place of a package of that name.
SOURCE = Path(__file__).resolve().parents[1] / "SegmentEditorDFQSAMLib" / "SegmentEditorEffect.py"


def register_editor_effect() -> None:
    """Register the effect, once, when all of Slicer's modules are there."""
    import qSlicerSegmentationsEditorEffectsPythonQt as effects

    effect = effects.qSlicerSegmentEditorScriptedEffect(None)
    effect.setPythonSource(SOURCE.as_posix())
    effect.self().register()
