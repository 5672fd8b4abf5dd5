"""The door to the Windows API. Its numbers stand here because Python knows them on Windows alone."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

# winbase.h: flags of CreateProcess.
CREATE_NEW_PROCESS_GROUP, BELOW_NORMAL_PRIORITY_CLASS, CREATE_NO_WINDOW = 0x200, 0x4000, 0x08000000
# wincon.h: events of GenerateConsoleCtrlEvent.
CTRL_BREAK_EVENT = 1


def kernel32() -> Any:
    """Functions of kernel32.dll; raises OSError on every other system."""
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32", use_last_error=True)
    else:
        raise OSError("Only Windows has a kernel32.dll. Give a stand-in here.")
