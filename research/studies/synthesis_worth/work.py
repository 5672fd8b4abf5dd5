"""What a process of the study does: draw one image, or calibrate and measure one cell."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dfqsam_core.evaluate import EvaluationProtocol, Evaluator, Measurement, Sampling
from dfqsam_core.evaluate.model_folder import ModelFolder
from dfqsam_core.model import SamMed2D
from dfqsam_core.quant.config import SynthesisConfig
from dfqsam_core.quant.pipeline import single_threaded_kernels
from dfqsam_core.quant.synthesis.synthesis import SyntheticImage, image_facts, synthesize
from dfqsam_core.quant.synthesis.work_folder import WorkFolder

from .variants import Cell


@dataclass(frozen=True)
class Study:
    """Settings that every process knows: float checkpoint, folder for images and models, how it is measured.

    device: torch's, on which images are made and ranges chosen; models answer on the CPU.
    """

    checkpoint: Path
    folder: Path
    data: tuple[Path, ...]
    prompts: tuple[str, ...]
    sampling: Sampling
    draws: int
    device: str = "cpu"


def draw(study: Study, config: SynthesisConfig, seed: int, index: int) -> SyntheticImage:
    """Image `index`, from where an earlier run left it; its state is kept every few steps."""
    known = image_facts(_models(study).checkpoint.source.sha256, config, seed) | {"index": index}
    name = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
    (study.folder / "images").mkdir(parents=True, exist_ok=True)
    work = WorkFolder(study.folder / "images" / name, known, resume=True)
    with single_threaded_kernels():
        return synthesize(_network(study), replace(config, images=1), seed, work=work, first=index)[0]


def measure(study: Study, cell: Cell) -> list[dict[str, Any]]:
    """One row for each answer of the model that is calibrated on the cell's images."""
    config = cell.config
    images = [draw(study, config.synthesis, config.seed, index) for index in range(config.synthesis.images)]
    path = _models(study).model(config, images=lambda: torch.cat([image.pixels for image in images]))
    labels = sum(len(image.labels) for image in images) / len(images)
    shared = {"variant": cell.variant, "seed": config.seed, "labels": round(labels, 2)}
    return [shared | _row(found) for found in _evaluator(study).compare(path).measurements]


def _row(found: Measurement) -> dict[str, Any]:
    return {
        "prompt": found.prompt,
        "draw": found.draw,
        "case": found.case,
        "slice": found.slice_index,
        "object": found.name,
        "modality": found.modality,
        "dice": round(found.model.dice, 6),
        "float_dice": round(found.reference.dice, 6),
        "same": round(found.agreement, 6),
    }


# A process of the study works on many cells: it reads the checkpoint and asks the float model once.
@functools.cache
def _models(study: Study) -> ModelFolder:
    study.folder.mkdir(parents=True, exist_ok=True)
    return ModelFolder(study.folder, study.checkpoint, threads=1, device=study.device)


@functools.cache
def _network(study: Study) -> SamMed2D:
    return SamMed2D.from_checkpoint(_models(study).checkpoint).to(study.device)


@functools.cache
def _evaluator(study: Study) -> Evaluator:
    protocol = EvaluationProtocol(study.sampling, study.draws)
    data: Sequence[Path] | None = study.data or None
    return Evaluator(study.checkpoint, data, study.prompts, protocol=protocol, threads=1)
