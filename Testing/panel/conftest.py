"""The module's own .ui file and Widget class on PySide6 and a real scene (make test-panel)."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dfqsam_core.store.model_file import write_model
from Testing.support.finished import wait_for
from Testing.support.packed_toy import calibrated_toy
from Testing.support.scene_fixtures import a_volume_node, calibrated_file, model_file, phantom_file, world

if TYPE_CHECKING:
    from Testing.support.layout import LayoutManager

__all__ = ["a_volume_node", "calibrated_file", "model_file", "phantom_file", "world"]

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def pytest_report_header() -> str:
    """Say on which base classes the panel runs."""
    return f"Slicer's Base/Python: {os.environ.get('SLICER_BASE_PYTHON') or 'stand-ins of Testing/support'}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Delete what asked for it, as Slicer's loop does in its next turn; kept until the end, it would go in a heap."""
    yield
    from PySide6 import QtCore

    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)


@pytest.fixture(scope="session")
def qt_application() -> Any:
    """The application; `qt`, `ctk` and Slicer's base classes can be imported from now on."""
    from PySide6 import QtWidgets

    from Testing.support import pythonqt, slicer_bases, slicer_widgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    pythonqt.install(slicer_widgets.STAND_INS)
    slicer_widgets.name_classes()
    slicer_bases.install()
    return application


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two packed models of random weights, 64-pixel images."""
    folder = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        write_model(folder / f"toy{seed}.safetensors", calibrated_toy(seed=seed))
    return sorted(folder.iterdir())


@pytest.fixture
def slicer_app(
    qt_application: Any, world: Any, model_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """What the module asks of Slicer's application; the first toy is the model that was used last."""
    import slicer

    from Testing.support.slicer_application import SlicerApplication

    app = SlicerApplication(tmp_path / "Slicer.ini")
    app.userSettings().setValue("DFQSAMSlicer/ModelFile", str(model_files[0]))
    monkeypatch.setattr(slicer, "app", app, raising=False)
    # The user's own folder for data is none of a test's business.
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("slicer.util.mainWindow", lambda: None)
    return app


@dataclass
class Views:
    """The nodes of three slice views, the node that knows in which of them the mouse is, and what hears its buttons."""

    red: Any
    green: Any
    yellow: Any
    crosshair: Any
    layout: LayoutManager

    def enter(self) -> None:
        """The mouse is in a slice view, as at every click: in the first one where it was in none."""
        if self.crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0]) is None:
            self.move_mouse_to(self.red)

    def move_mouse_to(self, view: Any) -> None:
        """The mouse is in the middle of this view."""
        self.crosshair.SetCursorPositionXYZ([0.0, 0.0, 0.0], view)


@pytest.fixture
def views(world: Any, slicer_app: Any) -> Views:
    """Axial, coronal and sagittal views at the origin, in Slicer's order."""
    import slicer

    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(world.scene)
    nodes = []
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        node = world.scene.CreateNodeByClass("vtkMRMLSliceNode")
        node.UnRegister(None)
        node.SetLayoutName(name)
        node.SetSingletonTag(name)
        node.SetOrientation(orientation)
        nodes.append(world.scene.AddNode(node))
    for name in ("Red", "Green", "Yellow"):
        composite = world.scene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
        composite.UnRegister(None)
        composite.SetLayoutName(name)
        composite.SetSingletonTag(name)
        world.scene.AddNode(composite)
    from Testing.support.layout import LayoutManager

    layout = LayoutManager(dict(zip(("Red", "Green", "Yellow"), nodes, strict=True)))
    slicer_app.layoutManager = lambda: layout
    return Views(*nodes, world.scene.AddNode(slicer.vtkMRMLCrosshairNode()), layout)


@pytest.fixture
def new_widget(slicer_app: Any) -> Iterator[Callable[[], Any]]:
    """Makes the module's Widget as Slicer does, without its timer; all are cleaned up at the end."""
    import DFQSAMSlicer
    from Testing.support import pythonqt
    from Testing.support.slicer_widgets import ModuleWidget, publish_module

    made = []
    path = Path(DFQSAMSlicer.__file__)
    pythonqt.refused.clear()

    def make() -> Any:
        parent = ModuleWidget("DFQSAMSlicerWidget", path)
        publish_module(parent, path)
        made.append(parent.create())
        return made[-1]

    yield make
    slicer_app.moduleManager().moduleAboutToBeUnloaded.emit("DFQSAMSlicer")
    for widget in made:
        widget.parent.deleteLater()
    assert not pythonqt.refused


class Person:
    """Somebody in front of the panel: presses, chooses, clicks into slices, and waits for the answer."""

    def __init__(self, widget: Any, views: Views) -> None:
        self.widget, self.views = widget, views
        self.ui = widget.ui
        widget.enter()
        self.wait()

    @property
    def panel(self) -> Any:
        """The Segment panel behind the widgets."""
        return self.widget._segmentPanel

    @property
    def workspace(self) -> Any:
        """The open workspace."""
        return self.panel.workspace

    @property
    def message(self) -> str:
        """The sentence on top of the panel."""
        return self.ui.messageLabel.text

    @property
    def segments(self) -> list[str]:
        """Names of the segments that are chosen in the table."""
        table = self.ui.segmentsTable
        segmentation = None if table.segmentationNode() is None else table.segmentationNode().GetSegmentation()
        return [segmentation.GetSegment(segment_id).GetName() for segment_id in table.selectedSegmentIDs()]

    def choose_segment(self, number: int) -> None:
        """Choose a row of the table of segments."""
        table = self.ui.segmentsTable
        table.setSelectedSegmentIDs([table.segmentationNode().GetSegmentation().GetNthSegmentID(number)])
        self.wait()

    def wait(self) -> None:
        """Let the timer tick until nothing is worked on any more."""

        def is_idle() -> bool:
            self.widget.onTick()
            return self.panel.room.is_idle

        wait_for(is_idle, pause=lambda: self.panel.room.worker.wait(0.05))

    def press(self, *names: str) -> None:
        """Press buttons by name, waiting after each."""
        for name in names:
            button = getattr(self.ui, name)
            assert button.isEnabled(), f"{name} cannot be pressed"
            button.click()
            self.wait()

    def key(self, name: str) -> None:
        """Press the key of an action."""
        self.panel.shortcuts.by_name[name].activated.emit()
        self.wait()

    def choose(self, name: str, text: str) -> None:
        """Choose an entry of a list."""
        box = getattr(self.ui, name)
        n = box.findText(text)
        assert n >= 0, f"{name} has no {text!r}"
        box.setCurrentIndex(n)
        box.activated.emit(n)
        self.wait()

    def place(self, *places_ijk: tuple[float, float, float]) -> None:
        """Click voxels with the tool that is down, as the view's place mode would, without waiting for the answer."""
        from dfqsam_scene.nodes.volume_node import world_from_ijk

        node = self.panel.room.place_tool.place_mode.node
        assert node is not None, "no tool is down"
        self.views.enter()
        for ijk in places_ijk:
            node.AddControlPointWorld(world_from_ijk(self.workspace.segments.volume_node, ijk).tolist())

    def drag(self, start_ijk: tuple[float, float, float], end_ijk: tuple[float, float, float]) -> None:
        """Press the left button at one voxel of the axial view, release it at another, and wait for the answer."""
        from dfqsam_scene.nodes.volume_node import world_from_ijk

        start, end = (world_from_ijk(self.panel.room.choice.volume_node, ijk).tolist() for ijk in (start_ijk, end_ijk))
        self.views.layout.press("Red", start)
        self.views.layout.release("Red", end)
        # Slicer's markups place where the button is released.
        self.click(end_ijk)

    def stroke(self, *places_ijk: tuple[float, float, float]) -> None:
        """Hold the left button from the first voxel of the axial view over the others to the last, and wait."""
        from dfqsam_scene.nodes.volume_node import world_from_ijk

        places = world_from_ijk(self.panel.room.choice.volume_node, places_ijk).tolist()
        layout = self.views.layout
        layout.press("Red", places[0])
        for place in places[1:]:
            layout.move("Red", place)
        layout.release("Red", places[-1])
        # Slicer's markups place where the button is released.
        self.click(places_ijk[-1])

    def click(self, *places_ijk: tuple[float, float, float]) -> None:
        """Click voxels, and wait for the answer."""
        self.place(*places_ijk)
        self.wait()


@pytest.fixture
def person(new_widget: Callable[[], Any], views: Views, a_volume_node: Any) -> Person:
    """Somebody who chose the phantom and looks at its middle slice."""
    from dfqsam_core.volume import SliceKey
    from dfqsam_scene.nodes.slice_views import show_slice

    show_slice(a_volume_node, SliceKey("K", 4))
    found = Person(new_widget(), views)
    found.ui.volumeSelector.setCurrentNode(a_volume_node)
    found.wait()
    return found


@pytest.fixture
def effect_class(slicer_app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class as Slicer loads it: the file under its folder's name, on the base that Slicer has for effects."""
    from DFQSAMSlicerLib.editor_effect_registration import SOURCE

    class Base:
        def __init__(self, scripted_effect: Any) -> None:
            self.scriptedEffect = scripted_effect

    bases = types.ModuleType("SegmentEditorEffects")
    bases.AbstractScriptedSegmentEditorEffect = Base
    monkeypatch.setitem(sys.modules, "SegmentEditorEffects", bases)
    spec = importlib.util.spec_from_file_location(SOURCE.parent.name, SOURCE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, SOURCE.parent.name, module)
    spec.loader.exec_module(module)
    # The editor makes the class's name from the file's.
    return getattr(module, SOURCE.stem)
