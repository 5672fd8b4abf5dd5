"""The cache of unpacked models: nothing in it can change a result, and nothing in it is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dfqsam_core
from dfqsam_core.errors import ModelFileError
from dfqsam_core.progress import Cancelled, Progress
from dfqsam_core.runtime import load_model
from dfqsam_core.runtime.engines import start as packed_start
from dfqsam_core.runtime.engines import unpacked_cache
from dfqsam_core.runtime.engines.unpacked_cache import UnpackedCache
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy, random_pixels

PIXELS = random_pixels(calibrated_toy().architecture)


@pytest.fixture(scope="module")
def packed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "toy.safetensors"
    write_model(path, calibrated_toy())
    return path


@pytest.fixture(scope="module")
def filled(packed_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    load_model(packed_file, threads=1, cache=UnpackedCache(folder))
    return folder


def write_hello(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"hello" * 1000)


def never(folder: Path) -> None:
    raise AssertionError("must not be asked")


def test_a_cached_model_gives_the_same_bytes(packed_file: Path, filled: Path) -> None:
    plain, cached = (load_model(packed_file, threads=1, cache=cache) for cache in (None, UnpackedCache(filled)))
    np.testing.assert_array_equal(cached.encode(PIXELS), plain.encode(PIXELS))
    assert (cached.digest, cached.card) == (plain.digest, plain.card)
    assert len(list(filled.iterdir())) == 1


@pytest.mark.parametrize("is_cached", [False, True])
def test_a_load_that_is_cancelled_ends_at_the_next_part_and_leaves_nothing(
    packed_file: Path, tmp_path: Path, is_cached: bool
) -> None:
    begun: list[Progress] = []

    def cancel_at_the_second(progress: Progress) -> None:
        if begun:
            raise Cancelled
        begun.append(progress)

    cache = UnpackedCache(tmp_path) if is_cached else None
    with pytest.raises(Cancelled):
        load_model(packed_file, threads=1, cache=cache, progress=cancel_at_the_second)
    assert len(begun) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_load_from_the_cache_can_be_cancelled(packed_file: Path, filled: Path) -> None:
    def cancel(_: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        load_model(packed_file, threads=1, cache=UnpackedCache(filled), progress=cancel)
    assert len(list(filled.iterdir())) == 1


def test_a_second_start_neither_reads_codes_nor_writes(
    packed_file: Path, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_start, "save_parts", never)
    monkeypatch.setattr(packed_start, "read_model", never)
    assert load_model(packed_file, threads=1, cache=UnpackedCache(filled)).encode(PIXELS).shape == (1, 256, 4, 4)


@settings(deadline=None, max_examples=20)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_any_changed_byte_is_noticed(filled: Path, place: float, value: int) -> None:
    (entry,) = filled.iterdir()
    files = [path for path in sorted(entry.iterdir()) if path.name != "manifest.json"]
    path = files[int(place * len(files))]
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= value
    damaged = filled.parent / "damaged" / entry.name
    shutil.rmtree(damaged.parent, ignore_errors=True)
    shutil.copytree(entry, damaged)
    (damaged / path.name).write_bytes(content)
    cache = UnpackedCache(damaged.parent)
    assert cache.find(entry.name.removesuffix(".unpacked")) is None
    assert not damaged.exists()


@pytest.mark.parametrize("damage", ["missing file", "no manifest", "manifest of nonsense", "half a file"])
def test_a_damaged_entry_is_made_again(packed_file: Path, filled: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(filled, folder)
    (entry,) = folder.iterdir()
    decoder, manifest = entry / "decoder.onnx", entry / "manifest.json"
    {
        "missing file": decoder.unlink,
        "no manifest": manifest.unlink,
        "manifest of nonsense": lambda: manifest.write_bytes(b"\xff["),
        "half a file": lambda: os.truncate(decoder, 100),
    }[damage]()
    model = load_model(packed_file, threads=1, cache=UnpackedCache(folder))
    np.testing.assert_array_equal(model.encode(PIXELS), load_model(packed_file, 1, cache=None).encode(PIXELS))
    assert UnpackedCache(folder).find(entry.name.removesuffix(".unpacked")) == entry


def test_what_the_engine_refuses_is_left_aside(
    packed_file: Path, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(filled, folder)
    (entry,) = folder.iterdir()
    (entry / "decoder.onnx").write_bytes(b"no graph")
    monkeypatch.setattr(unpacked_cache, "_is_whole", lambda entry: True)
    assert load_model(packed_file, 1, cache=UnpackedCache(folder)).encode(PIXELS).shape == (1, 256, 4, 4)


def test_a_folder_that_cannot_be_written_does_no_harm(packed_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    model = load_model(packed_file, threads=1, cache=UnpackedCache(tmp_path / "file" / "cache"))
    assert model.encode(PIXELS).shape == (1, 256, 4, 4)
    assert UnpackedCache(tmp_path / "file").fill("key", write_hello) is None


def test_a_damaged_model_is_refused_and_leaves_nothing(packed_file: Path, tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes(packed_file.read_bytes()[:-1000])
    with pytest.raises(ModelFileError):
        load_model(truncated, cache=UnpackedCache(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_least_recently_used_entries_go_and_nothing_else(tmp_path: Path) -> None:
    cache = UnpackedCache(tmp_path, max_bytes=12_000)
    (tmp_path / "notes.txt").write_text("mine")
    for age, key in ((300, "old"), (200, "older use"), (100, "new")):
        entry = cache.fill(key, write_hello)
        assert entry is not None
        os.utime(entry / "manifest.json", (0, 1_000_000 - age))
    assert cache.find("old") is None
    assert cache.find("older use") is not None
    os.utime(tmp_path / "new.unpacked" / "manifest.json", (0, 0))
    cache.fill("newest", write_hello)
    assert (cache.find("new"), cache.find("older use") is None, cache.find("newest") is None) == (None, False, False)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_key_depends_on_model_engine_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    key = packed_start.cache_key("a" * 64)
    assert key == packed_start.cache_key("a" * 64)
    assert key != packed_start.cache_key("b" * 64)
    monkeypatch.setattr(packed_start.machine, "cpu_fingerprint", lambda: "another processor")
    assert key != packed_start.cache_key("a" * 64)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copy") / "dfqsam_core"
    shutil.copytree(Path(dfqsam_core.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "_resources"))
    return copy


def test_the_key_depends_on_each_file_of_the_code(package: Path) -> None:
    key = packed_start.cache_key("a" * 64, package)
    for path in packed_start.unpacking_code(package):
        source = path.read_bytes()
        path.write_bytes(source + b"# changed\n")
        assert packed_start.cache_key("a" * 64, package) != key, path
        path.write_bytes(source)
    assert packed_start.cache_key("a" * 64, package) == key


def test_the_key_depends_on_new_folders_and_on_names(package: Path) -> None:
    key = packed_start.cache_key("a" * 64, package)
    new = package / "runtime" / "graph" / "new" / "deeper"
    new.mkdir(parents=True)
    (new / "a.py").write_text("")
    assert (with_a := packed_start.cache_key("a" * 64, package)) != key
    (new / "a.py").rename(new / "b.py")
    assert packed_start.cache_key("a" * 64, package) not in (key, with_a)
    shutil.rmtree(new.parent)
    assert packed_start.cache_key("a" * 64, package) == key


LOADED = """
import sys
from pathlib import Path
from dfqsam_core.runtime import load_model
from dfqsam_core.runtime.engines.unpacked_cache import UnpackedCache
load_model(sys.argv[1], threads=1, cache=UnpackedCache(Path(sys.argv[2])))
print(*(m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "dfqsam_core"), sep="\\n")
"""


def test_the_key_depends_on_all_that_unpacking_imports(packed_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADED, str(packed_file), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {Path(line).resolve() for line in done.stdout.splitlines()}
    assert len(list(tmp_path.iterdir())) == 1
    assert {path.parent.name for path in loaded} >= {"base", "network", "store", "runtime", "graph", "engines"}
    assert loaded <= set(packed_start.unpacking_code())


def test_small_models_are_not_kept(packed_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_model(packed_file, threads=1)
    assert list(tmp_path.iterdir()) == []


def test_another_models_entry_is_no_entry(filled: Path, tmp_path: Path) -> None:
    (entry,) = filled.iterdir()
    shutil.copytree(entry, tmp_path / "another.unpacked")
    assert UnpackedCache(tmp_path).find("another") is None
    assert not (tmp_path / "another.unpacked").exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no owners of files")
@pytest.mark.parametrize("fault", ["link", "linked file", "open to all", "pipe"])
def test_what_is_not_this_users_own_is_no_entry(filled: Path, tmp_path: Path, fault: str) -> None:
    (original,) = filled.iterdir()
    folder, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    folder.mkdir()
    entry = folder / original.name
    shutil.copytree(original, elsewhere)
    shutil.copytree(original, entry)
    if fault == "link":
        shutil.rmtree(entry)
        entry.symlink_to(elsewhere)
    elif fault == "open to all":
        entry.chmod(0o777)
    else:
        (entry / "decoder.onnx").unlink()
        if fault == "pipe":
            os.mkfifo(entry / "decoder.onnx")
        else:
            (entry / "decoder.onnx").symlink_to(elsewhere / "decoder.onnx")
    assert UnpackedCache(folder).find(entry.name.removesuffix(".unpacked")) is None
    assert not os.path.lexists(entry)
    assert len(list(elsewhere.iterdir())) == len(list(original.iterdir()))


def test_what_a_killed_program_left_goes_when_it_is_old(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (".partial-old.unpacked", ".partial-new.unpacked", ".partial-other"))
    for folder in (old, new, other):
        folder.mkdir()
        (folder / "a.bin").write_bytes(b"half")
        if folder != new:
            os.utime(folder, (0, 0))
    UnpackedCache(tmp_path).fill("key", write_hello)
    assert {path.name for path in tmp_path.iterdir()} == {"key.unpacked", new.name, other.name}
