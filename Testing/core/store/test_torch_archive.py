"""Checkpoints of torch.save, read without torch (T7): the published layout, views, and everything that is unsafe."""

from __future__ import annotations

import collections
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfqsam_core.errors import CheckpointError
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.stored_tensor import FLOAT_TYPES, StoredTensor
from dfqsam_core.store.torch_archive import read_torch_archive
from Testing.support.toy import random_tensors, toy_architecture

torch = pytest.importorskip("torch", reason="torch writes the files of these tests")


@pytest.fixture(scope="module")
def state_dict() -> dict[str, Any]:
    tensors = random_tensors(toy_architecture(), 0)
    return collections.OrderedDict((name, torch.from_numpy(tensor)) for name, tensor in tensors.items())


@pytest.fixture(scope="module")
def small_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archives") / "small.pth"
    torch.save({"model": {"a": torch.arange(6.0).reshape(2, 3)}, "epoch": 3}, path)
    return path


def assert_equal(path: Path, state_dict: dict[str, Any]) -> None:
    tensors = read_checkpoint(path).tensors
    assert set(tensors) == set(state_dict)
    for name, tensor in state_dict.items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy(), err_msg=name, strict=True)


def test_the_published_layout_with_an_adam_object_is_read(state_dict: dict[str, Any], tmp_path: Path) -> None:
    trained = [torch.nn.Parameter(tensor.clone()) for name, tensor in state_dict.items() if "mask_decoder" in name]
    optimizer = torch.optim.Adam(trained, lr=1e-4)
    sum(parameter.square().sum() for parameter in trained).backward()
    optimizer.step()
    path = tmp_path / "sam-med2d_b.pth"
    torch.save({"model": state_dict, "optimizer": optimizer}, path)
    weights = sum(tensor.nbytes for tensor in state_dict.values())
    assert path.stat().st_size > 2.5 * weights

    tracemalloc.start()
    read_checkpoint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * weights
    assert_equal(path, state_dict)


@pytest.mark.parametrize(
    "layout",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 5, "loss": 0.25},
        lambda weights: {"model": dict(weights)},
        lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()},
        lambda weights: {name: torch.nn.Parameter(tensor) for name, tensor in weights.items()},
        lambda weights: weights | {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)},
    ],
    ids=["plain", "state_dict", "model", "module", "parameters", "pixels"],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_common_layouts_are_read(
    state_dict: dict[str, Any], tmp_path: Path, layout: Callable[[Any], Any], protocol: int
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(layout(dict(state_dict)), path, pickle_protocol=protocol)
    assert_equal(path, state_dict)


def test_views_with_offsets_and_strides_are_read(state_dict: dict[str, Any], tmp_path: Path) -> None:
    name, table = "image_encoder.blocks.0.attn.qkv.weight", "image_encoder.blocks.0.attn.rel_pos_h"
    block = torch.cat([torch.full((7, 16), 9.0), state_dict[table]])
    views = {**state_dict, name: state_dict[name].T.contiguous().T, table: block[7:]}
    path = tmp_path / "views.pth"
    torch.save(views, path)
    assert not views[name].is_contiguous()
    assert_equal(path, state_dict)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_float_types_become_float32(state_dict: dict[str, Any], tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "weights.pth"
    torch.save({name: tensor.to(dtype) for name, tensor in state_dict.items()}, path)
    assert_equal(path, {name: tensor.to(dtype).float() for name, tensor in state_dict.items()})


def test_reading_the_table_reads_no_storage(small_archive: Path) -> None:
    saved = read_torch_archive(small_archive)
    tensor = saved["model"]["a"]
    assert (saved["epoch"], tensor.dtype, tensor.shape) == (3, "float32", (2, 3))
    np.testing.assert_array_equal(tensor.read(), [[0, 1, 2], [3, 4, 5]])


def test_a_state_dict_with_other_things_is_refused(tmp_path: Path) -> None:
    for saved, message in {
        "list": ([torch.zeros(1)], "holds a list, not a state dict"),
        "number": ({"image_encoder.pos_embed": 5}, "Entry 'image_encoder.pos_embed' of number is a int"),
        "long": ({"weight": torch.zeros(1, dtype=torch.int64)}, "Entry 'weight' of long is int64, not a float tensor"),
        "keys": ({1: torch.zeros(1)}, "holds a dict, not a state dict"),
    }.values():
        path = tmp_path / message.split(" of ")[-1].split()[0]
        torch.save(saved, path)
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(path)


class Evil:
    """Runs a shell command when unpickled without care."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_a_pickle_that_wants_to_run_code_is_refused_by_name_and_does_not_run(tmp_path: Path) -> None:
    owned = tmp_path / "owned"
    evil = Evil(f"touch {owned}")
    torch.save({"model": {"a": torch.zeros(1)}, "extra": evil}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"wants to use '(posix|nt).system'.* nothing of it was run"):
        read_checkpoint(tmp_path / "evil.pth")
    torch.save({"model": evil}, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"model": evil}))
    for name in ("legacy.pth", "plain.pth"):
        with pytest.raises(CheckpointError, match="could run code and is not opened"):
            read_checkpoint(tmp_path / name)
    assert not owned.exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "builtins getattr", "torch load", "torch._utils _rebuild_xla_tensor", "os system"]
)
def test_names_beside_the_dozen_are_refused(small_archive: Path, tmp_path: Path, name: str) -> None:
    module, attribute = name.split()
    path = rewritten(small_archive, tmp_path, table=f"c{module}\n{attribute}\n.".encode())
    with pytest.raises(CheckpointError, match=f"wants to use '{module}.{attribute}'"):
        read_torch_archive(path)


def rewritten(archive: Path, folder: Path, table: bytes | None = None, **members: bytes | None) -> Path:
    """A copy of `archive` with another data.pkl, and with `members` replaced (None: left out)."""
    path = folder / "rewritten.pth"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            short = info.filename.rsplit("/", 1)[-1]
            content = members.get(f"m{short}", old.read(info)) if short != "data.pkl" else table or old.read(info)
            if content is not None:
                new.writestr(info.filename, content)
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"m0": None}, "storage '0' is missing"),
        ({"m0": b"\0" * 20}, "storage '0' is shorter than it says"),
        ({"mbyteorder": b"big"}, "big-endian"),
    ],
    ids=["missing", "short", "big-endian"],
)
def test_a_damaged_storage_is_refused(small_archive: Path, tmp_path: Path, members: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_torch_archive(rewritten(small_archive, tmp_path, **members))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # The table says (2, 3) as BININT1 numbers; torch writes the offset as BININT1 0 before it.
        (b"K\x02K\x03\x86", b"K\x02K\x04\x86", r"shape \(2, 4\) exceeds its storage"),
        (b"K\x03K\x01\x86", b"K\x09K\x01\x86", r"shape \(2, 3\) exceeds its storage"),
        (b"K\x03K\x01\x86", b"K\x03N\x86", r"strides \(3, None\)"),
        (b"K\x02K\x03\x86", b"J\xff\xff\xff\xffK\x03\x86", r"shape \(-1, 3\)"),
        (b"K\x02K\x03\x86", b"K\x02\x85", r"shape \(2,\), strides \(3, 1\)"),
        (b"QK\x00", b"QK\x01", r"exceeds its storage"),
    ],
    ids=["shape", "stride", "none", "negative", "rank", "offset"],
)
def test_a_tensor_outside_its_storage_is_refused(
    small_archive: Path, tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    with zipfile.ZipFile(small_archive) as archive:
        table = archive.read("small/data.pkl")
    assert table.count(old) == 1
    with pytest.raises(CheckpointError, match=message):
        read_torch_archive(rewritten(small_archive, tmp_path, table=table.replace(old, new)))


def test_one_value_shown_many_times_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(1000, 1000)}, tmp_path / "bomb.pth")
    with pytest.raises(CheckpointError, match=r"shape \(1000, 1000\) exceeds its storage"):
        read_torch_archive(tmp_path / "bomb.pth")


def test_a_compressed_archive_is_refused(small_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(small_archive) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info) if info.filename.endswith("pkl") else b"\0" * 10**7)
    with pytest.raises(CheckpointError, match=r"member 'small/(data.pkl|byteorder)' is compressed"):
        read_torch_archive(path)


def test_a_wild_memo_number_is_refused_before_memory_is_reserved(small_archive: Path, tmp_path: Path) -> None:
    path = rewritten(small_archive, tmp_path, table=b"\x80\x02}r\xff\xff\xff\xff.")
    with pytest.raises(CheckpointError, match="memo number 4294967295 is too large"):
        read_torch_archive(path)


def test_other_archives_are_refused(small_archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.txt", "not a table")
    with pytest.raises(CheckpointError, match=r"is a ZIP archive, but none of torch.save"):
        read_torch_archive(tmp_path / "photos.zip")
    path = rewritten(small_archive, tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("small/constants.pkl", b"")
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read_torch_archive(path)


def test_a_truncated_archive_is_refused(small_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    path.write_bytes(small_archive.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"cut.pth is truncated or damaged"):
        read_torch_archive(path)


def test_no_file_sets_attributes_of_what_a_name_stands_for(small_archive: Path, tmp_path: Path) -> None:
    # BUILD would set them; the next file would see them.
    name = b"\x80\x02ctorch._utils\n_rebuild_parameter\n"
    marked = rewritten(small_archive, tmp_path, table=name + b"N}X\x04\x00\x00\x00markK\x01s\x86b.")
    with pytest.raises(CheckpointError, match=r"it sets attributes of the name torch._utils._rebuild_parameter"):
        read_torch_archive(marked)
    assert not hasattr(read_torch_archive(rewritten(small_archive, tmp_path, table=name + b".")), "mark")


def refusal(path: Path) -> str | None:
    """What is said when `path` is refused; None when it and its tensors are read. Other exceptions pass through."""
    try:
        saved = read_torch_archive(path)
    except CheckpointError as error:
        return str(error)
    model = saved.get("model") if isinstance(saved, dict) else None
    for value in model.values() if isinstance(model, dict) else ():
        if isinstance(value, StoredTensor) and value.dtype in FLOAT_TYPES:
            value.read_float32()
    return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_end_in_an_object_or_a_sentence(small_archive: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(small_archive.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.pth"
    path.write_bytes(content)
    sentence = refusal(path)
    assert sentence is None or sentence.endswith(".")
