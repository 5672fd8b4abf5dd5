"""A program that quits while its worker encodes ends as if nothing had been going on."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.support.finished import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
# The engine's own threads must be gone before the program takes its code apart.
PROGRAM = """
import sys, time
from dfqsam_core import load_model
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.resources import DEMO_MODEL, DEMO_VOLUME, resource_path
from dfqsam_core.volume import SliceKey, VolumeSession, read_volume
from dfqsam_scene.jobs.encoding_ahead import EncodingAhead
from dfqsam_scene.jobs.worker import Job, Worker

seconds, what, end = float(sys.argv[1]), sys.argv[2], sys.argv[3]
model = load_model(resource_path(DEMO_MODEL), threads=2)
cache = EmbeddingCache()
slices = VolumeSession(read_volume(resource_path(DEMO_VOLUME)), model, "abdomen", cache=cache).slices
worker, begun = Worker(), []

def encode(progress):
    for index in range(20):
        cache.clear()
        slices.embed(SliceKey("K", index))
        begun.append(index)

if what == "a job":
    worker.submit(Job(encode))
else:
    ahead = EncodingAhead(worker, slices)
    ahead.look_at(SliceKey("K", 15))
while not begun and not slices.encodings:
    time.sleep(0.001)
time.sleep(seconds)
if end == "closed":
    worker.close(0)
print("left", flush=True)
"""


@pytest.mark.parametrize("end", ["closed", "forgotten"])
@pytest.mark.parametrize("what", ["a job", "ahead"])
def test_quitting_at_any_moment_of_an_encoding_is_no_crash(what, end):
    paths = [str(ROOT), str(ROOT / "DFQSAMSlicer")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    seconds = random.Random(f"{what}{end}").uniform(0, 0.1)
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seconds), what, end],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert (found.returncode, found.stdout) == (0, "left\n"), found.stderr
