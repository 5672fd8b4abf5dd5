"""Errors that no caller hears: what observers of VTK and slots of Qt raise, and what VTK writes in its log."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import vtk


@contextmanager
def no_errors_unheard() -> Iterator[None]:
    """Fail at the end when an observer or a slot has raised, or VTK or Slicer have warned of anything."""
    window, hook = vtk.vtkOutputWindow.GetInstance(), sys.excepthook
    log, raised = vtk.vtkStringOutputWindow(), []

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        raised.append("".join(traceback.format_exception(kind, error, trace)))

    vtk.vtkOutputWindow.SetInstance(log)
    sys.excepthook = note
    try:
        yield
    finally:
        vtk.vtkOutputWindow.SetInstance(window)
        sys.excepthook = hook
    said = "".join([*raised, log.GetOutput()])
    assert not said, said
