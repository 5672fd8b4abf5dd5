"""Formats of tools/fuzz_files.py in which one part is mutated and the rest is made to fit: what a plain change of bytes
seldom reaches, because a length or a checksum before it no longer holds."""

from __future__ import annotations

import io
import json
import pickle
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from safetensors.numpy import save

from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.description import describe_file
from dfqsam_core.store.model_file import read_model, write_model
from dfqsam_core.store.row_codes import write_rows
from Testing.support.packed import packed_toy
from Testing.support.toy import random_tensors, toy_architecture

Part = tuple[str, bytes, Callable[[bytes], bytes]]
PICKLE_TOKENS = (
    *(b"2\x86" * 60, b"2\x85" * 3000, b"(" + b"N" * 300 + b"t", b"}", b"]", b")", b"(", b"t", b"e", b"u", b"s", b"a"),
    *(
        b"R",
        b"b",
        b"Q",
        b"h\x01",
        b"q\x01",
        b"\x94",
        b"r\xff\xff\xff\x7f",
        b"\x8a\x09" + b"\xff" * 9,
        b"\x8b\xff\xff\0\0",
    ),
    *(
        b"cbuiltins\nlist\n",
        b"cbuiltins\nset\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch\nFloatStorage\n",
        b"cos\nsystem\n",
    ),
    *(
        b"ctorch\nSize\n",
        b"ctorch.optim.adam\nAdam\n)\x81",
        b"\x8f",
        b"\x91",
        b"\x93",
        b"I-1\n",
        b"L" + b"9" * 5000 + b"L\n",
    ),
)
SCENE_TOKENS = (
    b'fileName="../outside.raw" ',
    b'uri="http://x/y" ',
    b"<!ENTITY a 'b'>",
    b"&a;",
    b"%2e%2e%2f",
    b"<",
    b'"',
)


def checkpoint_parts() -> list[Part]:
    """The pickle of a checkpoint inside its archive; an archive as a whole."""
    tensors = random_tensors(toy_architecture(), 0)
    table = _state_dict_pickle(tensors)

    def archive(content: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            file.writestr("archive/data.pkl", content)
            for number, tensor in enumerate(tensors.values()):
                file.writestr(f"archive/data/{number}", tensor.tobytes())
        return stream.getvalue()

    return [("a.pth", table, archive), ("a.pth", archive(table), _same)]


def header_parts() -> list[Part]:
    """The header of a safetensors checkpoint, with its length before it and its tensors behind it."""
    return _safetensors_parts(random_tensors(toy_architecture(), 0))


def rows_parts() -> list[Part]:
    """A checkpoint of 8 bits a row: its header before whole tensors, and the file as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.safetensors")
        write_rows(path, random_tensors(toy_architecture(), 0), {"use": "tests " * 40})
        whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    header = ("a.safetensors", whole[8:start], lambda text: len(text).to_bytes(8, "little") + text + whole[start:])
    return [header, ("a.safetensors", whole, _same)]


def card_parts() -> list[Part]:
    """The card of a packed model as it is written into a file whose tensors are whole."""
    toy = packed_toy()
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in toy.tensors.items()}

    def file(content: bytes) -> bytes:
        return save(tensors, {"dfqsam": content.decode("utf-8", "replace")})

    with tempfile.TemporaryDirectory() as folder:
        card = write_model(Path(folder, "a.safetensors"), toy).card
    return [("a.safetensors", json.dumps(card, sort_keys=True).encode(), file)]


def work_folder_parts() -> list[Part]:
    """The state of one image of a quantization."""
    from dfqsam_core.quant.synthesis.work_folder import WorkFolder

    with tempfile.TemporaryDirectory() as folder:
        work = WorkFolder(Path(folder), {}, resume=False)
        work.save(0, _state())
        return [("image_0000.safetensors", Path(folder, "image_0000.safetensors").read_bytes(), _same)]


def scene_parts() -> list[Part]:
    """The text of a scene and the header of its image, each within the archive of the other."""
    header = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 2 2 2\nencoding: raw\nendian: little\n"
    image = header + b"a:=data file: x\n\n" + bytes(16)
    scene = b'<MRML version="Slicer5"><VolumeArchetypeStorage id="s1" fileName="Data/ct.nrrd"/>'
    scene += b'<Volume id="v1" storageNodeRef="s1"/></MRML>'

    def archive(text: bytes, voxels: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("scene/scene.mrml", text)
            file.writestr("scene/Data/ct.nrrd", voxels)
        return stream.getvalue()

    return [
        ("a.mrb", scene, lambda content: archive(content, image)),
        ("a.mrb", image, lambda content: archive(scene, content)),
        ("a.mrb", archive(scene, image), _same),
    ]


def read_any_checkpoint(path: Path) -> None:
    """Read a checkpoint and all of its values."""
    describe_file(path)
    read_checkpoint(path)


def read_any_model(path: Path) -> None:
    """Read a packed model; its card must have what the pages and panels show."""
    from dfqsam_scene.jobs.card_text import card_summary

    description = describe_file(path)
    card_summary(read_model(path).card, description["sha256"])


def read_state(path: Path) -> None:
    """Read the state of an image as a resumed quantization does; what is read is what was saved."""
    from dfqsam_core.quant.synthesis.work_folder import WorkFolder

    work = WorkFolder.__new__(WorkFolder)
    work.path = path.parent
    loaded = work.load(0)
    if loaded is None or any((loaded[name] != value).any() for name, value in _state().items() if name != "steps"):
        raise PermissionError("damage was taken for right")


def read_scene(path: Path) -> None:
    """Check a scene as the viewer does before Slicer's readers see it."""
    from dfqsam_viewer.scene_files import unpacked_scene

    with unpacked_scene(path):
        pass


def _same(content: bytes) -> bytes:
    return content


def _state() -> dict[str, Any]:
    import torch

    return {"pixels": torch.arange(64.0).reshape(1, 8, 8), "labels": torch.ones((2, 2), dtype=torch.bool), "steps": 7}


def _safetensors_parts(tensors: dict[str, np.ndarray]) -> list[Part]:
    whole = save({name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()})
    start = 8 + int.from_bytes(whole[:8], "little")

    def file(header: bytes) -> bytes:
        return len(header).to_bytes(8, "little") + header + whole[start:]

    return [("a.safetensors", whole[8:start], file)]


class _Storage:
    """Pickled as a storage of torch is: by a persistent id."""

    def __init__(self, number: int, count: int) -> None:
        self.identity = (number, count)


class _Tensor:
    """Pickled as a tensor of torch is."""

    def __init__(self, number: int, tensor: np.ndarray) -> None:
        strides = tuple(stride // tensor.itemsize for stride in np.ascontiguousarray(tensor).strides)
        self.arguments = (_Storage(number, tensor.size), 0, tensor.shape, strides, False, {})

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_tensor_v2, self.arguments


def _rebuild_tensor_v2(*_: Any) -> None:
    """Stands for torch's function in the pickle, where it gets that one's name."""


class _Type:
    """Stands for torch.FloatStorage in the pickle, where it gets that one's name."""


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        """As torch.save writes a storage."""
        if isinstance(value, _Storage):
            number, count = value.identity
            return "storage", _Type, str(number), "cpu", count
        return None


def _state_dict_pickle(tensors: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, 2).dump({name: _Tensor(number, tensor) for number, (name, tensor) in enumerate(tensors.items())})
    module = __name__.encode()
    text = stream.getvalue().replace(b"c" + module + b"\n_rebuild_tensor_v2", b"ctorch._utils\n_rebuild_tensor_v2")
    return text.replace(b"c" + module + b"\n_Type", b"ctorch\nFloatStorage")
