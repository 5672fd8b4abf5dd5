"""Make the pictures of docs/pictures/slicer_*.png in Slicer's own slice views: the embedded model on the embedded CT.

make test-views                                             # once: installs trame-slicer
.venv-views/bin/python tools/slicer_screenshots.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
VIEW_SIZE = (420, 360)
PALETTE = ((0.86, 0.32, 0.26), (0.26, 0.62, 0.86), (0.95, 0.72, 0.2), (0.45, 0.75, 0.35), (0.72, 0.45, 0.85))
WINDOW, LEVEL = 400, 50


class Stage:
    """The three views on the CT, and a workspace on it."""

    def __init__(self) -> None:
        from dfqsam_core import load_model
        from dfqsam_core.resources import DEMO_MODEL, DEMO_VOLUME, resource_path
        from dfqsam_scene.jobs.worker import Worker
        from dfqsam_scene.nodes.segments import new_segmentation
        from dfqsam_scene.nodes.volume_node import read_volume_node
        from dfqsam_scene.prompting.window_texts import window_of
        from dfqsam_scene.prompting.workspace import Workspace
        from Testing.support.slice_views import SliceViewsWorld

        self.world = SliceViewsWorld(*VIEW_SIZE)
        self.volume_node = self.world.read_volume(resource_path(DEMO_VOLUME), "CT", WINDOW, LEVEL)
        self.world.show(self.volume_node)
        self.worker = Worker()
        self.node = new_segmentation(self.volume_node, "Organs")
        model = load_model(resource_path(DEMO_MODEL))
        window = window_of("auto", read_volume_node(self.volume_node))
        self.workspace = Workspace(self.volume_node, self.node, model, self.worker, window)
        self.workspace.encode_ahead(False)

    def add_segment(self, name: str) -> str:
        """Add a segment with the next colour of the palette and choose it."""
        segment_id = self.workspace.segments.add_segment(name)
        number = self.node.GetSegmentation().GetNumberOfSegments() - 1
        self.node.GetSegmentation().GetSegment(segment_id).SetColor(*PALETTE[number % len(PALETTE)])
        self.workspace.segment_id = segment_id
        return segment_id

    def wait(self) -> None:
        """Let the model end; a refusal ends the program."""
        assert self.workspace.finish(600)
        if self.workspace.controller.is_error:
            raise SystemExit(self.workspace.controller.message)

    def look_at(self, ijk: Any) -> None:
        """Show the slices through a voxel in all views."""
        from dfqsam_scene.nodes.volume_node import world_from_ijk

        for viewport in self.world.views.values():
            viewport.node.JumpSliceByOffsetting(*world_from_ijk(self.volume_node, ijk).tolist())
            viewport.leave()

    def shoot(self, path: Path, views: tuple[str, ...] = ("Red", "Green", "Yellow")) -> None:
        """Write the views side by side as a small PNG."""
        from PIL import Image

        pixels = np.hstack([self.world.views[name].picture() for name in views])
        image = Image.fromarray(pixels)
        image.save(path, optimize=True)
        print(f"{path.name}: {pixels.shape[1]} x {pixels.shape[0]}, {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Draw the sample's prompts one after the other, and shoot what a person sees."""
    from dfqsam_core.resources import DEMO_PROMPTS, resource_path
    from dfqsam_core.volume import read_prompts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures", help="folder (default: %(default)s)")
    folder = parser.parse_args().output
    stage = Stage()
    controller = stage.workspace.controller
    segments = read_prompts(resource_path(DEMO_PROMPTS), stage.workspace.session.volume.geometry)
    controller.auto_accept = False
    for number, segment in enumerate(segments):
        segment_id = stage.add_segment(segment.name)
        for prompt in segment.prompts:
            controller.add_prompt(segment_id, prompt)
            stage.wait()
        first = segment.prompts[0]
        middle = np.mean([first.low_ijk, first.high_ijk], axis=0) if hasattr(first, "low_ijk") else first.ijk
        stage.look_at(middle)
        if number == 0:
            stage.shoot(folder / "slicer_preview.png")
        controller.accept_preview()
    last = stage.workspace.session.volume.geometry.size_along("K") - 1
    for segment_id in stage.workspace.segments.segment_ids:
        controller.propagate(segment_id, "K", 0, last)
        stage.wait()
        print(f"{stage.workspace.segments.segment_name(segment_id)}: {controller.message}")
    stage.look_at((*middle[:2], middle[2] + 1))
    stage.shoot(folder / "slicer_propagated.png")
    stage.workspace.close()
    stage.worker.close()


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "DFQSAMSlicer")]
    main()
