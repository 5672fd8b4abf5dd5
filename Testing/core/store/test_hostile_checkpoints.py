"""Small files that would keep a reader busy for ever, fill the memory or end it: each is refused in a sentence."""

from __future__ import annotations

import collections
import json
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core.base import memory
from dfqsam_core.errors import CheckpointError, DFQSAMError
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.description import describe_file
from dfqsam_core.store.torch_archive import read_torch_archive
from Testing.support.toy import random_tensors, toy_architecture

# "lol", put into pairs of itself a hundred times: 2**100 values for whoever visits each.
NESTED = b"X\x03\x00\x00\x00lol" + b"2\x86" * 100
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x10tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def archive(folder: Path, table: bytes, name: str = "small.pth") -> Path:
    """An archive as torch.save writes it, with the pickle `table` and one storage of 16 float32 values."""
    path = folder / name
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", table)
        file.writestr("archive/data/0", bytes(64))
    return path


def long_integer(count: int) -> bytes:
    return b"\x8b" + struct.pack("<i", count) + b"\x01" * count


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"\x80\x02}" + NESTED + b"Ns.", "keys are numbers and texts"),
        (b"\x80\x02}" + NESTED + b"\x85\x85Ns.", "keys are numbers and texts"),
        (b"\x80\x02cbuiltins\nset\n]" + NESTED + b"a\x85R.", "holds a list, not a state dict"),
        (b"\x80\x04(" + NESTED + b"\x91.", "holds a list, not a state dict"),
        (b"\x80\x02" + REBUILD + b"(" + STORAGE + b"K\x00" + NESTED + b"K\x01\x85tR.", "a tensor has the shape"),
        (b"\x80\x02(X\x07\x00\x00\x00storage" + NESTED + b"X\x01\x00\x00\x000NK\x10tQ.", "a storage is "),
        (b"\x80\x02}X\x01\x00\x00\x00a" + NESTED + b"s.", "Entry 'a' of small.pth is a tuple"),
        (NESTED + b"N\x85R.", r"it calls \(\(\(\.\.\.\)"),
        (NESTED + b"Na.", "it appends to"),
        (b"]2a.", "holds a list, not a state dict"),
    ],
    ids=["key", "key in pairs", "set", "frozen set", "shape", "storage", "value", "called", "appended to", "itself"],
)
def test_nested_values_are_neither_hashed_nor_printed(tmp_path: Path, table: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as refusal:
        read_checkpoint(archive(tmp_path, table))
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize("name", ["builtins list", "builtins set", "collections OrderedDict"])
def test_copies_of_copies_are_counted(tmp_path: Path, name: str) -> None:
    pairs = name.endswith("Dict")
    many = b"(" + (b"K\x01K\x02\x86" if pairs else b"N") * 2000 + b"tq\x00"
    copy = b"c" + name.replace(" ", "\n").encode() + b"\nh\x00\x85R"
    with pytest.raises(CheckpointError, match="copies more than 1000000 values"):
        read_torch_archive(archive(tmp_path, b"\x80\x02" + many + b"(" + copy * 1000 + b"t."))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"\x80\x02" + long_integer(100_000) + b".", "an integer of 799993 bits"),
        (b"L" + b"9" * 4000 + b"L\n.", "an integer of"),
        (b"\x80\x02" + b"N0" * 600_000 + b"N.", "more than 1000000 steps"),
        (b"\x80\x02" + REBUILD + b"(" + STORAGE + b"K\x00(" + b"K\x01" * 9 + b"t(" + b"K\x01" * 9 + b"ttR.", "shape"),
        (b"\x80\x02" + REBUILD + b"(K\x05K\x00K\x01\x85K\x01\x85tR.", "a tensor has the shape"),
        (
            b"\x80\x02(X\x07\x00\x00\x00storageX\x07\x00\x00\x00float32K\x00\x86X\x01\x00\x00\x000NK\x10tQ.",
            "storage is",
        ),
        (b"\x80\x02ctorch\nFloatStorage\nK\x01\x85R.", "it calls the name torch.FloatStorage"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN\x85R.", "is truncated or damaged"),
        (b"\x80\x02}X\x01\x00\x00\x00a", "is truncated or damaged"),
        (b"(i__main__\nsystem\n.", "the opcode INST"),
    ],
    ids=["integer", "digits", "steps", "dimensions", "no storage", "forged type", "call", "arguments", "end", "object"],
)
def test_what_no_state_dict_needs_is_refused(tmp_path: Path, table: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_torch_archive(archive(tmp_path, table))


def test_tables_of_every_kind_are_read_as_python_reads_them(tmp_path: Path) -> None:
    saved: dict[str, Any] = {
        "ordered": collections.OrderedDict([("a", 1), (2, (3.5, None, True, -(2**40)))]),
        "default": collections.defaultdict(list, {("x", 1): ["text", ""]}),
        "list": [[], {}, (), [1] * 2000],
    }
    for protocol in range(2, 6):
        assert read_torch_archive(archive(tmp_path, pickle.dumps(saved, protocol))) == saved


def test_a_directory_of_a_claimed_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "directory.pth"
    size = 20 * 2**20
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(size - 4) + end)
    with pytest.raises(CheckpointError, match=f"claims a table of {size} bytes"):
        read_checkpoint(path)


def test_many_tensors_on_the_same_bytes_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch writes this file")
    tensors = {name: torch.from_numpy(value) for name, value in random_tensors(toy_architecture(), 0).items()}
    storage = torch.zeros(max(tensor.numel() for tensor in tensors.values()))
    path = tmp_path / "shared.pth"
    torch.save({name: storage[: tensor.numel()].view(tensor.shape) for name, tensor in tensors.items()}, path)
    with pytest.raises(CheckpointError, match="many of them are the same"):
        read_checkpoint(path)


def test_the_memory_of_converted_weights_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "half.safetensors"
    tensors = random_tensors(toy_architecture(), 0)
    save_file({name: value.astype(np.float16) for name, value in tensors.items()}, path)
    read_checkpoint(path)
    monkeypatch.setattr(memory, "MAX_READING_BYTES", sum(value.nbytes for value in tensors.values()))
    with pytest.raises(CheckpointError, match=r"^half.safetensors needs .* GB of memory"):
        read_checkpoint(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")
def test_pipes_and_devices_are_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "nowhere.pth").symlink_to(tmp_path / "absent.pth")
    for path in (tmp_path / "pipe.pth", tmp_path / "nowhere.pth", Path("/dev/zero")):
        with pytest.raises(CheckpointError, match="is not an ordinary file"):
            describe_file(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('{"a": %s, "a": %s}', "not JSON with every key once"),
        ('{"a": {"dtype": "F32", "shape": [' + "9999999," * 100_000 + '1], "data_offsets": [0, 4]}}', "its place"),
        ('{"a": {"dtype": "F32", "shape": [' + "9" * 4000 + '], "data_offsets": [0, 4]}}', "its place"),
    ],
    ids=["doubled key", "dimensions", "digits"],
)
def test_a_wild_header_is_refused(tmp_path: Path, header: str, message: str) -> None:
    entry = json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    text = header.replace("%s", entry).encode()
    path = tmp_path / "wild.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_a_message_is_one_short_line_without_what_steers_a_terminal(tmp_path: Path) -> None:
    name = "\x1b]0;owned\x07\x1b[2J\n\u202e" + "x" * 10**6
    path = tmp_path / "names.safetensors"
    save_file({name: np.zeros(1, np.int64)}, path)
    with pytest.raises(DFQSAMError) as refusal:
        describe_file(path)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 2100
