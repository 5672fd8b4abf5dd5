"""What the viewer sends to its page, counted outside both: pictures, states, bytes, and processor time of a program."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

# Topics of trame's messages.
_PICTURE, _STATE = b"trame.rca.topic.stream", b"trame.state.topic"


@dataclass
class Counts:
    """pictures, states: messages to the page. bytes: of all of them. cpu_ms: of the viewer, all its threads."""

    pictures: int = 0
    states: int = 0
    bytes: int = 0
    cpu_ms: float = 0.0

    def since(self, before: Counts) -> Counts:
        """What came between."""
        return Counts(*[getattr(self, f.name) - getattr(before, f.name) for f in fields(self)])


class Wire:
    """Listens to the page's socket; to be made before the page is opened. pid: of the viewer."""

    def __init__(self, page: Any, pid: int) -> None:
        self._counts, self._pid = Counts(), pid
        page.on("websocket", lambda socket: socket.on("framereceived", self._hear))

    def now(self) -> Counts:
        """All since the beginning."""
        return Counts(self._counts.pictures, self._counts.states, self._counts.bytes, cpu_ms(self._pid))

    def _hear(self, payload: bytes | str) -> None:
        data = payload.encode() if isinstance(payload, str) else payload
        self._counts.pictures += data.count(_PICTURE)
        self._counts.states += data.count(_STATE)
        self._counts.bytes += len(data)


def cpu_ms(pid: int) -> float:
    """Milliseconds that a process of Linux has computed so far, in all its threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
