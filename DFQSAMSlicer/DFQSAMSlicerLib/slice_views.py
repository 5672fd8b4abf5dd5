"""The slice views of Slicer's present layout."""

from __future__ import annotations

from typing import Any

import slicer


def shown_views() -> list[tuple[Any, Any]]:
    """(vtkMRMLSliceNode, vtkRenderWindowInteractor) of each; none before Slicer has its window."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return []
    widgets = [manager.sliceWidget(name) for name in manager.sliceViewNames()]
    return [(widget.mrmlSliceNode(), widget.sliceView().interactor()) for widget in widgets]
