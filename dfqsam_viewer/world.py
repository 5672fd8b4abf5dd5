"""Slicer's scene, logics, three slice views and one 3D view in this process, drawn into pictures for a page."""

from __future__ import annotations

import sys
import types
from functools import partial
from typing import Any

import slicer
import vtk
from trame_slicer.core import SlicerApp
from trame_slicer.rca_view import RemoteViewFactory
from trame_slicer.views import NoScheduleRendering, SliceView, ThreeDView, ViewLayoutDefinition, ViewType

from dfqsam_scene.nodes.place_mode import view_under_mouse

from .pictures import Pictures

AXIAL, CORONAL, SAGITTAL, SURFACE = "axial", "coronal", "sagittal", "surface"
SLICES = (AXIAL, CORONAL, SAGITTAL)
_KINDS = ((SliceView, ViewType.SLICE_VIEW), (ThreeDView, ViewType.THREE_D_VIEW))
_BACKGROUND = "#14171a"
_MARGIN = 1.08


class World:
    """One scene and its views; Slicer allows one in a process. pictures: of the views, on the page.

    Volume rendering is never turned on: without a graphics card it would take minutes.
    """

    def __init__(self, server: Any) -> None:
        self.app = SlicerApp()
        self.scene = self.app.scene
        slicer.mrmlScene = self.scene
        # A view that is being made would draw itself some sixty times, which nobody sees.
        factories = [
            RemoteViewFactory(
                server,
                partial(kind, scheduled_render_strategy=NoScheduleRendering()),
                view_type,
                populate_view_ui_f=_nothing,
            )
            for kind, view_type in _KINDS
        ]
        for factory in factories:
            self.app.view_manager.register_factory(factory)
        # VTK warns of a renamed event for each view; what goes wrong later is told again.
        vtk.vtkObject.GlobalWarningDisplayOff()
        self.views = {name: self.app.view_manager.create_view(view) for name, view in _definitions().items()}
        vtk.vtkObject.GlobalWarningDisplayOn()
        for view in self.views.values():
            # Drawn by the processor, eight samples a pixel take five times as long, and hardly an edge shows them.
            view.render_window().SetMultiSamples(0)
        self.app.view_manager.set_current_view_ids(list(self.views))
        made = [
            factory.get_factory_view(name) for name in self.views for factory in factories if factory.has_view(name)
        ]
        self.pictures = Pictures(
            {name: (view, one.view_adapter.push) for (name, view), one in zip(self.views.items(), made, strict=True)}
        )
        # Size and zoom of the views as they were fitted, of those that nobody has zoomed since.
        self._fitted: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] = {}
        self._furnish()

    def clear(self) -> None:
        """Empty the scene; the views stay, as they were at first."""
        self.scene.Clear(0)
        self._fitted.clear()
        self._furnish()

    def show_volume(self, volume_node: Any) -> None:
        """Show a volume in the slice views, as large as fits; None for nothing."""
        self.app.display_manager.show_volume_in_slice_background(volume_node)
        self.fit()

    def fit(self) -> None:
        """Let the volume fill the slice views; they follow their size on the page until somebody zooms or moves."""
        for name in SLICES:
            self._fit_one(name)

    def fit_surface(self) -> None:
        """Let the 3D model fill its view; the crosshair, which reaches further, does not count."""
        crosshair = self.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        mode = crosshair.GetCrosshairMode()
        crosshair.SetCrosshairMode(crosshair.NoCrosshair)
        self.views[SURFACE].reset_view()
        self.views[SURFACE].reset_focal_point()
        crosshair.SetCrosshairMode(mode)

    def follow_sizes(self) -> bool:
        """Fit the views anew whose size has changed and whose zoom has not; cheap. Whether there was one."""
        changed = [name for name, fitted in self._fitted.items() if fitted[0] != self._dimensions(name)]
        for name in changed:
            if self._zoom(name) == self._fitted[name][1]:
                self._fit_one(name)
            else:
                del self._fitted[name]
        return bool(changed)

    def _fit_one(self, name: str) -> None:
        self.views[name].reset_view()
        node = self.slice_node(name)
        # Beside the picture there is room for the letters at its edges.
        width, height, depth = node.GetFieldOfView()
        node.SetFieldOfView(_MARGIN * width, _MARGIN * height, depth)
        self._fitted[name] = self._dimensions(name), self._zoom(name)

    def _dimensions(self, name: str) -> tuple[int, ...]:
        return tuple(self.slice_node(name).GetDimensions()[:2])

    def _zoom(self, name: str) -> tuple[float, ...]:
        """The shorter side, mm, which Slicer keeps when a view changes its size, and the shift from the middle."""
        node = self.slice_node(name)
        return tuple(round(number, 2) for number in (min(node.GetFieldOfView()[:2]), *node.GetXYZOrigin()[:2]))

    def slice_node(self, name: str) -> Any:
        """The vtkMRMLSliceNode of a slice view."""
        return self.views[name].get_view_node()

    def view_under_mouse(self) -> str:
        """Name of the slice view that the mouse is in, "" for none."""
        node = view_under_mouse(self.scene)
        return next((name for name in SLICES if self.slice_node(name) is node), "")

    def slice_views(self) -> list[tuple[Any, Any]]:
        """(vtkMRMLSliceNode, vtkRenderWindowInteractor) of each slice view."""
        return [(self.slice_node(name), self.views[name].interactor()) for name in SLICES]

    def _furnish(self) -> None:
        """Scale bars, the patient's axes and a crosshair that follows the mouse with Shift, as in Slicer.

        Emptying a scene resets its view nodes.
        """
        crosshair = self.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        crosshair.SetCrosshairMode(crosshair.ShowBasic)
        node = slicer.vtkMRMLAbstractViewNode
        for name in SLICES:
            self.views[name].set_ruler(node.RulerTypeThin)
        surface = self.views[SURFACE]
        surface.get_view_node().SetAxisLabelsVisible(False)
        surface.get_view_node().SetBoxVisible(False)
        surface.set_orientation_marker(node.OrientationMarkerTypeAxes, node.OrientationMarkerSizeSmall)


def _definitions() -> dict[str, ViewLayoutDefinition]:
    return {
        AXIAL: ViewLayoutDefinition.axial_view(AXIAL),
        CORONAL: ViewLayoutDefinition.coronal_view(CORONAL),
        SAGITTAL: ViewLayoutDefinition.sagittal_view(SAGITTAL),
        SURFACE: ViewLayoutDefinition.threed_view(name=SURFACE, background_color=_BACKGROUND),
    }


def _nothing(*_: Any) -> None:
    """The page draws the texts and sliders of a view by itself."""


def complete_slicer() -> None:
    """Add what dfqsam_scene uses of Slicer's own Python files, which the package slicer-core does not carry."""
    if "slicer.i18n" not in sys.modules:
        translation = types.ModuleType("slicer.i18n")
        translation.tr = translation.translate = lambda text, *_: text  # type: ignore[attr-defined]
        sys.modules["slicer.i18n"] = slicer.i18n = translation
