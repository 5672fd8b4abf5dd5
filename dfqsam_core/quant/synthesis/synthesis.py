"""Synthetic calibration images: pixels optimised until the model segments them the way their evolving labels say.

DFQ-SAM (arXiv 2410.01813), on one 256-pixel grid with pixels in 0..1. Every image has its own seed and runs on one
thread, so the result does not depend on how many run side by side, and random numbers are drawn afresh from (seed,
image, step), so a run continues from any step as if it had never stopped.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import CheckpointError
from ...model import SamMed2D
from ...progress import Cancelled, ProgressCallback, report
from ..config import SynthesisConfig
from .attention_tap import AttentionTap
from .auxiliary import AuxiliarySegmenter
from .label_evolution import EvolutionRules, LabelEvolution
from .losses import patch_similarity_entropy, segmentation_loss, total_variation
from .masks import tight_boxes
from .preview_pictures import preview_image, write_preview
from .start_images import PAINTED, random_blobs, random_generator, start_image
from .work_folder import WorkFolder

ADAM_BETAS = (0.5, 0.9)
WARM_UP = 0.2
BOX_NOISE = 5
SAVE_EVERY = 20
START, STEP, EVOLVE = 0, 1, 2  # streams of random numbers


@dataclass(frozen=True)
class SyntheticImage:
    """An image under way: pixels and both Adam moments (1, 1, S, S), labels bool (N, S, S), steps done."""

    pixels: Tensor
    first_moment: Tensor
    second_moment: Tensor
    labels: Tensor
    steps: int = 0


class Synthesizer:
    """Optimises images against one frozen model."""

    def __init__(self, model: SamMed2D, config: SynthesisConfig, seed: int) -> None:
        self.model, self.config, self.seed = model, config, seed
        self.size = model.architecture.image_size
        self.tap = AttentionTap(model.image_encoder)
        self.evolution = LabelEvolution(model, EvolutionRules.of(config), config.grid_points)
        self.auxiliary = AuxiliarySegmenter(config.auxiliary) if config.auxiliary else None
        self.device = model.pixel_mean.device

    def start(self, index: int) -> SyntheticImage:
        """Image number `index` before its first step."""
        generator = random_generator(self.seed, START, index)
        labels = random_blobs(self.size, generator)
        kind = "noise" if self.config.source == "noise" else self.config.start
        pixels = start_image(kind, labels, generator, index).to(self.device)
        return SyntheticImage(pixels, torch.zeros_like(pixels), torch.zeros_like(pixels), labels.to(self.device))

    def restored(self, state: dict[str, Any]) -> SyntheticImage:
        """An image from the state that a work folder kept."""
        moved: dict[str, Any] = {k: v.to(self.device) if isinstance(v, Tensor) else v for k, v in state.items()}
        return SyntheticImage(**moved)

    def step(self, index: int, image: SyntheticImage) -> SyntheticImage:
        """One step: labels evolve when it is their turn, then the pixels move."""
        # Labels grow by masks of clicks.
        if self.config.evolves_at(image.steps) and "point" in self.model.conventions.prompts:
            image = replace(image, labels=self._evolve(index, image))
        generator = random_generator(self.seed, STEP, index, image.steps)
        pixels = image.pixels.clone().requires_grad_(True)
        self.loss(pixels, image.labels, generator).backward()
        self._require_finite(pixels, index)
        return self._adam(image, pixels)

    def _require_finite(self, pixels: Tensor, index: int) -> None:
        """Raise CheckpointError where the loss of image number `index` overflows: its pixels would be no numbers."""
        assert pixels.grad is not None
        if not pixels.grad.isfinite().all():
            weights = "checkpoint's weights or the auxiliary segmenter's" if self.auxiliary else "checkpoint's weights"
            raise CheckpointError(
                f"The answers to synthetic image {index + 1} overflow, so that it cannot be optimised. The {weights} "
                "are damaged, or training diverged: take another one."
            )

    def _evolve(self, index: int, image: SyntheticImage) -> Tensor:
        generator = random_generator(self.seed, EVOLVE, index, image.steps)
        with torch.no_grad():
            embedding = self.model.image_encoder(self.network_input(image.pixels))
            extra = self.auxiliary.labels(image.pixels, self.evolution.rules.least_area) if self.auxiliary else ()
            return self.evolution.step(image.pixels, embedding, image.labels, generator, extra)

    def network_input(self, pixels: Tensor) -> Tensor:
        """Normalised three-channel input of the encoder for gray pixels in 0..1."""
        return self.model.normalize(pixels.expand(-1, 3, -1, -1) * 255)

    def loss(self, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Weighted sum of segmentation, patch-similarity and variation terms under a random shift and flip."""
        config = self.config
        drawn = torch.randint(-config.jitter, config.jitter + 1, (), generator=generator)
        flip = bool(torch.rand((), generator=generator) < 0.5)
        moved, targets = (jitter(x, int(drawn), flip) for x in (pixels, labels))
        targets = targets[targets.flatten(1).any(1)]
        embedding, attention = self.tap.record(self.network_input(moved))
        loss = config.segmentation_weight * self._segmentation(embedding, targets, generator)
        tokens = torch.randperm(attention[0].shape[1], generator=generator)[: config.entropy_tokens].to(self.device)
        entropy = sum(patch_similarity_entropy(output, config.entropy_points, tokens) for output in attention)
        low, high = config.variation_target
        wanted = low + (high - low) * float(torch.rand((), generator=generator))
        loss = (
            loss - config.entropy_weight * entropy + config.variation_weight * (total_variation(pixels) - wanted).abs()
        )
        if self.auxiliary is not None and self.auxiliary.has_gradient:
            loss = loss + config.auxiliary_weight * self.auxiliary.cross_entropy(moved, targets)
        return loss

    def _segmentation(self, embedding: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        logits, predicted = self.model.decode(embedding, boxes=noisy_boxes(tight_boxes(targets), generator))
        if not self.model.conventions.predicts_iou:
            predicted = predicted.detach()
        best = predicted.argmax(1)
        rows = torch.arange(len(best), device=best.device)
        logits = F.interpolate(
            logits[rows, best][:, None], (self.size, self.size), mode="bilinear", align_corners=False
        )
        return segmentation_loss(logits[:, 0], predicted[rows, best], targets.float())

    def _adam(self, image: SyntheticImage, pixels: Tensor) -> SyntheticImage:
        assert pixels.grad is not None
        (first, second), step = ADAM_BETAS, image.steps + 1
        m = torch.lerp(pixels.grad, image.first_moment, first)
        v = torch.lerp(pixels.grad.square(), image.second_moment, second)
        direction = (m / (1 - first**step)) / ((v / (1 - second**step)).sqrt() + 1e-8)
        moved = (image.pixels - self.learning_rate(image.steps) * direction).clamp(0, 1)
        return SyntheticImage(moved, m, v, image.labels, step)

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine to zero, in each round."""
        length = max(1, math.ceil(self.config.iterations / self.config.rounds))
        warm, position = WARM_UP * length, step % length
        if position < warm:
            return self.config.learning_rate * (position + 1) / (warm + 1)
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * (position - warm) / (length - warm)))


def image_facts(checkpoint_sha256: str, config: SynthesisConfig, seed: int) -> dict[str, Any]:
    """Return what the images depend on, JSON-ready: images of other facts are not gone on with."""
    auxiliary = config.auxiliary_source()
    return {
        "checkpoint_sha256": checkpoint_sha256,
        # A segmenter is what is in its file, wherever that lies.
        "synthesis": asdict(config) | {"auxiliary": auxiliary and auxiliary.sha256},
        "evolution": asdict(EvolutionRules.of(config)),
        "painted": [paint.__name__ for paint in PAINTED],
        "seed": seed,
        "torch": torch.__version__,
    }


def jitter(x: Tensor, shift: int, flip: bool) -> Tensor:
    """Roll the last two axes by the same number of pixels, then mirror left and right if `flip`."""
    rolled = torch.roll(x, (shift, shift), (-2, -1))
    return rolled.flip(-1) if flip else rolled


def noisy_boxes(boxes: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes (N, 4) moved as a whole by up to five pixels or half their short side, whichever is less."""
    short = torch.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    reach = (0.5 * short).floor().clamp(max=BOX_NOISE)[:, None]
    move = torch.round((2 * torch.rand((len(boxes), 2), generator=generator) - 1).to(boxes.device) * reach)
    return boxes + move.repeat(1, 2)


def synthesize(
    model: SamMed2D,
    config: SynthesisConfig,
    seed: int,
    threads: int = 1,
    work: WorkFolder | None = None,
    preview_dir: Path | None = None,
    progress: ProgressCallback | None = None,
    first: int = 0,
) -> list[SyntheticImage]:
    """All images of `config`, the same for any number of threads; finished ones and partial ones are taken from `work`.

    preview_dir: folder for a picture of each image and its labels every few steps. first: number of the first image;
    the images from `first` on do not depend on those before.

    Raises Cancelled when `progress` does; what `work` holds by then is continued next time.
    """
    synthesizer = Synthesizer(model, config, seed)
    planned, numbers = config.planned_steps, range(first, first + config.images)
    ticks = _Ticks(config.images * max(1, planned), progress)
    sinks = _Sinks(work, preview_dir, ticks)
    with synthesizer.tap, ThreadPoolExecutor(max(1, threads)) as pool:
        jobs = [pool.submit(_run, synthesizer, index, planned, sinks) for index in numbers]
        try:
            return [job.result() for job in jobs]
        except BaseException:
            ticks.stop.set()
            pool.shutdown(cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Sinks:
    """Where images go while they are made: state to resume from, pictures to look at, and the progress."""

    work: WorkFolder | None
    preview_dir: Path | None
    ticks: _Ticks

    def stepped(self, index: int, image: SyntheticImage, is_last: bool) -> None:
        picture = None
        if image.steps % SAVE_EVERY == 0 or is_last:
            picture = self._picture(index, image)
            if self.work:
                self.work.save(index, vars(image))
        self._tell(1, index, image, picture)

    def painted(self, index: int, image: SyntheticImage) -> None:
        """An image that no step is planned for, which counts as one."""
        self._tell(1, index, image, self._picture(index, image))

    def _picture(self, index: int, image: SyntheticImage) -> np.ndarray:
        picture = preview_image(image.pixels, image.labels)
        if self.preview_dir:
            write_preview(self.preview_dir, index, image.steps, picture)
        return picture

    def _tell(self, steps: int, index: int, image: SyntheticImage, picture: np.ndarray | None) -> None:
        self.ticks.advance(steps, picture, f"image {index + 1}, {len(image.labels)} labels")


def _run(synthesizer: Synthesizer, index: int, planned: int, sinks: _Sinks) -> SyntheticImage:
    saved = sinks.work.load(index) if sinks.work else None
    image = synthesizer.restored(saved) if saved else synthesizer.start(index)
    sinks.ticks.advance(image.steps)
    if not planned:
        sinks.painted(index, image)
    while image.steps < planned:
        image = synthesizer.step(index, image)
        sinks.stepped(index, image, image.steps == planned)
    return image


class _Ticks:
    """Counts steps over all threads and passes them on one at a time."""

    def __init__(self, total: int, progress: ProgressCallback | None) -> None:
        self.total, self.progress, self.done = total, progress, 0
        self.lock, self.stop = threading.Lock(), threading.Event()

    def advance(self, steps: int, preview: np.ndarray | None = None, message: str = "") -> None:
        if self.stop.is_set():
            raise Cancelled("synthesis was cancelled")
        with self.lock:
            self.done += steps
            report(self.progress, "synthesis", self.done, self.total, message, preview)
