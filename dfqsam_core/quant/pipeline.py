"""The whole of DFQ-SAM in order: read, synthesize, calibrate, pack, write. The only file that knows the order."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..base.machine import release_memory, worker_count
from ..base.memory import require_memory
from ..base.outputs import refuse_overwrite
from ..errors import CheckpointError, ConfigError
from ..model import SamMed2D
from ..network.conventions import Conventions
from ..network.memory import running_bytes
from ..progress import ProgressCallback, report
from ..store.card import build_card, library_versions
from ..store.checkpoint import Checkpoint, read_checkpoint
from ..store.file_identity import FileSource
from ..store.model_file import StoredModel, write_model
from .calibration.calibration import calibrate
from .calibration.equalize import equalize
from .calibration.quantized_layers import PixelQuantizer
from .config import QuantConfig
from .export import export_tensors, round_float_layers, round_position_tables
from .plan import NetworkPlan
from .synthesis.image_size import fitted, image_network
from .synthesis.synthesis import image_facts, synthesize
from .synthesis.work_folder import WorkFolder
from .worth import worth_of


def quantize(
    checkpoint_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    config: QuantConfig,
    *,
    threads: int | None = None,
    device: str = "cpu",
    work_dir: Path | None = None,
    resume: bool = False,
    preview_dir: Path | None = None,
    force: bool = False,
    progress: ProgressCallback | None = None,
    conventions: str | None = None,
) -> dict[str, Any]:
    """Turn a float checkpoint into a packed model file without any data but the checkpoint.

    The config alone decides the result; the rest is how to get there. Tensor bytes depend on checkpoint, config,
    library versions and the CPU's instruction set.

    Parameters
    ----------
    checkpoint_path
        A float checkpoint, as `load_model` takes it.
    output_path
        The file to write, `.safetensors`.
    config
        For instance `QuantConfig.from_recipe("default", seed=0)`.
    threads
        Images and range candidates worked on side by side; None for all cores this process may use.
    device
        "cpu" or "cuda".
    work_dir
        Folder for the state of the synthesis; None for one beside the output.
    resume
        Go on from what is in the work folder.
    preview_dir
        Folder for PNG pictures of the images and their labels on the way.
    force
        Replace a file that exists.
    progress
        Told each step; may raise Cancelled.
    conventions
        How the checkpoint was trained, where its tensors do not tell: as `load_model` has them.

    Returns
    -------
    dict
        The report: the card, the seconds and CPU seconds of each part, and the written file's identity.

    Raises
    ------
    CheckpointError, ConfigError, OutputError, Cancelled
        Then no output exists and the work folder can be resumed.
    """
    output = refuse_overwrite(output_path, force)
    config.synthesis.auxiliary_source()
    clock, place, workers = _Clock(), _device(device), worker_count(threads)
    checkpoint = _read_runnable(checkpoint_path, progress, conventions)
    clock.lap("read")
    folder = work_dir or output.with_name(output.name + ".work")
    facts = image_facts(checkpoint.source.sha256, config.synthesis, config.seed)
    work = WorkFolder(folder, facts | {"conventions": checkpoint.conventions.name}, resume)
    with single_threaded_kernels(), work.discarded_if_unused():
        side_by_side = workers if place.type == "cpu" else 1
        network = image_network(checkpoint).to(place)
        images = synthesize(network, config.synthesis, config.seed, side_by_side, work, preview_dir, progress)
        del network  # its convolutions take memory that calibration needs
        release_memory()
        clock.lap("synthesis")
        notes, stated = checkpoint.notes + checkpoint.cautions, checkpoint.stated_conventions
        source, model = checkpoint.source, SamMed2D.from_checkpoint(checkpoint).to(place)
        del checkpoint  # a layer's float weights go when it has its codes
        packed = pack(
            model, torch.cat([image.pixels for image in images]), config, source, workers, progress, notes, stated
        )
        clock.lap("calibration")
        report(progress, "write", 0, 1, "writing the packed model")
        packed = write_model(output, packed, force=force)
    clock.lap("write")
    work.remove()
    labels, written = [len(image.labels) for image in images], FileSource.of(output).to_dict()
    return {"output": written, "labels_per_image": labels, "card": packed.card} | clock.times()


def pack(
    model: SamMed2D,
    pixels: Tensor,
    config: QuantConfig,
    source: FileSource,
    threads: int = 1,
    progress: ProgressCallback | None = None,
    notes: tuple[str, ...] = (),
    conventions: Conventions | None = None,
) -> StoredModel:
    """Calibrate `model` on gray `pixels` (B, 1, S, S) in 0..1, which it becomes quantized by, and pack it.

    Pixels of another size are enlarged to the network's. source: the file that `model` was read from; notes: what was
    changed in it; conventions: None where its tensors tell them: all for the card.
    """
    plan, size, made = NetworkPlan.of(model.architecture, config), model.architecture.image_size, pixels.shape[-1]
    report(progress, "calibration", 0, 1, "choosing ranges and weight codes")
    quantizer = PixelQuantizer(model.pixel_mean, model.pixel_std, config.pixel_bits)
    with torch.no_grad():
        pixels = fitted(pixels, size, model.conventions)
        images = model.normalize(pixels.expand(-1, 3, -1, -1) * 255)
        if config.calibration.equalization:
            equalize(model.image_encoder, images, progress)
        round_position_tables(model)
        tuned = calibrate(model.image_encoder, images, quantizer, plan, threads, progress)
    tensors = export_tensors(model, round_float_layers(model, plan), plan)
    report(progress, "calibration", 1, 1, "packed")
    card = build_card(
        architecture=model.architecture,
        layers=plan.card_entries(),
        source=source,
        recipe=_recipe(config),
        seed=config.seed,
        tensor_bytes={name: tensor.nbytes for name, tensor in tensors.items()},
        versions=_versions(),
        notes=(*notes, *_notes(plan, made, tuned)),
        worth=worth_of(config),
        conventions=conventions,
    )
    return StoredModel(model.architecture, card, tensors)


def _notes(plan: NetworkPlan, made: int, tuned: int) -> Iterator[str]:
    """What the recipe does not tell: images of `made` pixels a side, and codes of so many parts `tuned`."""
    config, architecture = plan.config, plan.architecture
    if made != architecture.image_size:
        yield (
            f"Calibrated on images that were made with {made} pixels a side and enlarged to {architecture.image_size}."
        )
    if plan.tuning_steps < config.calibration.tuning_steps:
        yield "Its parts were not tuned: gradients through attention over so many tokens would take gigabytes."
    if config.synthesis.auxiliary and not config.synthesis.planned_steps:
        yield "The auxiliary segmenter was not asked: images that are not optimised take no labels."
    if tuned:
        yield (
            f"Rounded weights left {tuned} of {architecture.depth + 1} parts of the image encoder far from the float "
            "network: their codes were tuned, too."
        )


def _read_runnable(
    path: str | os.PathLike[str], progress: ProgressCallback | None, conventions: str | None
) -> Checkpoint:
    report(progress, "read", 0, 1, "reading the checkpoint")
    checkpoint = read_checkpoint(path, conventions)
    require_memory(running_bytes(checkpoint.architecture), checkpoint.source.file_name, CheckpointError)
    return checkpoint


@contextlib.contextmanager
def single_threaded_kernels() -> Iterator[None]:
    """Run torch's kernels on one thread each: sums then have one order, whatever the machine's number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("There is no CUDA device that torch can use. Run with --device cpu.")
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"The device {name!r} is unknown. Choose cpu or cuda.")
    return torch.device(name)


def _recipe(config: QuantConfig) -> dict[str, Any]:
    """The config as the card shows it: an auxiliary segmenter by name and hash, not by its folder."""
    recipe = config.to_dict()
    if auxiliary := config.synthesis.auxiliary_source():
        recipe["synthesis"]["auxiliary"] = auxiliary.to_dict()
    return recipe


def _versions() -> dict[str, str]:
    """What the tensors depend on beside checkpoint and config: libraries, and the instructions of torch's kernels."""
    return library_versions("torch", "numpy", "scipy") | {"instruction_set": torch.backends.cpu.get_cpu_capability()}


class _Clock:
    """Seconds of each part of a run, and CPU seconds of the process."""

    def __init__(self) -> None:
        self._wall: dict[str, float] = {}
        self._cpu: dict[str, float] = {}
        self._last, self._last_cpu = time.perf_counter(), time.process_time()

    def lap(self, name: str) -> None:
        now, cpu = time.perf_counter(), time.process_time()
        self._wall[name], self._cpu[name] = round(now - self._last, 3), round(cpu - self._last_cpu, 3)
        self._last, self._last_cpu = now, cpu

    def times(self) -> dict[str, dict[str, float]]:
        return {"seconds": self._wall, "cpu_seconds": self._cpu}
