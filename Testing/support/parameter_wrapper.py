"""Own stand-in for slicer.parameterNodeWrapper, which keeps what it has read as Slicer's own does.

A value is read when the wrapper is made, and again at each ModifiedEvent of the parameter node. A node that a scene
brings later than the reference to it is therefore not seen: during an import the event comes first.
"""

from __future__ import annotations

import json
import typing
import weakref
from typing import Any

import slicer
import vtk


class _Parameter:
    """A typed field of a parameter node: a node reference, or a value kept as JSON text."""

    def __init__(self, name: str, kind: type, default: Any) -> None:
        self.name, self.kind, self.default = name, kind, default
        self.is_node = issubclass(kind, slicer.vtkMRMLNode)

    def read(self, node: Any) -> Any:
        """What the node holds now; its default where a scene that was closed has taken it away."""
        if not node.HasParameter(self.name):
            self.write(node, self.default)
        return node.GetNodeReference(self.name) if self.is_node else json.loads(node.GetParameter(self.name))

    def write(self, node: Any, value: Any) -> None:
        """Keep a value in the node, in the order of Slicer's own; raises TypeError for one of another type."""
        if not (isinstance(value, self.kind) or (self.is_node and value is None)):
            raise TypeError(f"{self.name} is a {self.kind.__name__}, found {value!r}.")
        if self.is_node:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, None if value is None else value.GetID())
        else:
            node.SetParameter(self.name, json.dumps(value))


class _Values:
    """The values of one parameter node, read again when it says that it was modified."""

    def __init__(self, node: Any, fields: dict[str, _Parameter]) -> None:
        self.node, self.fields, self._is_writing = node, fields, False
        self._read()
        this = weakref.ref(self)
        # The node outlives its wrappers: it must not be what keeps them.
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: this()._read(), 1.0)

    def __del__(self) -> None:
        self.node.RemoveObserver(self._tag)

    def put(self, name: str, value: Any) -> None:
        """Write one value, and have it before anybody hears of it."""
        with slicer.util.NodeModify(self.node):
            self._is_writing = True
            try:
                self.fields[name].write(self.node, value)
                self.found[name] = self.fields[name].read(self.node)
            finally:
                self._is_writing = False

    def _read(self) -> None:
        if not self._is_writing:
            self._is_writing = True
            self.found = {name: field.read(self.node) for name, field in self.fields.items()}
            self._is_writing = False


def parameterNodeWrapper(cls: type) -> type:
    """Turn annotated fields into parameters of a vtkMRMLScriptedModuleNode, tied to widgets by SlicerParameterName."""
    fields = {
        name: _Parameter(name, kind, getattr(cls, name, kind() if kind in (str, int, bool, float) else None))
        for name, kind in typing.get_type_hints(cls).items()
    }

    def init(self: Any, node: Any) -> None:
        self.parameterNode, self._connections, self._values = node, {}, _Values(node, fields)

    members = {"connectGui": _connect_gui, "disconnectGui": _disconnect_gui, "__init__": init}
    members |= {
        "AddObserver": lambda self, event, react, priority=0.0: self.parameterNode.AddObserver(event, react, priority),
        "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
        "isCached": lambda self, name: name in fields,
    }
    for name, member in (_properties(fields) | members).items():
        setattr(cls, name, member)
    return cls


def _properties(fields: dict[str, _Parameter]) -> dict[str, property]:
    return {
        name: property(
            lambda self, name=name: self._values.found[name],
            lambda self, value, name=name: self._values.put(name, value),
        )
        for name in fields
    }


def _connect_gui(self: Any, ui: Any) -> int:
    fields = self._values.fields
    widgets = [w for w in vars(ui).values() if hasattr(w, "property") and w.property("SlicerParameterName")]
    pairs = [(fields[w.property("SlicerParameterName")], w) for w in widgets]

    def to_widgets(*_: Any) -> None:
        for field, widget in pairs:
            value = self._values.found[field.name]
            widget.setCurrentNode(value) if field.is_node else widget.setChecked(value)

    to_widgets()
    slots = [_follow(self, field, widget) for field, widget in pairs]
    tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widgets)
    self._connections[tag] = slots
    return tag


def _disconnect_gui(self: Any, tag: int) -> None:
    self.parameterNode.RemoveObserver(tag)
    for widget, signature, slot in self._connections.pop(tag):
        widget.disconnect(signature, slot)


def _follow(wrapper: Any, field: _Parameter, widget: Any) -> tuple[Any, str, Any]:
    signature = "currentNodeChanged(vtkMRMLNode*)" if field.is_node else "toggled(bool)"

    def slot(value: Any) -> None:
        wrapper._values.put(field.name, value)

    widget.connect(signature, slot)
    return widget, signature, slot
