"""State dicts as trainers wrap them: in a dictionary beside the optimizer, and with prefixes before their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import CheckpointError

# Every SAM has this tensor; what stands before its name is a prefix of all names.
_ANCHOR = "image_encoder.patch_embed.proj.weight"
# Modules that torch.compile, DataParallel, FSDP and activation checkpointing put around others, at any depth.
_SHELLS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# Where a file holds several networks, the first of these is the one that was trained.
_USUAL = ("model", "state_dict", "model_state_dict", "model_state", "net", "network")
_DEEPEST = 3


def state_dict_in(saved: Any, file_name: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The state dict of a SAM in what torch.save wrote, and a sentence about other networks beside it.

    Raises CheckpointError where there is none, or several of which none has a usual name.
    """
    found = dict(_networks(saved, (), set()))
    if not found:
        return _plain(saved, file_name), ()
    usual = [key for name in _USUAL for key in found if key and key[-1] == name]
    if len(found) > 1 and () not in found and not usual:
        names = ", ".join(repr(".".join(key)) for key in found)
        raise CheckpointError(f"{file_name} holds several networks, {names}. Save the one that is meant alone.")
    chosen = () if () in found else usual[0] if usual else next(iter(found))
    others = [repr(".".join(key)) for key in found if key != chosen]
    notes = (f"The file holds several networks: {'.'.join(chosen)!r} is used, not {', '.join(others)}.",)
    return found[chosen], notes if others else ()


def without_wrappers(saved: Mapping[str, Any], file_name: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Entries under SAM's own names, and a sentence about entries outside the network's prefix, which are left out.

    Raises CheckpointError where the names hold several networks, or two of them become one.
    """
    names = {name: _SHELLS.sub("", name) for name in saved}
    prefixes = sorted({name[: -len(_ANCHOR)] for name in names.values() if _is_anchor(name)})
    if len(prefixes) > 1:
        found = ", ".join(map(repr, prefixes))
        raise CheckpointError(
            f"{file_name} holds several networks, under the prefixes {found}. Save one of them alone."
        )
    prefix = prefixes[0] if prefixes else ""
    kept = {old: new[len(prefix) :] for old, new in names.items() if new.startswith(prefix)}
    if len(set(kept.values())) < len(kept):
        raise CheckpointError(f"{file_name} has tensors whose names differ by a wrapper's prefix alone. Save it again.")
    outside = [name for name in saved if name not in kept]
    note = f"Entries outside the prefix {prefix!r} are left out: {len(outside)}, the first is {outside[:1]}."
    return {new: saved[old] for old, new in kept.items()}, (note,) if outside else ()


def _networks(saved: Any, key: tuple[str, ...], seen: set[int]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Dictionaries that hold a SAM, by the keys that lead to them; each is looked at once."""
    if not isinstance(saved, Mapping) or id(saved) in seen or len(key) > _DEEPEST:
        return
    seen.add(id(saved))
    if not all(isinstance(name, str) for name in saved):
        return
    if any(_is_anchor(_SHELLS.sub("", name)) for name in saved):
        yield key, saved
        return
    for name, value in saved.items():
        yield from _networks(value, (*key, name), seen)


def _is_anchor(name: str) -> bool:
    return name == _ANCHOR or name.endswith("." + _ANCHOR)


def _plain(saved: Any, file_name: str) -> Mapping[str, Any]:
    """What a file without a SAM holds, for a message that names its tensors."""
    for key in _USUAL:
        if isinstance(saved, Mapping) and isinstance(saved.get(key), Mapping):
            saved = saved[key]
            break
    if not isinstance(saved, Mapping) or not all(isinstance(name, str) for name in saved):
        found = type(saved).__name__
        raise CheckpointError(f"{file_name} holds a {found}, not a state dict. Save model.state_dict() alone.")
    return saved
