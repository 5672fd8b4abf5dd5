"""The pickle of a checkpoint, read by a small machine of our own: it builds plain values and runs nothing.

Python's unpickler calls what the pickle names, hashes what it nests, and copies what it repeats: a file of 500 bytes
can keep it busy for ever. Here the number of steps and of copied values is bounded, keys are numbers and texts, and
a name stands for one of a few functions that hold values.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.inputs import shown

# ViT-H with an Adam object takes 80 thousand steps.
_MAX_STEPS, _MAX_COPIED = 1_000_000, 1_000_000
_MAX_INTEGER_BITS, _MAX_KEY_LENGTH = 64, 16


@dataclass(frozen=True, repr=False)
class Name:
    """The meaning of a name in the pickle. call: makes a value of a call's arguments; None where it is no function."""

    name: str
    call: Callable[..., Any] | None = None
    value: Any = None

    def __repr__(self) -> str:
        return f"the name {self.name}"


class StandIn:
    """An object that the pickle describes and nobody needs, without any of its state."""

    __slots__ = ()


class PickleReader:
    """Reads one pickle.

    find_name: what "module.name" stands for; raises for what is not known. find_storage: the value of a persistent id.
    key_types: types that may be keys of tables beside numbers and texts; their hashes must take no time.
    """

    def __init__(
        self, find_name: Callable[[str], Name], find_storage: Callable[[Any], Any], key_types: tuple[type, ...] = ()
    ) -> None:
        self._find_name = find_name
        self._find_storage = find_storage
        self._scalars: tuple[type, ...] = (bool, int, float, str, bytes, type(None), *key_types)
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._copied = 0

    def read(self, text: bytes) -> Any:
        """The value that `text` describes; raises ValueError, IndexError or KeyError when it is no sound pickle."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(text)):
            if step > _MAX_STEPS:
                raise ValueError(f"it has more than {_MAX_STEPS} steps, which no state dict needs")
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name in _PLAIN:
                self._stack.append(self._plain(argument))
            else:
                self._do(opcode.name, argument, len(text))
        raise ValueError("it has no end")

    def _plain(self, value: Any) -> Any:
        if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
            raise ValueError(f"it has an integer of {value.bit_length()} bits")
        return value

    def _do(self, name: str, argument: Any, length: int) -> None:
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            if argument > length:
                raise ValueError(f"memo number {argument} is too large")
            self._memo[argument] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif (action := _ACTIONS.get(name)) is not None:
            action(self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"it has the opcode {name}, which no state dict needs")

    def _since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    def _set_mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _drop(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _drop_to_mark(self, _: Any) -> None:
        self._since_mark()

    def _again(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _remember(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _short_tuple(self, count: int) -> None:
        values = tuple(self._stack[-count:])
        if len(values) < count:
            raise IndexError("a tuple lacks its values")
        self._stack[-count:] = [values]

    def _list(self, _: Any) -> None:
        self._stack.append(self._since_mark())

    def _append(self, _: Any) -> None:
        value = self._stack.pop()
        self._extend([value])

    def _appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise ValueError(f"it appends to {shown(self._stack[-1])}")
        self._stack[-1].extend(values)

    def _dict(self, _: Any) -> None:
        values = self._since_mark()
        self._stack.append({})
        self._set_items(values)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def _set_marked_items(self, _: Any) -> None:
        self._set_items(self._since_mark())

    def _set_items(self, values: list[Any]) -> None:
        table = self._stack[-1]
        if type(table) is not dict or len(values) % 2:
            raise ValueError(f"it sets entries of {shown(table)}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            table[self._key(key)] = value

    def _key(self, key: Any) -> Any:
        flat = key if type(key) is tuple and len(key) <= _MAX_KEY_LENGTH else (key,)
        if not all(isinstance(part, self._scalars) for part in flat):
            raise ValueError(f"it has the key {shown(key)}; keys are numbers and texts")
        return key

    def _global(self, argument: str) -> None:
        self._stack.append(self._find_name(argument.replace(" ", ".", 1)))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise ValueError(f"it uses {shown(name)} as a name")
        self._stack.append(self._find_name(f"{module}.{name}"))

    def _call(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, Name) or function.call is None or type(arguments) is not tuple:
            raise ValueError(f"it calls {shown(function)}")
        self._stack.append(function.call(*arguments))

    def _set_state(self, _: Any) -> None:
        self._stack.pop()
        # State of tables (torch's `_metadata`) and of stand-ins is not needed.
        if not isinstance(self._stack[-1], (dict, StandIn)):
            raise ValueError(f"it sets attributes of {shown(self._stack[-1])}")

    def _storage(self, _: Any) -> None:
        self._stack.append(self._find_storage(self._stack.pop()))

    def copied(self, values: Any) -> list[Any]:
        """A list of `values`, a list or tuple of the pickle; all copies of one pickle together are bounded."""
        if not isinstance(values, (list, tuple)):
            raise ValueError(f"it makes a list of {shown(values)}")
        self._copied += len(values)
        if self._copied > _MAX_COPIED:
            raise ValueError(f"it copies more than {_MAX_COPIED} values, which no state dict needs")
        return list(values)

    def table(self, pairs: Any) -> dict[Any, Any]:
        """A table of `pairs`, a list or tuple of (key, value)."""
        return {self._key(key): value for key, value in map(self.copied, self.copied(pairs))}


_PLAIN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    # Sets are lists here, so that nothing has to be hashed.
    "EMPTY_SET": list,
}
_ACTIONS: Mapping[str, Callable[[PickleReader, Any], None]] = {
    "MARK": PickleReader._set_mark,
    "POP": PickleReader._drop,
    "POP_MARK": PickleReader._drop_to_mark,
    "DUP": PickleReader._again,
    "MEMOIZE": PickleReader._remember,
    "TUPLE": PickleReader._tuple,
    "TUPLE1": lambda reader, _: reader._short_tuple(1),
    "TUPLE2": lambda reader, _: reader._short_tuple(2),
    "TUPLE3": lambda reader, _: reader._short_tuple(3),
    "LIST": PickleReader._list,
    "FROZENSET": PickleReader._list,
    "APPEND": PickleReader._append,
    "APPENDS": PickleReader._appends,
    "ADDITEMS": PickleReader._appends,
    "DICT": PickleReader._dict,
    "SETITEM": PickleReader._set_item,
    "SETITEMS": PickleReader._set_marked_items,
    "GLOBAL": PickleReader._global,
    "STACK_GLOBAL": PickleReader._stack_global,
    "REDUCE": PickleReader._call,
    "NEWOBJ": PickleReader._call,
    "BUILD": PickleReader._set_state,
    "BINPERSID": PickleReader._storage,
}
