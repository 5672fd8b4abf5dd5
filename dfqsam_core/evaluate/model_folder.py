"""Packed models of many configs in one folder: made once each, with the synthetic images that they share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.machine import worker_count
from ..base.outputs import atomic_output
from ..errors import ConfigError
from ..model import SamMed2D
from ..progress import ProgressCallback
from ..quant.config import QuantConfig
from ..quant.pipeline import pack, single_threaded_kernels
from ..quant.synthesis.image_size import image_network
from ..quant.synthesis.synthesis import image_facts, synthesize
from ..store.card import library_versions
from ..store.checkpoint import Checkpoint, read_checkpoint
from ..store.model_file import write_model


class ModelFolder:
    """Quantizes one checkpoint into a folder, under names that tell checkpoint, config and library versions."""

    def __init__(
        self,
        folder: Path,
        checkpoint_path: Path,
        threads: int | None = None,
        conventions: str | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """threads: None for all cores. device: torch's, for images and calibration. conventions: of `read_checkpoint`.

        Raises ConfigError for less than one thread, CheckpointError for an unusable checkpoint.
        """
        self.folder, self.threads, self.device = folder, worker_count(threads), torch.device(device)
        self.checkpoint: Checkpoint = read_checkpoint(checkpoint_path, conventions)

    def model(
        self,
        config: QuantConfig,
        progress: ProgressCallback | None = None,
        images: Callable[[], Tensor] | None = None,
    ) -> Path:
        """The packed model of `config`, made now unless it is there already.

        images: gives other images (B, 1, S, S) in 0..1 to calibrate on, where config.recipe says which.
        """
        path = self._path(config.recipe, config.to_dict(), ".safetensors")
        if not path.is_file():
            with single_threaded_kernels():
                pixels = images() if images else self.pixels(config, progress)
                model = SamMed2D.from_checkpoint(self.checkpoint).to(self.device)
                pixels, source = pixels.to(self.device), self.checkpoint.source
                notes, stated = self.checkpoint.notes + self.checkpoint.cautions, self.checkpoint.stated_conventions
                packed = pack(model, pixels, config, source, self.threads, progress, notes, stated)
            write_model(path, packed)
        return path

    def pixels(self, config: QuantConfig, progress: ProgressCallback | None = None) -> Tensor:
        """Synthetic images (B, 1, S, S) in 0..1 of `config`, the same for configs that only calibrate differently."""
        path = self._path("images", image_facts(self.checkpoint.source.sha256, config.synthesis, config.seed), ".npy")
        if not path.is_file():
            threads = self.threads if self.device.type == "cpu" else 1
            network = image_network(self.checkpoint).to(self.device)
            images = synthesize(network, config.synthesis, config.seed, threads, progress=progress)
            with atomic_output(path) as temporary:
                np.save(temporary, torch.cat([image.pixels for image in images]).cpu().numpy())
        try:
            return torch.from_numpy(np.load(path, allow_pickle=False))
        except (ValueError, EOFError) as error:
            raise ConfigError(f"The images {path} are damaged. Delete the file, and start again.") from error

    def _path(self, name: str, settings: dict[str, Any], ending: str) -> Path:
        stated, versions = self.checkpoint.stated_conventions, library_versions("torch", "numpy", "scipy")
        named = [self.checkpoint.source.sha256, settings, versions, *([stated.name] if stated else [])]
        known = json.dumps(named, sort_keys=True)
        digest = hashlib.sha256(known.encode()).hexdigest()[:12]
        return self.folder / f"{name.replace(' ', '-')}-{digest}{ending}"
