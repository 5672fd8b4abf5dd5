"""Whether this computer can draw: VTK ends the whole program where it cannot."""

from __future__ import annotations

import ctypes

from dfqsam_core.errors import ConfigError

# By which names VTK looks for what draws without a display and without EGL, its last resort.
_OSMESA = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")


def require_drawing() -> None:
    """Raise ConfigError where VTK finds nothing that draws pictures for the page; only on Linux that may be missing."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - brings the windows
    from vtkmodules.vtkCommonCore import vtkLogger
    from vtkmodules.vtkRenderingCore import vtkRenderWindow

    # Which of its ways to draw are absent is nothing to tell as long as there is one.
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    chosen = type(vtkRenderWindow()).__name__
    if chosen == "vtkOSOpenGLRenderWindow" and not any(map(_is_there, _OSMESA)):
        raise ConfigError(
            "The viewer cannot draw on this computer: there is neither a display nor EGL. On Debian or Ubuntu install "
            "it with: sudo apt-get install libegl1 libgl1-mesa-dri"
        )


def _is_there(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
