"""Slicer from its start to its end, in a process of its own: python -m Testing.host.program KIND SECONDS FOLDER

The event loop keeps Python's lock while it idles, and the process is finalized with work under way: SECONDS after a
tool was taken. Slicer's Python reaches Py_Finalize on every normal quit; so does this one, when `main` returns.

KIND: "panel", "effect", "logic" (a script that opened a workspace in Python's console), "worker" (the thread alone,
always inside the encoder), "child" (a process that reports all the time) or "nothing". FOLDER: for settings.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "DFQSAMSlicer"))

from Testing.support.held_loop import run_loop
from Testing.support.redirected_output import RedirectedOutput

Begun = tuple[Callable[[], object], Callable[[], object]]


class Slicer:
    """The application around a module: scene, views, settings and base classes."""

    def __init__(self, folder: Path) -> None:
        import slicer
        from PySide6 import QtWidgets

        from Testing.support import pythonqt, slicer_bases, slicer_widgets
        from Testing.support.mrml_scene import MrmlWorld
        from Testing.support.slicer_application import SlicerApplication

        self.folder = folder
        self.application = QtWidgets.QApplication(["Slicer"])
        pythonqt.install(slicer_widgets.STAND_INS)
        slicer_widgets.name_classes()
        slicer_bases.install()
        self.world = MrmlWorld()
        for name in ("Axial", "Coronal", "Sagittal"):
            self.world.slice_view(name)
        slicer.app = SlicerApplication(folder / "Slicer.ini")
        slicer.util.mainWindow = lambda: None
        sys.stdout, sys.stderr = RedirectedOutput(1), RedirectedOutput(2)

    def close(self) -> None:
        """As Slicer ends: modules are unloaded, then the scene is emptied."""
        import slicer

        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit("DFQSAMSlicer")
        self.world.scene.Clear(1)


def nothing(slicer_: Slicer) -> Begun:
    """No module is used."""
    return lambda: None, lambda: None


def panel(slicer_: Slicer) -> Begun:
    """A person opens the module on the sample and takes a tool: the model is loaded, and slices are encoded ahead."""
    from DFQSAMSlicerLib.sample_data import load_sample

    import DFQSAMSlicer
    from Testing.support.slicer_widgets import ModuleWidget, publish_module

    load_sample()
    path = Path(DFQSAMSlicer.__file__)
    slicer_.parent = ModuleWidget("DFQSAMSlicerWidget", path)
    publish_module(slicer_.parent, path)
    widget = slicer_.parent.create()
    slicer_.parent.enter()
    widget.onTick()
    widget.ui.positiveButton.click()
    assert widget.ui.segmentationSelector.currentNode() is not None, widget.ui.messageLabel.text
    return widget.onTick, lambda: None


def effect(slicer_: Slicer) -> Begun:
    """A person chooses the effect in the Segment Editor, and a tool."""
    from DFQSAMSlicerLib.sample_data import load_sample

    from dfqsam_scene.nodes.segments import new_segmentation
    from Testing.support.segment_editor_host import ScriptedEffect, SegmentEditorHost, load_effect_class

    volume_node = load_sample()
    node = new_segmentation(volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("liver", "liver")
    host = SegmentEditorHost(slicer_.world.scene, node, volume_node)
    host.node.SetSelectedSegmentID("liver")
    found = load_effect_class()(ScriptedEffect(host))
    found.setMRMLDefaults()
    found.setupOptionsFrame()
    found.activate()
    found.tools["positive"].click()

    def end() -> None:
        found.deactivate()
        found.cleanup()

    return found.onTick, end


def worker(slicer_: Slicer) -> Begun:
    """The thread encodes one slice after the other."""
    from dfqsam_core import load_model
    from dfqsam_core.resources import DEMO_MODEL, DEMO_VOLUME, resource_path
    from dfqsam_core.volume import SliceKey, VolumeSession, read_volume
    from dfqsam_scene.jobs.worker import Job, Worker

    volume = read_volume(resource_path(DEMO_VOLUME))
    session = VolumeSession(volume, load_model(resource_path(DEMO_MODEL)), "auto")
    found = Worker()
    found.submit(Job(lambda _: [session.slices.embed(SliceKey("K", k)) for k in range(30)]))
    return found.deliver, found.close


def logic(slicer_: Slicer) -> Begun:
    """A script opens a workspace, prompts, and nobody closes it."""
    from DFQSAMSlicerLib.sample_data import load_sample

    import DFQSAMSlicer
    from dfqsam_core.volume import PointPrompt, SliceKey

    slicer_.workspace = DFQSAMSlicer.DFQSAMSlicerLogic().open(load_sample())
    segment_id = slicer_.workspace.segment_id = slicer_.workspace.segments.add_segment("liver")
    slicer_.workspace.look_at(SliceKey("K", 15))
    slicer_.workspace.controller.add_prompt(segment_id, PointPrompt((40, 40, 15)))
    return slicer_.workspace.controller.deliver, lambda: None


def child(slicer_: Slicer) -> Begun:
    """A process that reports many times a second, and is never asked to stop: a thread reads what it says."""
    from dfqsam_scene.jobs.child_process import ChildProcess

    path = slicer_.folder / "reports"
    lines = ("import time", "while True:", "    print('still there', flush=True)", "    time.sleep(0.001)")
    path.write_text("\n".join((f"#!{sys.executable}", *lines)), encoding="utf-8")
    path.chmod(0o700)
    found = ChildProcess([], python=str(path))
    return lambda: (found.poll(), time.sleep(0.002)), lambda: None


def main(kind: str, seconds: float, folder: Path) -> None:
    """Run one kind and end with the work under way."""
    slicer_ = Slicer(folder)
    # VTK's objects would be taken apart in any order; in Slicer they are not Python's to destroy.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(slicer_))
    tick, end = KINDS[kind](slicer_)
    ends = time.monotonic() + seconds
    run_loop(tick, lambda: time.monotonic() > ends)
    end()
    slicer_.close()
    sys.stderr.write("Slicer ends\n")


_ALL = (nothing, panel, effect, worker, logic, child)
KINDS: dict[str, Callable[[Any], Begun]] = {found.__name__: found for found in _ALL}

if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
