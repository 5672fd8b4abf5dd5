"""Make docs/pictures/panel_*.png: the panel itself with the embedded model on the embedded CT, without Slicer.

.venv-slicer/bin/python tools/panel_pictures.py    # make test-panel made that environment

Widgets of Slicer and CTK are the stand-ins of the tests, so in Slicer the panel looks a little different.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WIDTH_PIXELS, POINTS = 400, 11
PATIENCE_SECONDS = 300


class Person:
    """Somebody at the panel: presses, clicks voxels, and waits."""

    def __init__(self, folder: Path) -> None:
        from PySide6 import QtGui

        from Testing.host.program import Slicer

        self.slicer = Slicer(folder)
        # Only now there are base classes for the module.
        from DFQSAMSlicerLib.sample_data import load_sample

        import DFQSAMSlicer
        from Testing.support.slicer_widgets import ModuleWidget, publish_module

        self.slicer.application.setStyle("Fusion")
        self.slicer.application.setFont(QtGui.QFont("DejaVu Sans", POINTS))
        self.volume_node = load_sample()
        path = Path(DFQSAMSlicer.__file__)
        self.parent = ModuleWidget("DFQSAMSlicerWidget", path)
        publish_module(self.parent, path)
        self.widget = self.parent.create()
        self.parent.enter()
        self.ui = self.widget.ui
        self.wait()

    def wait(self) -> None:
        """Tick until nothing is worked on."""
        ends = time.monotonic() + PATIENCE_SECONDS
        room = self.widget._segmentPanel.room
        while True:
            self.widget.onTick()
            if room.is_idle:
                return
            if time.monotonic() > ends:
                raise SystemExit("The panel is still busy; the machine may be too loaded.")
            room.worker.wait(0.05)

    def draw_prompts(self) -> None:
        """Place the sample's own prompts, a segment for each structure."""
        from dfqsam_core.resources import DEMO_PROMPTS, resource_path
        from dfqsam_core.volume import read_prompts
        from dfqsam_scene.nodes.slice_views import show_slice
        from dfqsam_scene.nodes.volume_node import read_volume_node

        structures = read_prompts(resource_path(DEMO_PROMPTS), read_volume_node(self.volume_node).geometry)
        self.ui.positiveButton.click()
        self.wait()
        room = self.widget._segmentPanel.room
        for number, structure in enumerate(structures):
            if number:
                self.ui.addSegmentButton.click()
                self.wait()
            room.segment(room.choice.segment_id).SetName(structure.name)
            for prompt in structure.prompts:
                room.workspace.controller.add_prompt(room.choice.segment_id, prompt)
                self.wait()
        self.ui.nextSegmentButton.click()
        show_slice(self.volume_node, structures[0].prompts[0].slice)
        self.wait()

    def shoot(self, path: Path) -> None:
        """Write the panel as it is now, as high as it needs."""
        from Testing.support.slicer_widgets import least_size

        self.parent.show()
        self.slicer.application.processEvents()
        self.parent.resize(*least_size(self.parent, WIDTH_PIXELS))
        self.slicer.application.processEvents()
        picture = self.parent.grab()
        picture.save(str(path))
        print(f"{path.name}: {picture.width()} x {picture.height()}, {path.stat().st_size / 1000:.0f} kB")

    def fold(self, **is_folded: Any) -> None:
        """Fold sections of the panel, or open them."""
        for name, folded in is_folded.items():
            getattr(self.ui, name).collapsed = folded
        self.slicer.application.processEvents()


def main() -> None:
    """Shoot the panel at work, and with what is folded away at first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures", help="folder (default: %(default)s)")
    folder = parser.parse_args().output
    with tempfile.TemporaryDirectory() as settings:
        # Work and models of whoever makes the pictures are none of theirs.
        os.environ["XDG_DATA_HOME"] = str(Path(settings) / "data")
        person = Person(Path(settings))
        person.draw_prompts()
        person.shoot(folder / "panel_work.png")
        person.fold(
            promptSection=True, propagateSection=True, listSection=False, windowSection=False, modelSection=False
        )
        person.shoot(folder / "panel_more.png")
        person.slicer.close()
    # VTK's objects would be taken apart in any order.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path[:0] = [str(ROOT), str(ROOT / "DFQSAMSlicer")]
    main()
