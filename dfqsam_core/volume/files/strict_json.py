"""JSON read strictly: what is missing, unknown, doubled or of another type is refused with its place, never skipped."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from ...base.inputs import refuse_special_file
from ...base.inputs import shown as short
from ...base.memory import require_memory
from ...errors import PromptError

# An empty dictionary and its place in a list.
_VALUE_BYTES = 72


def read_json(path: Path, max_bytes: int) -> Any:
    """Content of a JSON file; raises PromptError for one that is unreadable, too large, not finite or ambiguous."""
    try:
        refuse_special_file(path, PromptError)
        if path.stat().st_size > max_bytes:
            raise PromptError(f"The file {path} has {path.stat().st_size} bytes; up to {max_bytes} are read.")
        content = path.read_bytes()
        require_memory(_memory_bytes(content), f"The file {path}", PromptError)
        text = content.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except OSError as error:
        raise PromptError(f"The file {path} cannot be read: {error.strerror}. Check the path.") from error
    except PromptError:
        raise
    except (ValueError, RecursionError) as error:
        raise PromptError(f"The file {path} is not valid JSON: {error}.") from error


def _memory_bytes(content: bytes) -> int:
    """Bytes that JSON takes while it is parsed: itself, its text, its strings, and each value and pair."""
    characters = len(content) * (1 if content.isascii() else 4)
    return len(content) + 2 * characters + _VALUE_BYTES * sum(content.count(sign) for sign in (b"[", b"{", b",", b":"))


def _refuse_constant(name: str) -> None:
    raise PromptError(f"The file holds {name}; every number must be finite.")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise PromptError(f"The file gives {shown(key)} twice in one object.")
    return content


def json_object(item: Any, where: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    """`item` where it is an object with all `required` keys and no others than `optional` ones."""
    if not isinstance(item, dict):
        raise PromptError(f"{where} must be an object, found {shown(item)}.")
    missing, unknown = required - set(item), set(item) - required - optional
    if missing:
        raise PromptError(f"{where} lacks {', '.join(sorted(missing))}.")
    if unknown:
        known = ", ".join(sorted(required | optional))
        raise PromptError(f"{where} has the unknown key {sorted(unknown)[0]!r}. Known keys: {known}.")
    return item


def json_list(item: Any, where: str) -> list[Any]:
    """`item` where it is a list that is not empty."""
    if not isinstance(item, list) or not item:
        raise PromptError(f"{where} must be a list with at least one entry, found {shown(item)}.")
    return item


def json_typed(item: Any, kind: type, where: str) -> Any:
    """`item` where its type is exactly `kind`, bool or int."""
    # bool is an int in Python, but a label `true` is a mistake.
    if type(item) is not kind:
        wanted = "true or false" if kind is bool else "a whole number"
        raise PromptError(f"{where} must be {wanted}, found {shown(item)}.")
    return item


def json_numbers(item: Any, count: int, where: str) -> list[float]:
    """`item` where it is a list of `count` numbers, none of them beyond float64."""
    try:
        if isinstance(item, list) and all(type(value) in (int, float) for value in item):
            numbers = [float(value) for value in item]
            if len(numbers) == count and all(map(math.isfinite, numbers)):
                return numbers
    except OverflowError:
        pass
    raise PromptError(f"{where} must be {count} finite numbers, found {shown(item)}.")


def json_text(item: Any, where: str) -> str:
    """`item` where it is a text that is not blank."""
    if not isinstance(item, str) or not item.strip():
        raise PromptError(f"{where} must be a text of at least one character, found {shown(item)}.")
    if any("\ud800" <= letter <= "\udfff" for letter in item):
        raise PromptError(f"{where} has an incomplete character (a surrogate), found {ascii(item)[:60]}. Retype it.")
    return item


def shown(item: Any) -> str:
    """`item` for an error, cut to 60 characters."""
    text = short(item)
    return text if len(text) <= 60 else text[:57] + "..."
