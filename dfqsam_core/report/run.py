"""The whole report in order: look at the data, quantize, measure, time; what is found is numbers without names."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.machine import cpu_name, instruction_set, physical_cores
from ..bench.benchmark import run_benchmark
from ..evaluate import Comparison, EvaluationProtocol, Evaluator
from ..evaluate.evaluator import load_labelled
from ..evaluate.examples import worst_examples
from ..evaluate.label_prompts import check_kinds
from ..evaluate.pictures import example_picture
from ..network.conventions import conventions_named
from ..progress import ProgressCallback
from ..quant import QuantConfig
from ..store.card import library_versions
from ..store.description import describe_file
from ..store.model_file import read_model
from .models import ReportModels, named

# DFQ-SAM's abstract (arXiv 2410.01813): accuracy that SAM-Med2D loses at 4 bits on AbdomenCT1K.
PUBLISHED_DROP_POINTS = 2.01
# Of the checkpoint and of a packed file's card: what a reader of the page needs.
_CHECKPOINT_FACTS = (
    *("file_name", "sha256", "bytes", "architecture_name", "conventions", "parameters", "float32_bytes", "notes"),
)
_CARD_FACTS = ("recipe", "seed", "sizes", "effective_bits_per_weight", "weight_storage", "activation_arithmetic")


@dataclass(frozen=True)
class ReportSettings:
    """The settings of a report.

    checkpoint: float. data: folders of labelled images, None for the embedded sample. work: folder for models.
    configs: what is quantized with. prompts, protocol: as `Evaluator` takes them. threads: None for all cores.
    runs: timed runs. pictures: how many of the worst cases are shown of each model; 0 keeps all images out.
    conventions: of the checkpoint, as `load_model` has them.
    """

    checkpoint: Path
    data: Sequence[Path] | None
    work: Path
    configs: tuple[QuantConfig, ...]
    prompts: tuple[str, ...] = ("box", "1pt", "3pt")
    protocol: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    threads: int | None = None
    runs: int = 20
    pictures: int = 0
    conventions: str | None = None


def make_report(settings: ReportSettings, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Quantize with each config, measure and time; JSON-ready, with neither names nor paths of the data.

    Models stay in the work folder, where the same settings find them again. Raises DFQSAMError, before the long work,
    for an unusable checkpoint or data, and Cancelled when `progress` does.
    """
    described = describe_file(settings.checkpoint, settings.conventions)
    check_kinds(settings.prompts, conventions_named(described["conventions"]))
    load_labelled(settings.data, settings.protocol.sampling, named(progress, "data"))
    models = ReportModels(settings.work, settings.checkpoint, settings.threads, settings.conventions)
    made = [models.make(config, progress) for config in settings.configs]
    evaluator = Evaluator(
        settings.checkpoint,
        settings.data,
        settings.prompts,
        protocol=settings.protocol,
        threads=settings.threads,
        progress=progress,
        conventions=settings.conventions,
    )
    parts = []
    for config, (model, costs) in zip(settings.configs, made, strict=True):
        comparison = evaluator.compare(model, named(progress, config.recipe))
        parts.append(_measured(comparison, config, model, settings.pictures) | costs)
    for part, (model, _) in zip(parts, made, strict=True):
        step = named(progress, part["name"])
        part["bench"] = run_benchmark(
            model,
            settings.checkpoint,
            settings.threads,
            settings.runs,
            step,
            starts=True,
            conventions=settings.conventions,
        )
    return {
        "checkpoint": {name: described[name] for name in _CHECKPOINT_FACTS},
        "published_drop_points": PUBLISHED_DROP_POINTS,
        "data": _data(evaluator, parts[0]),
        "recipes": parts,
        "versions": library_versions("torch", "numpy", "scipy", "onnxruntime", "safetensors"),
        "machine": _machine(),
    }


def _measured(comparison: Comparison, config: QuantConfig, model: Path, pictures: int) -> dict[str, Any]:
    """Numbers of one model, and pictures without the names of their cases."""
    report, card = comparison.report(), read_model(model).card
    shown = [
        {
            "picture": example_picture(example),
            "prompt": example.measurement.prompt,
            "modality": example.measurement.modality,
            "drop": example.measurement.drop,
            "model": example.measurement.model.dice,
            "reference": example.measurement.reference.dice,
        }
        for example in (worst_examples(comparison, pictures) if pictures else ())
    ]
    return {
        "name": config.recipe,
        "bytes": model.stat().st_size,
        **{name: card[name] for name in _CARD_FACTS},
        "quantizers": report["model"]["quantizers"],
        "rows": report["rows"],
        "size_rows": report["size_rows"],
        "size_bounds_in_pixels_of_256": report["protocol"]["size_bounds_in_pixels_of_256"],
        "pictures": shown,
    }


def _data(evaluator: Evaluator, part: dict[str, Any]) -> dict[str, Any]:
    """How much was measured and how; no name of a file, a folder or a label."""
    sampling = evaluator.protocol.sampling
    return {
        "cases": len({slice_.case for slice_ in evaluator.slices}),
        "unreadable_cases": len(evaluator.skipped),
        "slices": len(evaluator.slices),
        "objects": max(row["objects"] for row in part["rows"]),
        "every": sampling.every,
        "min_pixels": sampling.min_pixels,
        "masks_per_slice": sampling.masks_per_slice,
        "draws": evaluator.protocol.draws,
        "seed": sampling.seed,
    }


def _machine() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "instruction_set": instruction_set(),
        "physical_cores": physical_cores(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
