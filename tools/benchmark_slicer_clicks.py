"""Print what Slicer's side of a click costs on a volume of 512 x 512 x 200: all of it but the model, on the real scene.

make test-slicer                                             # once: installs slicer-core
.venv-slicer/bin/python tools/benchmark_slicer_clicks.py
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
CLICKS = 15


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

    def predict(self, point_coords: np.ndarray, **_: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Three equal discs of 180 pixels across."""
        x, y = point_coords[-1]
        disc = (self._columns - x) ** 2 + (self._rows - y) ** 2 < 90**2
        return np.stack([disc] * 3), np.array([0.9, 0.8, 0.7], np.float32), np.zeros((3, 64, 64), np.float32)


def open_workspace() -> Any:
    """A workspace on an empty scene with a volume of zeros and one segment."""
    import vtk
    from DFQSAMSlicerLib.scene import new_segmentation
    from DFQSAMSlicerLib.worker import Worker
    from DFQSAMSlicerLib.workspace import Workspace
    from vtkmodules.util.numpy_support import numpy_to_vtk

    from Testing.support.mrml_scene import MrmlWorld

    image = vtk.vtkImageData()
    image.SetDimensions(SHAPE_IJK)
    image.GetPointData().SetScalars(numpy_to_vtk(np.zeros(np.prod(SHAPE_IJK), np.int16), deep=True))
    world = MrmlWorld()
    node = world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    node.SetAndObserveImageData(image)
    node.SetSpacing(0.8, 0.8, 2.5)
    model = SimpleNamespace(digest="0" * 64)
    workspace = Workspace(
        node, new_segmentation(node, "Organs"), model, Worker(), "400,40", predictor=InstantPredictor()
    )
    workspace.segment_id = workspace.segments.add_segment("organ")
    workspace.world = world
    return workspace


def report(name: str, action: Callable[[int], None]) -> None:
    """Time `action` for each of the clicks and print the median and the slowest."""
    seconds = []
    for n in range(CLICKS):
        started = time.perf_counter()
        action(n)
        seconds.append(time.perf_counter() - started)
    print(f"{1e3 * statistics.median(seconds):7.1f} ms median {1e3 * max(seconds):7.1f} ms slowest   {name}")


def main() -> None:
    """Print one line each for a first click, a second click on the same slice, undo, and the bare write of a slice."""
    from DFQSAMSlicerLib.volume_node import world_from_ijk

    from dfqsam_core.volume import SliceKey

    workspace = open_workspace()

    def click(i: int, j: int, k: int) -> None:
        position = world_from_ijk(workspace.segments.volume_node, (i, j, k)).tolist()
        workspace.markups.nodes["positive"].AddControlPointWorld(position)
        workspace.finish()

    disc = np.hypot(*np.ogrid[-256:256, -256:256]) < 90
    report("first click on a slice", lambda n: click(200, 200, 20 + n))
    report("second click on the same slice", lambda n: click(230 + n, 220, 20 + n))
    report("undo", lambda _: workspace.controller.undo())
    report(
        "write of one slice alone",
        lambda n: workspace.segments.write(workspace.segment_id, SliceKey("K", 100 + n), disc),
    )
    workspace.close()


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "DFQSAMSlicer")]
    main()
