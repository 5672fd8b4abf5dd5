"""Makes PySide6 behave like PythonQt, Slicer's binding of Qt, as far as panels use it: the modules `qt` and `ctk`.

Qt's properties are attributes in PythonQt (`label.text`), not methods. Signals are connected by signature
(`button.connect("clicked()", f)`), and hand over the arguments that it names; one that does not exist is refused with
False and a line on the console. Static functions with output arguments return the value alone
(`QFileDialog.getOpenFileName`). What else differs: `pythonqt_objects`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from .pythonqt_objects import Wrapped, has_signal, loading, property_of

_MODULES = (QtCore, QtGui, QtWidgets)


class ByName:
    """Connections by signature, as a base of Qt classes; Shiboken needs the methods in each class's own dictionary."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.connect, cls.disconnect = _connect, _disconnect


# What was connected to signals that do not exist, as "Class: signature"; a test can ask for it, a person seldom looks.
refused: list[str] = []


def _connect(self: Any, signature: str, slot: Callable[..., Any]) -> bool:
    if not has_signal(self, signature):
        refused.append(f"{type(self).__name__}: {signature}")
        sys.stderr.write(f"PythonQt: QObject::connect() signal '{signature}' does not exist on {type(self).__name__}\n")
        return False
    name, _, arguments = signature.partition("(")
    count = 0 if arguments == ")" else arguments.count(",") + 1

    def call(*values: Any) -> None:
        slot(*values[:count])

    getattr(self, name).connect(call)
    self.__dict__.setdefault("_by_name", []).append((signature, slot, call))
    return True


def _disconnect(self: Any, signature: str, slot: Callable[..., Any]) -> bool:
    entries = self.__dict__.get("_by_name", [])
    found = [entry for entry in entries if (entry[0], entry[1]) == (signature, slot)]
    for entry in found:
        getattr(self, signature.partition("(")[0]).disconnect(entry[2])
        entries.remove(entry)
    return bool(found)


def _make_properties_attributes(cls: type) -> None:
    meta = cls.staticMetaObject
    for n in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(n).name()
        # C++ keeps its own methods: only what Python sees is replaced.
        setattr(cls, name, property_of(name))


def by_name(cls: type) -> type:
    """The class as PythonQt wraps it; one that has no signals of its own stays as it is."""
    wraps = issubclass(cls, QtCore.QObject) and cls not in _PLAIN
    return type(cls.__name__, (Wrapped, ByName, cls), {}) if wraps else cls


# Made by Qt itself, or with a metaclass of their own; panels connect nothing to them.
_PLAIN = {QtCore.QObject, QtCore.QCoreApplication, QtGui.QGuiApplication, QtWidgets.QApplication}


def _qt_module() -> types.ModuleType:
    found = {
        name: getattr(module, name)
        for module in _MODULES
        for name in dir(module)
        if name.startswith("Q") or name == "Qt"
    }
    objects = {name: c for name, c in found.items() if isinstance(c, type) and issubclass(c, QtCore.QObject)}
    for cls in objects.values():
        _make_properties_attributes(cls)
    QtCore.QObject.name = property(lambda o: o.property("objectName"), lambda o, v: o.setProperty("objectName", v))
    module = types.ModuleType("qt")
    module.__dict__.update(found | {name: by_name(cls) for name, cls in objects.items()})
    module.QFile.ReadOnly = QtCore.QIODevice.ReadOnly
    for name in ("getOpenFileName", "getSaveFileName"):
        original = getattr(QtWidgets.QFileDialog, name)
        setattr(module.QFileDialog, name, staticmethod(lambda *a, _original=original: _original(*a)[0]))
    return module


def install(stand_ins: dict[str, type]) -> types.ModuleType:
    """Put `qt` and `ctk` into Python's modules and return `qt`; stand_ins: widgets of .ui files that are not Qt's."""
    qt = _qt_module()

    class QUiLoader(QtUiTools.QUiLoader):
        """Makes widgets of the classes above, and refuses classes that nobody stands in for."""

        def load(self, file: Any) -> Any:
            with loading():
                return super().load(file)

        def createWidget(self, name: str, parent: Any = None, object_name: str = "") -> Any:
            cls = stand_ins.get(name) or getattr(qt, name, None)
            if cls is None:
                raise NotImplementedError(f"The .ui file names {name}, which no test stands in for.")
            widget = cls(parent)
            widget.setObjectName(object_name)
            return widget

    qt.QUiLoader = QUiLoader
    ctk = types.ModuleType("ctk")
    ctk.__dict__.update({name: cls for name, cls in stand_ins.items() if name.startswith("ctk")})
    sys.modules.update(qt=qt, ctk=ctk)
    return qt
