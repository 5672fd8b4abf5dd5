"""The Slicer module DFQSAMSlicer: declares itself to Slicer, and leaves the work to DFQSAMSlicerLib and dfqsam_core."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

try:
    from slicer.i18n import tr as _
    from slicer.i18n import translate
    from slicer.ScriptedLoadableModule import (
        ScriptedLoadableModule,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
        ScriptedLoadableModuleWidget,
    )
except ImportError:  # Outside Slicer the file can still be imported, read and checked.
    ScriptedLoadableModule = ScriptedLoadableModuleLogic = object
    ScriptedLoadableModuleTest = ScriptedLoadableModuleWidget = object

    def _(text: str) -> str:
        return text

    def translate(context: str, text: str) -> str:
        return text


if importlib.util.find_spec("dfqsam_core") is None:
    # The folder was added to Slicer unbuilt: the package then lies beside the module's folder.
    sys.path.append(str(Path(__file__).resolve().parent.parent))


# A placeholder like all addresses in the top CMakeLists.txt, until the project has a public home.
HELP_ADDRESS = "https://example.org/DFQSAMSlicer"


class DFQSAMSlicer(ScriptedLoadableModule):
    """Names the module to Slicer."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "DFQSAMSlicer"
        # Slicer's own word for the category, so that the module is not listed beside the others in another language.
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["DFQSAMSlicer contributors"]
        parent.helpText = _(
            "Outlines organs and lesions in CT and MR images: click inside a structure or draw a box around it, "
            "correct with more clicks, and carry the result on to neighbouring slices. No image leaves this computer, "
            "and it needs no graphics card. For research only; not a medical device."
        )
        link = f'<a href="{HELP_ADDRESS}">', "</a>"
        parent.helpText += "<p>" + _("More in the {0}help of this module{1}.").format(*link) + "</p>"
        parent.acknowledgementText = _(
            "Implements DFQ-SAM (arXiv 2410.01813) for SAM-Med2D (arXiv 2308.16184) from their published descriptions."
        )
        import slicer

        # Sample Data is a module of its own, which exists only when all modules have been loaded.
        slicer.app.connect("startupCompleted()", _offer_sample_data)
        slicer.app.connect("startupCompleted()", _offer_editor_effect)


def _offer_sample_data() -> None:
    import SampleData
    from DFQSAMSlicerLib.sample_data import register_sample_data

    register_sample_data(SampleData.SampleDataLogic)


def _offer_editor_effect() -> None:
    from DFQSAMSlicerLib.editor_effect_registration import register_editor_effect

    register_editor_effect()


class DFQSAMSlicerWidget(ScriptedLoadableModuleWidget):
    """Loads the panel's file and ties it to Slicer's events; DFQSAMSlicerLib.segment_panel does the work."""

    def setup(self) -> None:
        """Build the panel; nothing is installed, loaded or computed here."""
        import slicer
        from DFQSAMSlicerLib.ticks import new_timer

        ScriptedLoadableModuleWidget.setup(self)
        self._parameterTag = self._parameters = self._segmentPanel = self._modelPanel = None
        self._isEntered = self._hasNewVolume = False
        self._tags = []
        self._widget = slicer.util.loadUI(self.resourcePath("UI/DFQSAMSlicer.ui"))
        self.layout.addWidget(self._widget)
        self.ui = slicer.util.childWidgetVariables(self._widget)
        self._widget.setMRMLScene(slicer.mrmlScene)
        self.ui.installButton.connect("clicked()", self.onInstall)
        self.ui.modeTabs.connect("currentChanged(int)", self.onTabChanged)
        self._timer = new_timer(self.onTick)
        self._startPanel()
        for event, react in (
            (slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose),
            (slicer.mrmlScene.EndCloseEvent, self.onSceneReplaced),
            (slicer.mrmlScene.EndImportEvent, self.onSceneReplaced),
            (slicer.mrmlScene.NodeAddedEvent, _withNode(self.onNodeAdded)),
        ):
            self._tags.append(slicer.mrmlScene.AddObserver(event, react))
        self._timer.start()
        # Reload makes a new panel in a module that is shown, and does not enter it.
        if getattr(self.parent, "isEntered", False):
            self.enter()

    def cleanup(self) -> None:
        """Slicer closes, or the module is reloaded."""
        import slicer

        self._timer.stop()
        for tag in self._tags:
            slicer.mrmlScene.RemoveObserver(tag)
        self._tags = []
        self._forgetParameters()
        for panel in (self._segmentPanel, self._modelPanel):
            if panel is not None:
                panel.cleanup()

    def enter(self) -> None:
        """The module is shown."""
        self._isEntered = True
        self._followParameters()
        self._chooseVolume()
        if self._segmentPanel is not None:
            self._segmentPanel.enter()

    def exit(self) -> None:
        """Another module is shown."""
        self._isEntered = False
        if self._segmentPanel is not None:
            self._segmentPanel.exit()

    def onSceneStartClose(self, caller=None, event=None) -> None:
        """The nodes are about to go."""
        self._forgetParameters()

    def onSceneReplaced(self, caller=None, event=None) -> None:
        """Begin anew on an empty scene, or on the choices that a loaded one brought."""
        # Slicer's wrapper reads them when the parameter node comes, which is before the nodes that it refers to.
        self._forgetParameters()
        self._followParameters()
        self._chooseVolume()

    def onNodeAdded(self, node) -> None:
        """A volume may be the first one; it is chosen at the next tick, when it has been read."""
        self._hasNewVolume |= node.IsA("vtkMRMLScalarVolumeNode")

    def onTick(self) -> None:
        """Do what is due, in the main thread."""
        import slicer
        from DFQSAMSlicerLib.ticks import set_pace, tick_panels

        if self._hasNewVolume and not slicer.mrmlScene.IsBatchProcessing():
            self._hasNewVolume = False
            self._chooseVolume()
        set_pace(self._timer, tick_panels(self._segmentPanel, self._modelPanel))

    def onTabChanged(self, index: int) -> None:
        """Build the Model panel when it is looked at first."""
        if self._modelPanel is None and self.ui.modeTabs.currentWidget() == self.ui.modelTab:
            from DFQSAMSlicerLib.model_panel import ModelPanel

            self._modelPanel = ModelPanel(self.ui.modelPanelContainer, on_model_chosen=self.onModelChosen)

    def onModelChosen(self, path: Path) -> None:
        """Segment with a model of the Model panel."""
        if self._segmentPanel is not None:
            self._segmentPanel.use_model(path)
            self.ui.modeTabs.setCurrentWidget(self.ui.segmentTab)

    def onInstall(self) -> None:
        """Ask, install what is missing, and go on with what is there then."""
        import slicer
        from DFQSAMSlicerLib import dependencies

        # No hour-glass: it would lie over the question, and over the installer's own window of progress.
        with slicer.util.tryWithErrorDisplay(_("The packages could not be installed.")):
            dependencies.ensure(slicer.util.confirmOkCancelDisplay)
        self._startPanel()
        self.enter()

    def shownPanel(self):
        """(room of prompting, tick) of the Segment panel where it is shown, else None."""
        return (self._segmentPanel.room, self.onTick) if self._isEntered and self._segmentPanel else None

    def _startPanel(self) -> None:
        """Start the Segment panel when all packages are there; say what is missing when they are not."""
        from DFQSAMSlicerLib import dependencies

        packages = dependencies.missing()
        self.ui.installFrame.setVisible(bool(packages))
        for part in (self.ui.modelSection, self.ui.windowSection, self.ui.promptSection, self.ui.propagateSection):
            part.setEnabled(not packages)
        if packages:
            self.ui.messageLabel.setText(_("Some packages are not installed yet."))
            self.ui.installLabel.setText(dependencies.explain(packages))
        elif self._segmentPanel is None:
            import slicer
            from DFQSAMSlicerLib.segment_panel import SegmentPanel
            from DFQSAMSlicerLib.ticks import set_pace

            window = slicer.util.mainWindow() or self._widget
            self._segmentPanel = SegmentPanel(self.ui, window, lambda: set_pace(self._timer, True))
            self._followParameters()

    def _followParameters(self) -> None:
        import slicer

        if self._segmentPanel is None or self._parameters is not None or slicer.mrmlScene.IsClosing():
            return
        from DFQSAMSlicerLib.parameter_node import PanelParameters

        self._parameters = PanelParameters(DFQSAMSlicerLogic().getParameterNode())
        self._parameterTag = self._parameters.connectGui(self.ui)
        self._segmentPanel.set_parameters(self._parameters)

    def _chooseVolume(self) -> None:
        """Choose the scene's first volume where the module is shown and none is chosen."""
        if self._isEntered and self._parameters is not None and self._parameters.volume is None:
            from DFQSAMSlicerLib.parameter_node import first_volume

            self._parameters.volume = first_volume()

    def _forgetParameters(self) -> None:
        if self._parameters is None:
            return
        self._segmentPanel.set_parameters(None)
        self._parameters.disconnectGui(self._parameterTag)
        self._parameters = self._parameterTag = None


def _withNode(react):
    """An observer of NodeAddedEvent that hands the node on."""
    import vtk

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def observe(caller, event, node) -> None:
        react(node)

    return observe


class DFQSAMSlicerLogic(ScriptedLoadableModuleLogic):
    """The module's actions without its panel."""

    def version(self) -> str:
        """Return the version of dfqsam_core that this Slicer finds."""
        import dfqsam_core

        return dfqsam_core.__version__

    def open(
        self, volume_node, segmentation_node=None, model_path=None, window="auto", changed=lambda: None, conventions=""
    ):
        """Begin to prompt on a volume; returns a dfqsam_scene.prompting.workspace.Workspace.

        segmentation_node: None for a new one. model_path: None for the embedded demonstration model; conventions: of a
        float checkpoint whose tensors do not tell them, as load_model has them.
        Raises DFQSAMError (or a child) with a sentence for people when a node or the model cannot be used.
        """
        from dfqsam_core import load_model
        from dfqsam_core.resources import DEMO_MODEL, resource_path
        from dfqsam_scene.nodes.segments import new_segmentation
        from dfqsam_scene.nodes.volume_node import read_volume_node
        from dfqsam_scene.prompting.window_texts import window_of
        from dfqsam_scene.prompting.workspace import Workspace

        window = window_of(window, read_volume_node(volume_node))
        model = load_model(model_path or resource_path(DEMO_MODEL), conventions=conventions or None)
        if segmentation_node is None:
            segmentation_node = new_segmentation(volume_node, _("SAM segmentation"))
        return Workspace(volume_node, segmentation_node, model, self._persistent_worker(), window, changed)

    def _persistent_worker(self):
        from dfqsam_scene.jobs.worker import Worker

        if not hasattr(self, "_worker"):
            self._worker = Worker()
        return self._worker


class DFQSAMSlicerTest(ScriptedLoadableModuleTest):
    """The tests of Reload and Test: a walk through the module on the sample, and a report of it."""

    def runTest(self) -> None:
        """Walk through all steps; only a sentence where packages are missing, as a test installs nothing."""
        from DFQSAMSlicerLib import dependencies

        if packages := dependencies.missing():
            self.delayDisplay(dependencies.explain(packages))
            return
        from DFQSAMSlicerLib.verification.verify import run_self_test

        self.assertEqual(run_self_test(self.delayDisplay), "")
