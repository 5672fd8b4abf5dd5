"""Loads a model, packed or float, and runs it on one image: the only door to the inference engines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..base.machine import physical_cores, release_memory
from ..base.system.folders import user_cache_folder
from ..errors import ConfigError, ModelFileError
from ..network.architecture import Architecture
from ..progress import ProgressCallback
from ..store.checkpoint import read_checkpoint
from ..store.file_identity import FileSource
from ..store.model_file import StoredModel, is_packed_model
from .engines.choice import resolve_engine
from .engines.parts import Engine, Sessions, start_in_memory
from .engines.start import start_packed
from .engines.unpacked_cache import UnpackedCache

# Smaller models are unpacked faster than they are found.
_LEAST_CACHED_BYTES = 32 * 2**20


class Model:
    """A network ready to run; `encode` and `decode` may be called from several threads at once.

    architecture: sizes of the network.
    card: the model card of a packed model; None for a float checkpoint.
    digest: SHA-256 of the model file, for the keys of caches.
    threads: threads that one call uses.
    engine: what runs the encoder; prompts always run on onnxruntime.
    notes: what was changed to make the network run here, and what that means for its masks.
    """

    def __init__(
        self,
        architecture: Architecture,
        card: Mapping[str, Any] | None,
        digest: str,
        threads: int,
        engine: Engine,
        sessions: Sessions,
        no_mask: np.ndarray,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.architecture = architecture
        self.card = card
        self.digest = digest
        self.threads = threads
        self.engine: Engine = engine
        self.notes = notes
        self._sessions = sessions
        # Replaces the mask encoder's result where there is no mask.
        self._no_mask = no_mask

    @property
    def is_quantized(self) -> bool:
        """Whether the file holds codes."""
        return self.card is not None

    @property
    def image_size(self) -> int:
        """Side S in pixels of the square image that `encode` takes."""
        return self.architecture.image_size

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution masks, four times the token grid."""
        return 4 * self.architecture.grid

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Embed one image, uint8 (S, S, 3) in SAM-Med2D's channel order, as float32 (1, C, grid, grid).

        Raises ModelFileError where a value is not finite, and so does `decode`.
        """
        return _finite(self._sessions.encoder(pixels[None]), "embedding")

    def decode(
        self,
        image_embedding: np.ndarray,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_probabilities: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks of B prompts on one image.

        point_coords: (B, N, 2) x, y in pixels of the S x S image. point_labels: (B, N): -1 no point, 0 background,
        1 foreground, 2 and 3 the first and second corner of a box. As in SAM, points without a box end with one -1.
        mask_probabilities: (B, 1, 4 grid, 4 grid) in 0..1, SAM-Med2D's mask prompt.
        Returns low-resolution logits float32 (B, 4, 4 grid, 4 grid) and predicted IoU float32 (B, 4); index 0 is the
        single-mask output, 1 to 3 are the multimask ones.
        """
        inputs = {
            "image_embedding": np.asarray(image_embedding, np.float32),
            "dense_embedding": self._dense_embedding(mask_probabilities),
            "point_coords": np.asarray(point_coords, np.float32),
            "point_labels": np.asarray(point_labels, np.int64),
        }
        low_res_masks, iou_predictions = self._sessions.decoder.run(None, inputs)
        return _finite(low_res_masks, "mask"), _finite(iou_predictions, "predicted IoU")

    def _dense_embedding(self, mask_probabilities: np.ndarray | None) -> np.ndarray:
        if mask_probabilities is None:
            return self._no_mask
        return self._sessions.mask_encoder.run(
            None, {"mask_probabilities": np.asarray(mask_probabilities, np.float32)}
        )[0]


def load_model(
    path: str | os.PathLike,
    threads: int | None = None,
    cache: UnpackedCache | Literal["user"] | None = "user",
    engine: Engine | Literal["chosen"] = "chosen",
    progress: ProgressCallback | None = None,
) -> Model:
    """Load a packed model or a float checkpoint (.pth or .safetensors) for inference on the CPU.

    threads: threads per call; None for one on each physical core that the process may use.
    cache: where a packed model's unpacked weights are kept, so that it loads faster and programs share their memory;
    "user" for this user's cache folder and large models, None for nowhere. A read-only folder does no harm.
    engine: what runs the encoder; "chosen" for onnxruntime, unless `dfqsam bench --choose-engine` found OpenVINO to be
    faster for this file, thread count, processor and these versions.
    progress: called before each part of the network is started, in several threads; may raise Cancelled.
    Raises ModelFileError or CheckpointError when the file cannot be used, ConfigError for a thread count below 1 and an
    engine that is not installed.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads cannot run a model. Give a number from 1, or none for the default.")
    threads = threads or physical_cores()
    if is_packed_model(path):
        model = _load_packed(Path(path), threads, cache, engine, progress)
    else:
        model = _load_checkpoint(path, threads, engine, progress)
    release_memory()
    return model


def float_network(architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> StoredModel:
    """A float network in the form that graphs are written from: a model without any codes."""
    return StoredModel(architecture, {"layers": []}, tensors)


def _load_packed(
    path: Path,
    threads: int,
    cache: UnpackedCache | Literal["user"] | None,
    asked: Engine | Literal["chosen"],
    progress: ProgressCallback | None,
) -> Model:
    if cache == "user":
        cache = UnpackedCache(user_cache_folder()) if path.stat().st_size >= _LEAST_CACHED_BYTES else None
    digest = FileSource.of(path).sha256
    engine = resolve_engine(asked, digest, threads)
    network, sessions = start_packed(path, digest, threads, cache, engine, progress)
    card, no_mask = network.card, _no_mask(network)
    return Model(network.architecture, card, digest, threads, engine, sessions, no_mask, _card_notes(card))


def _load_checkpoint(
    path: str | os.PathLike, threads: int, asked: Engine | Literal["chosen"], progress: ProgressCallback | None
) -> Model:
    checkpoint = read_checkpoint(path)
    network, digest = float_network(checkpoint.architecture, checkpoint.tensors), checkpoint.source.sha256
    engine = resolve_engine(asked, digest, threads)
    sessions = start_in_memory(network, threads, engine, progress)
    notes = checkpoint.notes + checkpoint.cautions
    return Model(network.architecture, None, digest, threads, engine, sessions, _no_mask(network), notes)


def _card_notes(card: Mapping[str, Any]) -> tuple[str, ...]:
    notes = card.get("notes")
    return tuple(map(str, notes)) if isinstance(notes, list) else ()


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    """`values`; an empty mask would be taken for an answer where the network gave none."""
    if not np.isfinite(values).all():
        raise ModelFileError(f"The model gave no finite {what} for this image. Get an undamaged copy of the model.")
    return values


def _no_mask(network: StoredModel) -> np.ndarray:
    return np.array(network.tensors["prompt_encoder.no_mask_embed.weight"], np.float32).reshape(1, 1, -1)
