"""The Slicer module DFQSAMSlicer: declares itself, and leaves the work to dfqsam_core."""

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


class DFQSAMSlicerWidget(ScriptedLoadableModuleWidget):
    """The panel; until it has its tools it says where they are."""

    def setup(self) -> None:
        """Build the panel."""
        import qt

        ScriptedLoadableModuleWidget.setup(self)
        note = qt.QLabel(
            _("Segmenting from this panel is not available yet. Use the command line: dfqsam segment --help")
        )
        note.wordWrap = True
        self.layout.addWidget(note)
        self.layout.addStretch(1)


class DFQSAMSlicerLogic(ScriptedLoadableModuleLogic):
    """What the module can do without its panel."""

    def version(self) -> str:
        """Return the version of dfqsam_core that this Slicer finds."""
        import dfqsam_core

        return dfqsam_core.__version__


class DFQSAMSlicerTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs from Reload and Test."""

    def runTest(self) -> None:
        """Check that the core package is found beside the module."""
        self.delayDisplay(_("Looking for dfqsam_core"))
        self.assertRegex(DFQSAMSlicerLogic().version(), r"^\d+\.\d+")
        self.delayDisplay(_("Found"))
