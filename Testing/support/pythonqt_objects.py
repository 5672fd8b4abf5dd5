"""What PythonQt does with a wrapped object and PySide6 does not; read in PythonQt's sources, none of it copied.

Keyword arguments and wrong arguments raise ValueError. A wrapped object takes no attributes of Python's own. One whose
Qt object is gone is false, and raises ValueError. Lists come back as tuples. What is given for a text becomes its
`str`, so None becomes "None". Values (QIcon, QColor, ...) stay PySide6's own.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import shiboken6
from PySide6 import QtCore

# Their first argument is a text, which PythonQt makes of any object.
_TAKE_TEXT = {
    *("setText", "setToolTip", "setStatusTip", "setWindowTitle", "setTitle", "setStyleSheet", "setPlaceholderText"),
    *("setObjectName", "setAccessibleName", "setAccessibleDescription", "setInformativeText", "setPlainText"),
}


# PySide6's loader hangs the children of a .ui file on its root by name, which PythonQt finds there by itself.
_being_loaded: list[bool] = []


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """While a .ui file is loaded."""
    _being_loaded.append(True)
    try:
        yield
    finally:
        _being_loaded.pop()


class Wrapped:
    """A mixin of Qt classes, as Python code meets them through PythonQt."""

    def __init__(self, *values: Any, **keywords: Any) -> None:
        _refuse_keywords(type(self).__name__, keywords)
        super().__init__(*values)

    def __bool__(self) -> bool:
        return shiboken6.isValid(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if _being_loaded:
            return
        if not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"Attribute '{name}' does not exist or cannot be set on {type(self).__name__}")
        if not shiboken6.isValid(self):
            raise AttributeError(f"Trying to set property '{name}' on a destroyed {type(self).__name__} object")
        super().__setattr__(name, value)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        is_alive = shiboken6.isValid(self)
        if not is_alive and isinstance(getattr(type(self), name, None), property):
            raise ValueError(f"Trying to read property '{name}' from a destroyed {type(self).__name__} object")
        value = super().__getattribute__(name)
        return _method(self, name, value) if type(value).__name__ == "builtin_function_or_method" else value


def as_text(value: Any) -> str:
    """The text that PythonQt hands to Qt for any object."""
    return value if isinstance(value, str) else str(value)


def property_of(name: str) -> property:
    """A property of Qt's, as an attribute."""

    being_read: set[int] = set()

    def get(wrapped: Any) -> Any:
        # C++ asks Python for an override of what a property calls, and would find the property again.
        if id(wrapped) in being_read:
            raise AttributeError(name)
        being_read.add(id(wrapped))
        try:
            return wrapped.property(name)
        finally:
            being_read.remove(id(wrapped))

    def put(wrapped: Any, value: Any) -> None:
        meta = wrapped.metaObject()
        kind = meta.property(meta.indexOfProperty(name)).typeName()
        wrapped.setProperty(name, as_text(value) if kind == "QString" else value)

    return property(get, put)


def _method(wrapped: Any, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*values: Any, **keywords: Any) -> Any:
        _refuse_keywords(name, keywords)
        if not shiboken6.isValid(wrapped):
            raise ValueError(f"Trying to call '{name}' on a destroyed {type(wrapped).__name__} object")
        if name in _TAKE_TEXT and values:
            values = (as_text(values[0]), *values[1:])
        try:
            result = method(*values)
        except TypeError as error:
            raise ValueError(f"Could not find matching overload for given arguments: {error}") from error
        return tuple(result) if isinstance(result, list) else result

    return call


def _refuse_keywords(name: str, keywords: dict[str, Any]) -> None:
    if keywords:
        raise ValueError(f"{name} takes no keyword arguments, found {sorted(keywords)}")


def has_signal(sender: QtCore.QObject, signature: str) -> bool:
    """Whether an object has a signal of exactly this signature, which has to name its arguments in parentheses."""
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    return sender.metaObject().indexOfSignal(normal) >= 0 or signature in getattr(sender, "SIGNALS", ())
