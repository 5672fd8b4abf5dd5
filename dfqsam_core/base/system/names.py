"""Names that every system can give to a file."""

from __future__ import annotations

import re
import sys

# What Windows forbids; a colon there even writes into a hidden stream of another file.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
# Devices on Windows, with any ending and in any case.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])( *\..*)?$", re.IGNORECASE)
_MAX_BYTES = 200


def file_name(text: str, otherwise: str = "unnamed") -> str:
    """`text`, for instance a segment's name, as the begin of a file's name that Linux, macOS and Windows all take.

    Returns 1 to 200 bytes in UTF-8. `otherwise` stands for a text of which nothing is left.
    """
    name = _FORBIDDEN.sub("_", text).encode("utf-8", "replace")[:_MAX_BYTES].decode("utf-8", "ignore").strip(" .")
    if not name:
        return otherwise
    return f"_{name}" if _DEVICES.match(name) else name


def fault_of_name(name: str, system: str = sys.platform) -> str | None:
    """Return what forbids a file of this name on this system, to follow "The name ..."; None where nothing does."""
    if system != "win32":
        return None
    if (found := _FORBIDDEN.search(name)) is not None:
        return f"has the character {found.group()!r}, which Windows does not allow"
    if _DEVICES.match(name):
        return "is that of a device on Windows"
    if name.endswith((" ", ".")):
        return "ends in a space or a dot, which Windows drops"
    return None
