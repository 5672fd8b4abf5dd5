"""The story of Testing/support/story.py in the viewer, in a process of its own: Slicer allows one scene in each."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from Testing.support import story
from Testing.support.finished import PATIENCE_SECONDS
from Testing.support.scene_fixtures import phantom_file
from Testing.support.viewer import ROOT

__all__ = ["phantom_file"]


def test_the_viewer_ends_the_story_as_it_was_told(phantom_file, tmp_path):
    end = tmp_path / "end.json"
    command = [sys.executable, "-m", "Testing.support.story_viewer", str(phantom_file), str(end)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert end.is_file(), done.stdout + done.stderr
    assert json.loads(end.read_text()) == story.told()
