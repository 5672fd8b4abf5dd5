"""Own stand-ins for Slicer's Python files that slicer-core does not ship: the bases of scripted modules and i18n.

They follow Slicer's documented behaviour as far as our module uses it, on real nodes.
"""

from __future__ import annotations

import json
import sys
import types
import typing
import unittest
from pathlib import Path
from typing import Any

import slicer
import vtk


class ScriptedLoadableModule:
    """Keeps the parent, which describes the module."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    """Keeps the layout of the parent widget, and finds the module's files."""

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.layout = parent.layout()

    def resourcePath(self, name: str) -> str:
        """Path of a file in the module's folder Resources."""
        return str(Path(sys.modules[type(self).__module__].__file__).parent / "Resources" / name)

    def setup(self) -> None:
        """Nothing; Slicer adds its developer section here."""


class ScriptedLoadableModuleLogic:
    """Makes the module's parameter node."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        """The vtkMRMLScriptedModuleNode of this module, one in a scene."""
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetModuleName(self.moduleName)
            node.SetName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A test with the name that Slicer's test run looks for."""

    def delayDisplay(self, message: str) -> None:
        """Slicer shows the message for a moment."""


class _Parameter:
    """A typed field of a parameter node: a node reference, or a value kept as JSON text."""

    def __init__(self, name: str, kind: type, default: Any) -> None:
        self.name, self.kind, self.default = name, kind, default
        self.is_node = issubclass(kind, slicer.vtkMRMLNode)

    def __get__(self, wrapper: Any, owner: Any = None) -> Any:
        if wrapper is None:
            return self
        if self.is_node:
            return wrapper.parameterNode.GetNodeReference(self.name)
        text = wrapper.parameterNode.GetParameter(self.name)
        return json.loads(text) if text else self.default

    def __set__(self, wrapper: Any, value: Any) -> None:
        if not (isinstance(value, self.kind) or (self.is_node and value is None)):
            raise TypeError(f"{self.name} is a {self.kind.__name__}, found {value!r}.")
        if self.is_node:
            wrapper.parameterNode.SetNodeReferenceID(self.name, None if value is None else value.GetID())
            wrapper.parameterNode.Modified()
        else:
            wrapper.parameterNode.SetParameter(self.name, json.dumps(value))


def parameterNodeWrapper(cls: type) -> type:
    """Turn annotated fields into parameters of a vtkMRMLScriptedModuleNode, tied to widgets by SlicerParameterName."""
    fields = {
        name: _Parameter(name, kind, getattr(cls, name, kind() if kind in (str, int, bool, float) else None))
        for name, kind in typing.get_type_hints(cls).items()
    }

    def init(self: Any, node: Any) -> None:
        self.parameterNode, self._connections = node, {}

    def connect_gui(self: Any, ui: Any) -> int:
        widgets = [w for w in vars(ui).values() if hasattr(w, "property") and w.property("SlicerParameterName")]
        pairs = [(fields[w.property("SlicerParameterName")], w) for w in widgets]

        def to_widgets(*_: Any) -> None:
            for field, widget in pairs:
                value = field.__get__(self)
                widget.setCurrentNode(value) if field.is_node else widget.setChecked(value)

        to_widgets()
        slots = [_follow(self, field, widget) for field, widget in pairs]
        tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widgets)
        self._connections[tag] = slots
        return tag

    def disconnect_gui(self: Any, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)
        for widget, signature, slot in self._connections.pop(tag):
            widget.disconnect(signature, slot)

    def add_observer(self: Any, event: Any, react: Any) -> int:
        return self.parameterNode.AddObserver(event, react)

    def remove_observer(self: Any, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    members = {"connectGui": connect_gui, "disconnectGui": disconnect_gui, "__init__": init}
    members |= {"AddObserver": add_observer, "RemoveObserver": remove_observer}
    for name, member in (fields | members).items():
        setattr(cls, name, member)
    return cls


def _follow(wrapper: Any, field: _Parameter, widget: Any) -> tuple[Any, str, Any]:
    signature = "currentNodeChanged(vtkMRMLNode*)" if field.is_node else "toggled(bool)"

    def slot(value: Any) -> None:
        field.__set__(wrapper, value)

    widget.connect(signature, slot)
    return widget, signature, slot


def install() -> None:
    """Put the stand-ins where Slicer has its own files."""
    bases = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    _add("ScriptedLoadableModule", {base.__name__: base for base in bases})
    _add("parameterNodeWrapper", {"parameterNodeWrapper": parameterNodeWrapper})
    install_words()


def install_words() -> None:
    """Put Slicer's translation of words where Slicer has it; here it translates nothing."""
    _add("i18n", {"tr": lambda text: text})


def _add(name: str, members: dict[str, Any]) -> None:
    module = types.ModuleType(f"slicer.{name}")
    module.__dict__.update(members)
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)
