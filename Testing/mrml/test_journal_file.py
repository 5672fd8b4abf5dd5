"""A journal of any length: whole batches are read, whatever else is there is not, and one process writes it."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.errors import OutputError
from dfqsam_scene.jobs import journals as folder_module
from dfqsam_scene.jobs.journal_file import JournalFile
from dfqsam_scene.jobs.journals import WHOLE, Journals

BATCHES = [[(("a", 1), "x" * 50), (("b",), [1, 2])], [(("a", 1), "y"), (("b",), None)], [(("c", "K", 4), {"d": 1})]]
AFTER = [{}, {("a", 1): "x" * 50, ("b",): [1, 2]}, {("a", 1): "y"}, {("a", 1): "y", ("c", "K", 4): {"d": 1}}]


def written(path):
    """A journal of the batches; returns the file's size before the first and after each."""
    journal = JournalFile.create(path)
    sizes = [journal.size]
    for batch in BATCHES:
        journal.append(batch)
        sizes.append(journal.size)
    assert journal.read() == AFTER[-1]
    journal.close()
    assert sizes[-1] == path.stat().st_size
    return sizes


def test_cut_anywhere_it_holds_the_batches_that_are_whole_and_goes_on_from_there(tmp_path):
    path = tmp_path / "j.journal"
    sizes = written(path)
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        journal = JournalFile.take(path)
        if cut < sizes[0]:
            assert journal is None
            continue
        expected = AFTER[max(n for n, size in enumerate(sizes) if size <= cut)]
        assert journal.entries_at_start == expected
        journal.append([(("later",), cut)])
        journal.close()
        again = JournalFile.take(path)
        assert again.entries_at_start == expected | {("later",): cut}
        again.close()


def test_damage_ends_what_is_read_and_never_raises(tmp_path):
    path = tmp_path / "j.journal"
    written(path)
    data, seen = path.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[seen.randrange(len(data))] ^= 1 << seen.randrange(8)
        path.write_bytes(damaged)
        journal = JournalFile.take(path)
        assert journal is None or journal.entries_at_start in AFTER
        if journal is not None:
            journal.close()


def test_links_pipes_and_strangers_files_are_no_journals(tmp_path):
    written(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("hello")
    assert [JournalFile.take(tmp_path / name) for name in ("link", "pipe", "text", "absent")] == [None] * 4


def test_a_journal_in_use_by_another_process_is_left_alone_until_that_is_killed(tmp_path):
    program = (
        "import pathlib, sys, time; from dfqsam_scene.jobs.journals import *; j = Journals(pathlib.Path(sys.argv[1]))"
        "; f = j.create('d' * 64); f.append([(WHOLE, True)]); print('ready', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "j")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    journals = Journals(tmp_path / "j")
    assert journals.are_there()
    assert journals.take_left("d" * 64) is None
    process.kill()
    process.wait()
    process.stdout.close()
    assert journals.take_left("e" * 64) is None
    assert journals.take_left("d" * 64).entries_at_start == {WHOLE: True}


def test_a_full_disk_leaves_what_was_whole(tmp_path):
    path = tmp_path / "j.journal"
    journal = JournalFile.create(path)
    journal.append(BATCHES[0])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.size + 40, limits[1]))
    try:
        with pytest.raises(OutputError, match="Work cannot be kept"):
            journal.append([(("noise",), random.Random(0).randbytes(4000).hex())])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.close()
    assert JournalFile.take(path).entries_at_start == AFTER[1]


def test_what_was_replaced_is_left_out_of_a_compact_journal(tmp_path):
    journals = Journals(tmp_path)
    journal = journals.create("d" * 64)
    for n in range(200):
        journal.append([(("plane", n % 3), random.Random(n).randbytes(500).hex())])
    journal.append([(WHOLE, True)])
    before = journal.read()
    compact = journals.compacted(journal, "d" * 64)
    assert compact.size < journal.size / 20
    assert compact.read() == before
    assert list(compact.read()) == list(before), "the order tells which plane was noted last"
    assert [path.name for path in tmp_path.iterdir()] == [compact.path.name]


def test_the_oldest_go_when_there_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "_MOST_FILES", 4)
    journals = Journals(tmp_path)
    for n in range(8):
        journal = journals.create("d" * 64)
        journal.append([(WHOLE, n + 1)])
        os.utime(journal.path, (n + 1, n + 1))
        journal.close()
    assert len(list(tmp_path.iterdir())) == 4
    assert journals.take_left("d" * 64).entries_at_start == {WHOLE: 8}
