"""What a killed run left is taken up again only when it is exactly what was saved, by this user, for this image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the state is torch's")

from dfqsam_core.errors import ConfigError, OutputError  # noqa: E402
from dfqsam_core.quant.synthesis.work_folder import FINGERPRINT, WorkFolder  # noqa: E402


def state(seed: int) -> dict[str, Any]:
    noise = torch.randn((1, 8, 8), generator=torch.Generator().manual_seed(seed))
    return {"pixels": noise, "labels": noise > 0, "steps": 7}


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    folder = WorkFolder(tmp_path / "work", {"run": 1}, resume=False)
    for index in range(2):
        folder.save(index, state(index))
    return folder


def test_a_state_is_read_as_it_was_saved(work: WorkFolder) -> None:
    loaded = work.load(1)
    assert loaded is not None
    assert torch.equal(loaded["pixels"], state(1)["pixels"])
    assert torch.equal(loaded["labels"], state(1)["labels"])
    assert (loaded["steps"], work.load(2)) == (7, None)


@pytest.mark.parametrize("place", [-1, -65, -100, 30])
def test_a_flipped_bit_is_found(work: WorkFolder, place: int) -> None:
    path = work.path / "image_0001.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"image_0001.safetensors is damaged. Delete it"):
        work.load(1)


def test_another_images_state_is_refused(work: WorkFolder) -> None:
    (work.path / "image_0000.safetensors").replace(work.path / "image_0001.safetensors")
    with pytest.raises(ConfigError, match="is damaged"):
        work.load(1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_is_no_file_of_ours_is_not_opened(work: WorkFolder, kind: str) -> None:
    path = work.path / "image_0001.safetensors"
    content = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        (work.path.parent / "elsewhere").write_bytes(content)
        path.symlink_to(work.path.parent / "elsewhere")
    with pytest.raises(ConfigError, match="is not a file of this user"):
        work.load(1)


def test_a_fingerprint_that_is_a_pipe_or_nested_deeply_is_another_runs(work: WorkFolder) -> None:
    marker = work.path / FINGERPRINT
    marker.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="belongs to another checkpoint"):
        WorkFolder(work.path, {"run": 1}, resume=True)
    if hasattr(os, "mkfifo"):
        marker.unlink()
        os.mkfifo(marker)
        with pytest.raises(ConfigError, match="belongs to another checkpoint"):
            WorkFolder(work.path, {"run": 1}, resume=True)


def test_a_full_disk_leaves_no_folder_that_seems_to_be_another_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin_and_fail(path: Path, text: str, **_: Any) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", begin_and_fail)
    with pytest.raises(OutputError, match="No space left on device"):
        WorkFolder(tmp_path / "work", {"run": 1}, resume=False)
    assert not (tmp_path / "work").exists()
