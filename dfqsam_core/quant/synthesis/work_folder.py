"""Where a long synthesis keeps its state, so that a killed run goes on where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor

from ...base.inputs import is_ours
from ...base.system.files import replace_file
from ...errors import ConfigError, OutputError
from ...store.tensor_digest import file_digest

FINGERPRINT = "dfqsam_synthesis.json"
_DIGEST = "sha256"


class WorkFolder:
    """One file per image, written aside and renamed; a fingerprint ties it all to one checkpoint, recipe and seed."""

    def __init__(self, path: Path, fingerprint: dict[str, Any], resume: bool) -> None:
        """Open `path` for this fingerprint; without `resume` earlier state of ours is removed.

        Raises ConfigError when the folder holds another run's state or files that are not ours.
        """
        self.path = path
        marker = path / FINGERPRINT
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The work folder {path} cannot be made: {error.strerror}. Choose --work-dir.") from error
        if not marker.exists() and any(path.iterdir()):
            raise ConfigError(
                f"The work folder {path} holds other files. Choose an empty or new folder with --work-dir."
            )
        if resume and marker.exists():
            self._check(marker, fingerprint)
            return
        self._remove_images()
        try:
            marker.write_text(json.dumps(fingerprint, sort_keys=True), encoding="utf-8")
        except OSError as error:
            with contextlib.suppress(OSError):
                self.remove()
            raise OutputError(f"Nothing can be written into {path}: {error.strerror}. Choose --work-dir.") from error

    def _check(self, marker: Path, fingerprint: dict[str, Any]) -> None:
        try:
            found = json.loads(marker.read_text(encoding="utf-8")) if is_ours(marker) else None
        except (OSError, ValueError, RecursionError):
            found = None
        if found != json.loads(json.dumps(fingerprint)):
            raise ConfigError(
                f"The work folder {self.path} belongs to another checkpoint, recipe, seed, torch version or "
                "version of the rules of evolution. Start without --resume to begin anew, or choose another --work-dir."
            )

    def _file(self, index: int) -> Path:
        return self.path / f"image_{index:04d}.safetensors"

    def load(self, index: int) -> dict[str, Any] | None:
        """State of image `index`, or None where none was saved. Raises ConfigError when the file is damaged."""
        file = self._file(index)
        if not os.path.lexists(file):
            return None
        try:
            if not is_ours(file):
                raise ConfigError(f"The saved state {file} is not a file of this user. Start without --resume.")
            with safe_open(file, "pt") as opened:
                metadata = opened.metadata() or {}
            # Not mapped: Windows would refuse to replace the file while a tensor of it lives.
            state: dict[str, Any] = dict(load(file.read_bytes()))
            if metadata.get(_DIGEST) != _digest(file, state):
                raise SafetensorError("its values are not those that were saved")
        except (OSError, SafetensorError) as error:
            raise ConfigError(f"The saved state {file} is damaged. Delete it, or start without --resume.") from error
        return {**state, "labels": state["labels"].bool(), "steps": int(state["steps"])}

    def save(self, index: int, state: dict[str, Any]) -> None:
        """Keep the state of image `index`."""
        tensors: dict[str, Tensor] = {
            name: value.detach().cpu().contiguous() for name, value in state.items() if isinstance(value, Tensor)
        }
        tensors["labels"] = tensors["labels"].to(torch.uint8)
        tensors["steps"] = torch.tensor(state["steps"])
        aside = self._file(index).with_suffix(".partial")
        try:
            save_file(tensors, aside, {_DIGEST: _digest(self._file(index), tensors)})
            replace_file(aside, self._file(index))
        except (OSError, SafetensorError) as error:
            raise OutputError(
                f"The state of the run cannot be saved in {self.path}: {error}. Free some space."
            ) from error

    @contextlib.contextmanager
    def discarded_if_unused(self) -> Iterator[None]:
        """Leave no trace when the block fails before there is anything to resume from."""
        try:
            yield
        except BaseException:
            if not any(self.path.glob("image_*.safetensors")):
                self.remove()
            raise

    def remove(self) -> None:
        """Delete our files, and the folder when nothing else is in it."""
        self._remove_images()
        (self.path / FINGERPRINT).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def _remove_images(self) -> None:
        for pattern in ("image_*.safetensors", "image_*.partial"):
            for file in self.path.glob(pattern):
                file.unlink()


def _digest(file: Path, tensors: Mapping[str, Tensor]) -> str:
    return file_digest(file.name, {name: tensor.numpy() for name, tensor in tensors.items()})
