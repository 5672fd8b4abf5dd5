"""The Slicer module DFQSAMSlicer: declares itself to Slicer, and leaves the work to DFQSAMSlicerLib and dfqsam_core."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

try:
    from slicer.i18n import tr as _
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


if importlib.util.find_spec("dfqsam_core") is None:
    # The folder was added to Slicer unbuilt: the package then lies beside the module's folder.
    sys.path.append(str(Path(__file__).resolve().parent.parent))


class DFQSAMSlicer(ScriptedLoadableModule):
    """Names the module to Slicer."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "DFQSAMSlicer"
        parent.categories = ["Segmentation"]
        parent.dependencies = []
        parent.contributors = ["DFQSAMSlicer contributors"]
        parent.helpText = _(
            "Segments CT and MR slices from points and boxes on a CPU with a packed 4-bit SAM-Med2D. "
            "For research only; not a medical device."
        )
        parent.acknowledgementText = _(
            "Implements DFQ-SAM (arXiv 2410.01813) for SAM-Med2D (arXiv 2308.16184) from their published descriptions."
        )
        import slicer

        # Sample Data is a module of its own, which exists only when all modules have been loaded.
        slicer.app.connect("startupCompleted()", _offer_sample_data)


def _offer_sample_data() -> None:
    import SampleData
    from DFQSAMSlicerLib.sample_data import register_sample_data

    register_sample_data(SampleData.SampleDataLogic)


class DFQSAMSlicerWidget(ScriptedLoadableModuleWidget):
    """The panel; until it has its tools it installs what they need and says how to segment meanwhile."""

    def setup(self) -> None:
        """Build the panel; nothing is installed or loaded here."""
        import qt

        ScriptedLoadableModuleWidget.setup(self)
        self.note = qt.QLabel()
        self.note.wordWrap = True
        self.installButton = qt.QPushButton(_("Install…"))
        self.installButton.connect("clicked()", self.onInstall)
        self.layout.addWidget(self.note)
        self.layout.addWidget(self.installButton)
        self.layout.addStretch(1)
        self.refresh()

    def onInstall(self) -> None:
        """Ask, install what is missing, and say what came of it."""
        import slicer
        from DFQSAMSlicerLib import dependencies

        with slicer.util.tryWithErrorDisplay(_("The packages could not be installed."), waitCursor=True):
            dependencies.ensure(slicer.util.confirmOkCancelDisplay)
        self.refresh()

    def refresh(self) -> None:
        """Say what is missing, or what can be done."""
        from DFQSAMSlicerLib import dependencies

        packages = dependencies.missing()
        self.installButton.setVisible(bool(packages))
        if packages:
            self.note.setText(dependencies.explain(packages))
        else:
            self.note.setText(
                _(
                    "Segmenting with the mouse is not available in this panel yet. Use the Python console: "
                    "DFQSAMSlicer.DFQSAMSlicerLogic().open(volumeNode, segmentationNode)"
                )
            )


class DFQSAMSlicerLogic(ScriptedLoadableModuleLogic):
    """What the module can do without its panel."""

    def version(self) -> str:
        """Return the version of dfqsam_core that this Slicer finds."""
        import dfqsam_core

        return dfqsam_core.__version__

    def open(self, volume_node, segmentation_node=None, model_path=None, window="auto", changed=lambda: None):
        """Begin to prompt on a volume; returns a DFQSAMSlicerLib.workspace.Workspace.

        segmentation_node: None for a new one. model_path: None for the embedded demonstration model.
        Raises DFQSAMError (or a child) with a sentence for people when a node or the model cannot be used.
        """
        from DFQSAMSlicerLib.scene import new_segmentation
        from DFQSAMSlicerLib.volume_node import read_volume_node
        from DFQSAMSlicerLib.workspace import Workspace

        from dfqsam_core import load_model
        from dfqsam_core.resources import DEMO_MODEL, resource_path

        read_volume_node(volume_node)
        model = load_model(model_path or resource_path(DEMO_MODEL))
        if segmentation_node is None:
            segmentation_node = new_segmentation(volume_node, _("SAM segmentation"))
        return Workspace(volume_node, segmentation_node, model, self._persistent_worker(), window, changed)

    def _persistent_worker(self):
        from DFQSAMSlicerLib.worker import Worker

        if not hasattr(self, "_worker"):
            self._worker = Worker()
        return self._worker


class DFQSAMSlicerTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs from Reload and Test."""

    def runTest(self) -> None:
        """Segment one slice of the embedded CT with the embedded model, take it back, and repeat it."""
        from DFQSAMSlicerLib.sample_data import load_sample

        from dfqsam_core.volume import BoxPrompt

        self.delayDisplay(_("Loading the sample"))
        volume_node = load_sample()
        workspace = DFQSAMSlicerLogic().open(volume_node)
        segment_id = workspace.segment_id = workspace.segments.add_segment("liver")
        prompt = BoxPrompt((20, 20, 15), (70, 70, 15))
        before = workspace.segments.read(segment_id, prompt.slice)
        self.delayDisplay(_("Segmenting one slice"))
        workspace.controller.add_prompt(segment_id, prompt)
        workspace.finish()
        self.assertEqual(workspace.controller.message, "")
        segmented = workspace.segments.read(segment_id, prompt.slice)
        self.assertTrue(segmented.any())
        workspace.controller.undo()
        self.assertTrue((workspace.segments.read(segment_id, prompt.slice) == before).all())
        workspace.controller.redo()
        self.assertTrue((workspace.segments.read(segment_id, prompt.slice) == segmented).all())
        workspace.close()
        self.delayDisplay(_("Passed"))
