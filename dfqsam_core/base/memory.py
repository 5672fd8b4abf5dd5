"""How much memory one file may take: asked before it is read, with all that will be held at once."""

from __future__ import annotations

from ..errors import DFQSAMError, VolumeError
from .machine import physical_memory_bytes

# Leaves the program itself its place in 4 GiB.
MAX_READING_BYTES = 4 * 10**9


def memory_limit() -> tuple[int, str]:
    """Bytes that one reading may take, and whose limit that is: ours, or the machine's where it has less."""
    machine = physical_memory_bytes()
    if machine is not None and machine < MAX_READING_BYTES:
        return machine, "the memory of this machine"
    return MAX_READING_BYTES, "the limit for one file"


def require_memory(needed_bytes: float, what: str, error: type[DFQSAMError] = VolumeError) -> None:
    """Raise `error` when `what` holds more than `memory_limit()` at once.

    needed_bytes: the most that lies in memory at one time: the file's bytes where they are read whole, what they unfold
    to, and every converted copy beside it. what: subject of the sentence, for instance a file's name.
    """
    limit, whose = memory_limit()
    if needed_bytes > limit:
        raise error(
            f"{what} needs {needed_bytes / 1e9:.1f} GB of memory, more than {limit / 1e9:.1f} GB, {whose}. "
            "Choose a smaller one, or crop or convert it first."
        )
