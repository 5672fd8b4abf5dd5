"""Prompts files that would keep the reader busy, fill the memory or break what is written later."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfqsam_core.base import memory
from dfqsam_core.errors import ConfigError, PromptError
from dfqsam_core.volume import PointPrompt, VolumeGeometry, read_prompts
from dfqsam_core.volume.batch.table import read_table
from dfqsam_core.volume.prompts import SegmentPrompts

GEOMETRY = VolumeGeometry(np.eye(4), (40, 30, 20))
POINT = {"type": "point", "position": [3, 3, 3], "axis": "K"}
MANY = [POINT | {"position": [i, j, 3]} for i in range(40) for j in range(30)] * 10


def write(folder: Path, segments: list[dict[str, Any]]) -> Path:
    path = folder / "prompts.json"
    path.write_text(json.dumps({"coordinate_system": "IJK", "segments": segments}))
    return path


def segment(**changes: Any) -> dict[str, Any]:
    return {"name": "liver", "label": 1, "prompts": [POINT]} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "x" * 10**7}, r"^A segment's name has 10000000 characters; up to 1000 are kept"),
        ({"name": "liver\ud800"}, r"^segments\[0\]\.name has an incomplete character \(a surrogate\), found 'liver"),
        ({"name": "liver\x1b[2J"}, r"^The segment's name 'liver\\x1b\[2J' has a character that no text"),
        ({"prompts": MANY}, r"on slice K = 3 has 1200 prompts; up to 1000 make one prediction"),
        ({"prompts": [{"type": "x" * 10**6}]}, r"has the type 'xxx"),
    ],
    ids=["long name", "surrogate", "escape", "points", "type"],
)
def test_wild_segments_are_refused_in_a_short_sentence(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptError, match=message) as refusal:
        read_prompts(write(tmp_path, [segment(**changes)]), GEOMETRY)
    assert len(str(refusal.value)) < 300


def test_names_of_all_scripts_are_kept(tmp_path: Path) -> None:
    names = ("Leber", "肝臓", "کبد\u200cچپ", "foie 👩\u200d⚕️")
    segments = [segment(name=name, label=n + 1) for n, name in enumerate(names)]
    assert tuple(item.name for item in read_prompts(write(tmp_path, segments), GEOMETRY)) == names


def test_a_doubled_label_among_many_is_named(tmp_path: Path) -> None:
    segments = [segment(label=label) for label in [*range(1, 30_001), 777]]
    with pytest.raises(PromptError, match="The label 777 is used by two segments"):
        read_prompts(write(tmp_path, segments), GEOMETRY)


def test_a_doubled_key_among_many_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text("{" + ",".join(f'"{n}":0' for n in [*range(300_000), 299_999]) + "}")
    with pytest.raises(PromptError, match="gives '299999' twice in one object"):
        read_prompts(path, GEOMETRY)


def test_many_long_scribbles_and_lassos_are_read_at_once(tmp_path: Path) -> None:
    """As many voxels as a file of this size can hold; compared by their places, not each with each."""
    path = [[n * 7 % 40, n * 11 % 30, 3] for n in range(10_000)]
    strokes = [{"type": "scribble", "path": path[n:] + path[:n]} for n in range(30)]
    strokes += [{"type": "lasso", "vertices": path[n:] + path[:n], "positive": False} for n in range(30)]
    (found,) = read_prompts(write(tmp_path, [segment(prompts=strokes)]), GEOMETRY)
    assert [len(prompts) for prompts in found.by_slice().values()] == [60]


def test_many_points_of_many_slices_are_grouped_by_slice() -> None:
    points = tuple(PointPrompt((i, j, k)) for k in range(20) for j in range(30) for i in range(33))
    groups = SegmentPrompts("liver", 1, points).by_slice()
    assert [len(prompts) for prompts in groups.values()] == [990] * 20
    assert tuple(prompt for prompts in groups.values() for prompt in prompts) == points


def test_the_memory_of_parsed_json_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prompts.json"
    path.write_text("[" + "[]," * 100_000 + "[]]")
    monkeypatch.setattr(memory, "MAX_READING_BYTES", 10**7)
    with pytest.raises(PromptError, match=r"prompts.json needs .* GB of memory"):
        read_prompts(path, GEOMETRY)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_pipes_and_devices_are_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", Path("/dev/zero")):
        with pytest.raises(PromptError, match="is not an ordinary file"):
            read_prompts(path, GEOMETRY)
        with pytest.raises(ConfigError, match="is not an ordinary file"):
            read_table(path)
