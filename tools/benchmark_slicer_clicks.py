"""Print what Slicer's side of a click costs in its slice views on a volume of 512 x 512 x 200: all of it but the model.

make test-views                                             # once: installs trame-slicer
.venv-views/bin/python tools/benchmark_slicer_clicks.py
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHAPE_IJK = (512, 512, 200)
CLICKS = 40
PROPAGATED = 60
# As the panel's timer.
TURN_SECONDS = 0.03


class InstantPredictor:
    """A model that costs nothing: a disc around the latest click, by the interface of runtime.SamPredictor."""

    def set_image(self, image: np.ndarray) -> None:
        """Nothing to embed."""

    def get_image_embedding(self) -> np.ndarray:
        """As large as SAM-Med2D's."""
        return np.zeros((1, 256, 16, 16), np.float32)

    def set_image_embedding(self, embedding: np.ndarray, original_size: tuple[int, int]) -> None:
        """Remember the size of the slice."""
        self._rows, self._columns = np.ogrid[: original_size[0], : original_size[1]]

    def predict(self, point_coords: Any = None, **_: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Three equal discs of 180 pixels across."""
        x, y = (256, 256) if point_coords is None else point_coords[-1]
        disc = (self._columns - x) ** 2 + (self._rows - y) ** 2 < 90**2
        low_res = np.full((3, 64, 64), 1.0, np.float32)
        return np.stack([disc] * 3), np.array([0.9, 0.8, 0.7], np.float32), low_res


class Person:
    """A person at three slice views.

    held: seconds that each turn of the main thread took, by kind of action; computed: its processor's seconds, which
    other programs on a busy machine do not lengthen.
    """

    def __init__(self) -> None:
        from dfqsam_core.volume import WindowLevel
        from dfqsam_scene.jobs.worker import Worker
        from dfqsam_scene.nodes.place_mode import PlaceMode
        from dfqsam_scene.nodes.segments import new_segmentation
        from dfqsam_scene.prompting.workspace import Workspace
        from Testing.support.slice_views import SliceViewsWorld

        self.world = SliceViewsWorld(512, 512)
        self.volume_node = large_volume(self.world)
        self.world.show(self.volume_node)
        self.held: dict[str, list[float]] = {}
        self.computed: dict[str, list[float]] = {}
        node = new_segmentation(self.volume_node, "Organs")
        model = SimpleNamespace(digest="0" * 64, engine="none")
        arguments = (self.volume_node, node, model, Worker(), WindowLevel(400, 40))
        self.workspace = self.timed("opening", lambda: Workspace(*arguments, predictor=InstantPredictor()))
        self.workspace.segment_id = self.workspace.segments.add_segment("organ")
        self.place_mode = PlaceMode(self.world.scene, lambda: None)
        self.place_mode.begin(self.workspace.markups.nodes["positive"])

    def timed(self, name: str, action: Callable[[], Any]) -> Any:
        """Run one turn of the main thread."""
        started, computed = time.perf_counter(), time.thread_time()
        result = action()
        self.computed.setdefault(name, []).append(time.thread_time() - computed)
        self.held.setdefault(name, []).append(time.perf_counter() - started)
        return result

    def settle(self, name: str) -> None:
        """Let the panel's timer tick until nothing is worked on, and count what each tick held."""
        while self.workspace.controller.is_busy:
            self.workspace._worker.wait(TURN_SECONDS)
            self.timed(name, self.workspace.controller.deliver)

    def click(self, name: str, i: int, j: int, k: int) -> float:
        """Click in the axial view; returns the seconds that the main thread was held for it, waiting excluded."""
        from dfqsam_scene.nodes.volume_node import world_from_ijk

        position = world_from_ijk(self.volume_node, (i, j, k))
        red = self.world.views["Red"]
        red.node.JumpSliceByOffsetting(*position.tolist())
        red.move(red.pixel(position))
        before = sum(self.held.get(name, []))
        self.timed(name, lambda: (red.press(), red.release()))
        self.settle(name)
        return sum(self.held[name]) - before

    def draw(self, name: str = "Slicer draws the three views anew") -> float:
        """Draw all views, as Slicer does when it is idle again."""
        started = time.perf_counter()
        for viewport in self.world.views.values():
            viewport.view.render_window().Render()
        return time.perf_counter() - started


def large_volume(world: Any) -> Any:
    """A smooth volume in the scene."""
    import vtk
    from vtkmodules.util.numpy_support import numpy_to_vtk

    ramp = np.arange(SHAPE_IJK[0], dtype=np.int16) - 256
    voxels = np.broadcast_to(ramp, SHAPE_IJK[::-1])
    image = vtk.vtkImageData()
    image.SetDimensions(SHAPE_IJK)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(voxels).ravel(), deep=True))
    node = world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    node.SetAndObserveImageData(image)
    node.SetSpacing(0.8, 0.8, 2.5)
    world.set_window(node, 400, 40)
    return node


def report(name: str, seconds: list[float]) -> None:
    """Print the median and the 95th percentile."""
    found = 1e3 * np.array(seconds)
    print(f"{statistics.median(found):8.1f} {np.percentile(found, 95):8.1f}   {name}")


def main() -> None:
    """Print one line for each kind of action, then the longest times that the main thread was held."""
    from dfqsam_core.volume import PropagationConfig, SliceKey

    person = Person()
    workspace, controller = person.workspace, person.workspace.controller
    disc = np.hypot(*np.ogrid[-256:256, -256:256]) < 90
    person.click("warm-up", 256, 256, 10)
    person.draw()
    drawn: list[float] = []
    first, second, undone = [], [], []
    for n in range(CLICKS):
        first.append(person.click("first click on a slice", 200 + n, 200, 20 + n))
        drawn.append(person.draw())
        second.append(person.click("second click on the same slice", 240 + n, 220, 20 + n))
        drawn.append(person.draw())
    for _ in range(CLICKS):
        person.timed("undo", controller.undo)
    undone = person.held["undo"]
    for n in range(CLICKS):
        key = SliceKey("K", 100 + n)
        person.timed(
            "write of one slice alone", lambda key=key: workspace.segments.write(workspace.segment_id, key, disc)
        )
    print("  median      p95   milliseconds")
    report("first click on a slice, from the mouse button to the written mask, model excluded", first)
    report("second click on the same slice", second)
    report("undo", undone)
    report("write of one slice alone", person.held["write of one slice alone"])
    report("Slicer draws the three views anew (by the processor here)", drawn)
    anywhere = PropagationConfig(
        min_predicted_iou=0, min_overlap=0, max_area_ratio=1000, min_stability=0, min_likeness=0
    )
    person.click("first click on a slice", 256, 256, 130)
    name = f"propagation through {PROPAGATED} slices"
    ends = 130 - PROPAGATED // 2, 130 + PROPAGATED // 2 - 1
    person.timed(name, lambda: controller.propagate(workspace.segment_id, "K", *ends, anywhere))
    person.settle(name)
    assert not controller.is_error, controller.message
    person.timed("undo of that", controller.undo)
    person.settle("undo of that")
    print("\n longest computed   milliseconds that the main thread was held without a pause, and computed in that kind")
    for kind, seconds in person.held.items():
        print(f"{1e3 * max(seconds):8.1f} {1e3 * max(person.computed[kind]):8.1f}   {kind}")
    workspace.close()


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "DFQSAMSlicer")]
    main()
