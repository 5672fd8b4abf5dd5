"""Stand-ins for the few widgets of CTK and Slicer that our .ui files name, on the real scene."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import ByName


class ctkCollapsibleButton(ByName, QtWidgets.QWidget):
    """A titled section that folds away: here a button above whatever layout the section has."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._button = QtWidgets.QToolButton(self)
        self._button.setToolButtonStyle(QtCore.Qt.ToolButtonTextBesideIcon)
        self._button.setCheckable(True)
        self._button.setChecked(True)
        self._button.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._button.toggled.connect(lambda on: self._fold(not on))
        self._height = self._button.sizeHint().height()
        self.setContentsMargins(0, self._height, 0, 0)
        self._fold(False)

    def resizeEvent(self, event: Any) -> None:
        """Keep the button on top."""
        self._button.setGeometry(0, 0, event.size().width(), self._height)

    def _fold(self, is_folded: bool) -> None:
        self._button.setArrowType(QtCore.Qt.RightArrow if is_folded else QtCore.Qt.DownArrow)
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly):
            if child is not self._button:
                child.setVisible(not is_folded)
        self.setMaximumHeight(self._height if is_folded else 16777215)
        self.contentsCollapsed.emit(is_folded)

    text = QtCore.Property(
        str, lambda self: self._button.property("text"), lambda self, text: self._button.setText(text)
    )
    collapsed = QtCore.Property(
        bool, lambda self: not self._button.isChecked(), lambda self, on: self._button.setChecked(not on)
    )


class qMRMLWidget(ByName, QtWidgets.QWidget):
    """Hands the scene on to the widgets inside it."""

    # A .ui file connects this signal to its selectors. Python cannot emit a C++ pointer, so the scene goes by hand.
    scene_changed = QtCore.Signal("vtkMRMLScene*", name="mrmlSceneChanged")

    def setMRMLScene(self, scene: Any) -> None:
        """Give every selector inside this scene."""
        for widget in (*self.findChildren(qMRMLNodeComboBox), *self.findChildren(qMRMLSegmentsTableView)):
            widget.setMRMLScene(scene)


class qMRMLNodeComboBox(ByName, QtWidgets.QComboBox):
    """Lists nodes of a scene as they come and go; what is chosen and removed becomes None."""

    # Python cannot emit a C++ pointer, so the signal of this signature carries the node itself.
    SIGNALS = ("currentNodeChanged(vtkMRMLNode*)",)
    currentNodeChanged = QtCore.Signal(object)
    nodeTypes: Any = QtCore.Property("QStringList", lambda self: self._types, lambda self, v: self._set_types(v))

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._types: list[str] = []
        self._ids: list[str] = [""]
        self._scene: Any = None
        self._tags: list[int] = []
        self._last = ""
        self.activated.connect(lambda n: self._tell(self._ids[n]))

    @QtCore.Slot("vtkMRMLScene*")
    def setMRMLScene(self, scene: Any) -> None:
        """Follow this scene."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene = scene
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent)
        self._tags = [scene.AddObserver(event, lambda *_: self._fill()) for event in events]
        self._fill()

    def currentNode(self) -> Any:
        """The chosen node, or None."""
        return self._scene.GetNodeByID(self._last) if self._scene is not None and self._last else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node; None for none."""
        self._fill()
        self._tell(node.GetID() if node is not None and node.GetID() in self._ids else "")

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        self._fill()

    def _fill(self) -> None:
        if self._scene is None:
            return
        nodes = [self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes())]
        shown = [node for node in nodes if node.GetClassName() in self._types and not node.GetHideFromEditors()]
        self._ids = ["", *(node.GetID() for node in shown)]
        self.clear()
        self.addItems(["None", *(node.GetName() for node in shown)])
        self._tell(self._last if self._last in self._ids else "")

    def _tell(self, node_id: str) -> None:
        self.setCurrentIndex(self._ids.index(node_id))
        if node_id != self._last:
            self._last = node_id
            self.currentNodeChanged.emit(self.currentNode())


for _name, _kind in {
    "noneEnabled": bool,
    "addEnabled": bool,
    "removeEnabled": bool,
    "renameEnabled": bool,
    "showChildNodeTypes": bool,
}.items():
    # What these switch is Slicer's business; a .ui file may set them.
    setattr(qMRMLNodeComboBox, _name, property(lambda self: None, lambda self, value: None))


class qMRMLSegmentsTableView(ByName, QtWidgets.QWidget):
    """Slicer's table of segments: an eye, a colour and a name in each row.

    As the real one it tells its own changes of the selection like a person's, forgets the selection with a row that
    goes, restores it where the rows are made anew, and allows several rows until it is told not to.
    """

    selectionChanged = QtCore.Signal(QtCore.QItemSelection, QtCore.QItemSelection)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._table = QtWidgets.QTableWidget(0, 3, self)
        self._table.verticalHeader().setVisible(False)
        self._table.horizontalHeader().setVisible(False)
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setSelectionBehavior(QtWidgets.QTableWidget.SelectRows)
        self._table.setEditTriggers(QtWidgets.QTableWidget.NoEditTriggers)
        for column in (0, 1):
            self._table.setColumnWidth(column, 30)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        self._node: Any = None
        self._tags: list[int] = []
        self._ids: list[str] = []
        self._table.selectionModel().selectionChanged.connect(self.selectionChanged)

    @QtCore.Slot("vtkMRMLScene*")
    def setMRMLScene(self, scene: Any) -> None:
        """The scene of the terminology that names are chosen from."""

    def setSelectionMode(self, mode: int) -> None:
        """As QAbstractItemView.SelectionMode, a plain number as Python has it there."""
        self._table.setSelectionMode(QtWidgets.QTableWidget.SelectionMode(mode))

    def setSegmentationNode(self, node: Any) -> None:
        """Show the segments of this node, None for nothing."""
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, events = node, slicer.vtkSegmentation
        kinds = (events.SegmentAdded, events.SegmentRemoved, events.SegmentModified, events.SegmentsOrderModified)
        self._tags = [] if node is None else [node.AddObserver(kind, lambda *_: self._fill()) for kind in kinds]
        self._fill()

    def segmentationNode(self) -> Any:
        """The node."""
        return self._node

    def selectedSegmentIDs(self) -> tuple[str, ...]:
        """IDs of the selected rows."""
        rows = sorted({index.row() for index in self._table.selectionModel().selectedRows()})
        return tuple(self._ids[row] for row in rows)

    def setSelectedSegmentIDs(self, ids: Any) -> None:
        """Select these; what is not there is passed over."""
        if self._node is None and ids:
            raise AssertionError("qMRMLSegmentsTableView::setSelectedSegmentIDs failed: segmentation node is not set")
        if tuple(ids) == self.selectedSegmentIDs():
            return
        rows = [self._ids.index(segment_id) for segment_id in ids if segment_id in self._ids]
        if not rows:
            self._table.clearSelection()
        for row in rows:
            self._table.selectRow(row)

    def _fill(self) -> None:
        before = self.selectedSegmentIDs()
        segmentation = None if self._node is None else self._node.GetSegmentation()
        self._ids = [] if segmentation is None else list(segmentation.GetSegmentIDs())
        self._table.setRowCount(0)
        self._table.setRowCount(len(self._ids))
        for row, segment_id in enumerate(self._ids):
            segment = segmentation.GetSegment(segment_id)
            color = QtWidgets.QTableWidgetItem()
            color.setData(QtCore.Qt.DecorationRole, QtGui.QColor.fromRgbF(*segment.GetColor()))
            for column, item in enumerate((QtWidgets.QTableWidgetItem("●"), color)):
                self._table.setItem(row, column, item)
            self._table.setItem(row, 2, QtWidgets.QTableWidgetItem(segment.GetName()))
        if self._node is not None:
            self.setSelectedSegmentIDs(before)


class qMRMLSegmentationShow3DButton(ByName, QtWidgets.QPushButton):
    """Makes and removes the closed surface of a segmentation; nothing to press without a segment."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.setText("Show 3D")
        self.setCheckable(True)
        self._node: Any = None
        self._tags: list[int] = []
        self.toggled.connect(self._toggle)
        self._follow()

    def setSegmentationNode(self, node: Any) -> None:
        """Be about this node, None for none."""
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, events = node, slicer.vtkSegmentation
        kinds = (events.SegmentAdded, events.SegmentRemoved, events.ContainedRepresentationNamesModified)
        self._tags = [] if node is None else [node.AddObserver(kind, lambda *_: self._follow()) for kind in kinds]
        self._follow()

    def _follow(self) -> None:
        segmentation = None if self._node is None else self._node.GetSegmentation()
        self.setEnabled(segmentation is not None and segmentation.GetNumberOfSegments() > 0)
        self.blockSignals(True)
        self.setChecked(segmentation is not None and segmentation.ContainsRepresentation("Closed surface"))
        self.blockSignals(False)

    def _toggle(self, is_on: bool) -> None:
        if is_on:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.GetSegmentation().RemoveRepresentation("Closed surface")


for _name in (
    *("headerVisible", "visibilityColumnVisible", "colorColumnVisible", "opacityColumnVisible"),
    *("statusColumnVisible", "readOnly"),
):
    setattr(qMRMLSegmentsTableView, _name, property(lambda self: None, lambda self, value: None))

_CLASSES = (
    *(ctkCollapsibleButton, qMRMLWidget, qMRMLNodeComboBox),
    *(qMRMLSegmentsTableView, qMRMLSegmentationShow3DButton),
)
STAND_INS = {cls.__name__: cls for cls in _CLASSES}
# Slicer's own parameterNodeWrapper compares the classes of widgets with all that it knows how to bind.
_NAMED = {
    "ctk": (
        *("ctkCheckBox", "ctkCheckablePushButton", "ctkColorPickerButton", "ctkComboBox", "ctkDirectoryButton"),
        *("ctkDoubleRangeSlider", "ctkDoubleSlider", "ctkDoubleSpinBox", "ctkPathLineEdit", "ctkRangeWidget"),
        "ctkSliderWidget",
    ),
    "slicer": ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox", "qSlicerWidget"),
}


def least_size(widget: Any, width: int) -> tuple[int, int]:
    """Width and height that a widget needs now where it gets at least this width, also after parts were folded."""
    for layout in widget.findChildren(QtWidgets.QLayout):
        layout.invalidate()
    layout = widget.layout()
    least = layout.totalMinimumSize()
    width = max(width, least.width())
    return width, max(least.height(), layout.totalMinimumHeightForWidth(width))


class ModuleWidget(ByName, QtWidgets.QWidget):
    """The C++ side of a scripted module's panel: makes it from the module's file, and again at Reload.

    A reloaded panel gets `setup` but no `enter`, also where the module is the one that is shown.
    """

    def __init__(self, class_name: str, path: Path) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._class_name, self._path, self._is_entered = class_name, path, False

    @property
    def isEntered(self) -> bool:
        """Whether the module is shown."""
        return self._is_entered

    def create(self) -> Any:
        """The Widget of the module's file, set up."""
        module = importlib.import_module(self._path.stem)
        self._widget = getattr(module, self._class_name)(self)
        setattr(slicer.modules, self._class_name, self._widget)
        self._widget.setup()
        return self._widget

    def enter(self) -> None:
        """The module is shown."""
        self._is_entered = True
        self._widget.enter()

    def exit(self) -> None:
        """Another module is shown."""
        self._is_entered = False
        self._widget.exit()

    def reload(self) -> None:
        """Make the panel anew, from what is the module now."""
        self.create()


def publish_module(parent: ModuleWidget, path: Path) -> None:
    """Let `slicer.util` find the module's file and panel."""
    module = types.SimpleNamespace(path=str(path), widgetRepresentation=lambda: parent)
    setattr(slicer.modules, path.stem.lower(), module)


def name_classes() -> None:
    """Name the widgets' classes where Slicer has them, also those that no .ui file of ours uses."""
    homes = {"ctk": sys.modules["ctk"], "slicer": slicer}
    for home, names in _NAMED.items():
        for name in names:
            setattr(homes[home], name, type(name, (QtWidgets.QWidget,), {}))
    for name, cls in STAND_INS.items():
        if name.startswith("qMRML"):
            setattr(slicer, name, cls)
