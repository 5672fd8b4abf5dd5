"""Plays the story in the viewer, without a browser: `python -m Testing.support.story_viewer VOLUME END.json`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

# Set before VTK makes its first window.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
os.environ.pop("DISPLAY", None)

from . import finished, story


class ViewerStage:
    """What the page asks for, by the names that it uses."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.room = viewer.logic.room

    def do(self, verb: str, *arguments: Any) -> None:
        """As a button, a key or a box of the page does."""
        self.viewer.do(verb, *arguments)

    def wait(self) -> None:
        """Tick as the server does."""
        finished.wait_for(self._is_idle, pause=lambda: self.room.worker.wait(0.05))

    def choose_model(self, path: Path) -> None:
        """As the page of models does with one of its list."""
        self.viewer.logic.verbs.change_model(path)

    def _is_idle(self) -> bool:
        self.viewer.logic.tick()
        return bool(self.room.is_idle)


def main(volume: Path, end: Path) -> None:
    """Play, and write how it ends."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        os.environ["TRAME_ARGS"] = "--server"
        from dfqsam_viewer.server import Start, Viewer

        patches: list[Any] = []

        def replace(name: str, value: Any) -> None:
            patches.append(mock.patch(name, value))
            patches[-1].start()

        models = story.put_models_on_stage(replace, Path(folder))
        viewer = Viewer(Start(volume, models[0], None, (volume.parent,)))
        stage = ViewerStage(viewer)
        finished.wait_for(lambda: stage.wait() or viewer.logic.volume_node is not None)
        end.write_text(json.dumps(story.play(stage, models)), encoding="utf-8")
        viewer.close()
        for patch in patches:
            patch.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
