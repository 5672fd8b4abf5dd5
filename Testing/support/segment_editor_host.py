"""What Slicer's Segment Editor gives an effect, on its real MRML node and its real logic, without its Qt widgets."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

import slicer


class SegmentEditorHost:
    """A Segment Editor with a node of its own (not that of Slicer's module) and its own undo history."""

    def __init__(self, scene: Any, segmentation_node: Any, volume_node: Any) -> None:
        self.node = scene.AddNode(slicer.vtkMRMLSegmentEditorNode())
        self.node.SetAndObserveSegmentationNode(segmentation_node)
        self.node.SetAndObserveSourceVolumeNode(volume_node)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLScene(scene)
        self.logic.SetSegmentEditorNode(self.node)
        self.logic.SetMaximumNumberOfUndoStates(10)
        # In Slicer the editor's widget gives the segmentation to the history.
        self.history = slicer.vtkSegmentationHistory()
        self.history.SetSegmentation(segmentation_node.GetSegmentation())
        self.history.SetMaximumNumberOfStates(10)
        self.logic.SetSegmentationHistory(self.history)
        self.saved_states = 0

    def save_state(self) -> None:
        """As `saveStateForUndo` of an effect."""
        self.saved_states += 1
        assert self.logic.SaveStateForUndo()


class ScriptedEffect:
    """The C++ side of a scripted effect, as far as ours uses it; parameters are attributes of the real node."""

    def __init__(self, host: SegmentEditorHost) -> None:
        self.name = ""
        self.perSegment = self.requireSegments = False
        self.options: list[Any] = []
        self._host = host

    def parameterSetNode(self) -> Any:
        """The editor's vtkMRMLSegmentEditorNode."""
        return self._host.node

    def saveStateForUndo(self) -> None:
        """Keep the segmentation for the editor's Undo."""
        self._host.save_state()

    def addOptionsWidget(self, widget_or_layout: Any) -> None:
        """Keep what the effect shows."""
        self.options.append(widget_or_layout)

    def setParameterDefault(self, name: str, value: int) -> None:
        """Set a parameter that is not there yet."""
        if self._host.node.GetAttribute(f"{self.name}.{name}") is None:
            self.setParameter(name, value)

    def setParameter(self, name: str, value: int) -> None:
        """Set a parameter of this effect."""
        self._host.node.SetAttribute(f"{self.name}.{name}", str(value))

    def integerParameter(self, name: str) -> int:
        """A parameter of this effect."""
        return int(self._host.node.GetAttribute(f"{self.name}.{name}"))


def load_effect_class() -> type:
    """The class of our effect as Slicer loads it: its file under its folder's name, on Slicer's base for effects."""
    from DFQSAMSlicerLib.editor_effect_registration import SOURCE

    class Base:
        def __init__(self, scripted_effect: Any) -> None:
            self.scriptedEffect = scripted_effect

    bases = types.ModuleType("SegmentEditorEffects")
    bases.AbstractScriptedSegmentEditorEffect = Base
    sys.modules[bases.__name__] = bases
    spec = importlib.util.spec_from_file_location(SOURCE.parent.name, SOURCE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The editor makes the class's name from the file's.
    return getattr(module, SOURCE.stem)
