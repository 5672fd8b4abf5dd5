"""What the product keeps open or mapped, on a system that then refuses to replace or delete it, as Windows does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.runtime import load_model
from dfqsam_core.runtime.engines.unpacked_cache import UnpackedCache
from dfqsam_core.store.model_file import write_model
from Testing.support import windows_files
from Testing.support.packed_toy import calibrated_toy, random_pixels

pytestmark = pytest.mark.skipif(not windows_files.CAN_TELL, reason="asks /proc what is open; Windows does it itself")


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses as Windows does."""
    windows_files.refuse_what_is_in_use(monkeypatch)


def float_checkpoint(folder: Path) -> Path:
    """A checkpoint of torch.save."""
    pytest.importorskip("torch")
    from Testing.support.checkpoint_file import write_toy_checkpoint

    return write_toy_checkpoint(folder)


def packed_model(folder: Path) -> Path:
    """A packed model."""
    write_model(folder / "toy.safetensors", calibrated_toy())
    return folder / "toy.safetensors"


@pytest.mark.parametrize("make", [packed_model, float_checkpoint])
def test_a_loaded_model_can_be_quantized_anew(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    model = load_model(path, threads=1)
    write_model(path, calibrated_toy(), force=True)
    assert model.encode(random_pixels(model.architecture)).shape == (1, 256, 4, 4)


def test_an_entry_of_the_cache_that_runs_stays_whole_when_room_is_made(tmp_path: Path) -> None:
    """Half of it was deleted: every later start found a damaged entry that it could neither use nor replace."""
    path, folder = packed_model(tmp_path), tmp_path / "cache"
    running = load_model(path, 1, UnpackedCache(folder))
    [entry] = folder.iterdir()
    UnpackedCache(folder, max_bytes=1).fill("other", lambda place: (place / "a").write_bytes(b"a") and None)
    assert UnpackedCache(folder).find(entry.name.removesuffix(".unpacked")) == entry
    pixels = random_pixels(running.architecture)
    before = running.encode(pixels)
    del running
    np.testing.assert_array_equal(load_model(path, 1, UnpackedCache(folder)).encode(pixels), before)


def test_a_resumed_synthesis_can_save_its_state_again(tmp_path: Path) -> None:
    """Tensors of the state were mapped from the very file that the next state replaces."""
    torch = pytest.importorskip("torch")
    from dfqsam_core.quant.synthesis.work_folder import WorkFolder

    state = {"labels": torch.tensor([True, False]), "steps": 3, "pixels": torch.arange(1000.0)}
    WorkFolder(tmp_path / "work", {}, resume=False).save(0, state)
    work = WorkFolder(tmp_path / "work", {}, resume=True)
    found = work.load(0)
    assert found is not None
    work.save(0, found | {"steps": 4})
    again = work.load(0)
    assert again is not None
    assert (again["steps"], again["labels"].tolist()) == (4, [True, False])
    assert torch.equal(again["pixels"], state["pixels"])
    work.remove()
    assert not (tmp_path / "work").exists()
