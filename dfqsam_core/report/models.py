"""The report's packed models, made once each: an interrupted report goes on from what its work folder holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base.machine import peak_memory_bytes
from ..base.outputs import write_json
from ..errors import OutputError
from ..progress import Progress, ProgressCallback
from ..quant import QuantConfig, quantize
from ..store.card import library_versions
from ..store.file_identity import FileSource


class ReportModels:
    """Packed models of one checkpoint in `folder`, under names that tell checkpoint, settings and library versions."""

    def __init__(
        self, folder: Path, checkpoint: Path, threads: int | None = None, conventions: str | None = None
    ) -> None:
        """conventions: as `quantize` has them.

        Raises OutputError where the folder cannot be made, OSError where the checkpoint cannot be read."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The work folder {folder} cannot be made: {error.strerror}. Choose --work-dir."
            ) from error
        self.folder, self.checkpoint, self.threads, self.conventions = folder, checkpoint, threads, conventions
        self._known = [FileSource.of(checkpoint).sha256, library_versions("torch", "numpy", "scipy")]
        self._known += [conventions] if conventions else []

    def make(self, config: QuantConfig, progress: ProgressCallback | None = None) -> tuple[Path, dict[str, Any]]:
        """The packed model of `config`, and what making it took: "seconds" by part and "peak_memory_bytes".

        One that was finished before is taken as it is; one that was interrupted goes on. Errors are those of
        `quantize`.
        """
        name = f"{config.recipe}-{self._digest(config)}"
        model, costs_file = self.folder / f"{name}.safetensors", self.folder / f"{name}.json"
        costs = _read_costs(costs_file)
        if costs is None or not model.is_file():
            made = quantize(
                self.checkpoint,
                model,
                config,
                threads=self.threads,
                work_dir=self.folder / f"{name}.work",
                resume=True,
                force=True,
                progress=named(progress, config.recipe),
                conventions=self.conventions,
            )
            costs = {"seconds": made["seconds"], "peak_memory_bytes": peak_memory_bytes()}
            write_json(costs_file, costs, force=True)
        return model, costs

    def _digest(self, config: QuantConfig) -> str:
        return hashlib.sha256(json.dumps([*self._known, config.to_dict()], sort_keys=True).encode()).hexdigest()[:12]


def named(progress: ProgressCallback | None, name: str) -> ProgressCallback | None:
    """The same callback, whose stages begin with `name`, so that those of two recipes are told apart."""
    return None if progress is None else lambda step: progress(_renamed(step, name))


def _renamed(step: Progress, name: str) -> Progress:
    return replace(step, stage=f"{name}: {step.stage}")


def _read_costs(path: Path) -> dict[str, Any] | None:
    try:
        costs = json.loads(path.read_text(encoding="utf-8"))
        return {"seconds": dict(costs["seconds"]), "peak_memory_bytes": costs["peak_memory_bytes"]}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        # Absent, or of a run that was killed in mid-work: the model is made again.
        return None
