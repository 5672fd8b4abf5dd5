"""Loads a model, packed or float, and runs it on one image: the only door to the inference engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError
from ..store.architecture import Architecture
from ..store.checkpoint import read_checkpoint
from ..store.file_identity import FileSource
from ..store.model_file import PackedModel, is_packed_model, read_model
from .engine import create_session
from .machine import physical_cores, release_memory


class _Sessions(NamedTuple):
    """The engine's sessions, and what replaces the mask encoder's result where there is no mask."""

    encoder: Any
    mask_encoder: Any
    decoder: Any
    no_mask: np.ndarray


class Model:
    """A network ready to run; `encode` and `decode` may be called from several threads at once.

    architecture: sizes of the network.
    card: the model card of a packed model; None for a float checkpoint.
    digest: SHA-256 of the model file, for the keys of caches.
    threads: threads that one call uses.
    """

    def __init__(
        self, architecture: Architecture, card: Mapping[str, Any] | None, digest: str, threads: int, sessions: _Sessions
    ) -> None:
        self.architecture = architecture
        self.card = card
        self.digest = digest
        self.threads = threads
        self._sessions = sessions

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
        """Embed one image, uint8 (S, S, 3) in SAM-Med2D's channel order, as float32 (1, C, grid, grid)."""
        return self._sessions.encoder.run(None, {"pixels": pixels[None]})[0]

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
        return low_res_masks, iou_predictions

    def _dense_embedding(self, mask_probabilities: np.ndarray | None) -> np.ndarray:
        if mask_probabilities is None:
            return self._sessions.no_mask
        return self._sessions.mask_encoder.run(
            None, {"mask_probabilities": np.asarray(mask_probabilities, np.float32)}
        )[0]


def load_model(path: str | os.PathLike, threads: int | None = None) -> Model:
    """Load a packed model or a float checkpoint (.pth or .safetensors) for inference on the CPU.

    threads: threads per call; None for one on each physical core that the process may use.
    Raises ModelFileError or CheckpointError when the file cannot be used, ConfigError for a thread count below 1.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads cannot run a model. Give a number from 1, or none for the default.")
    model = _load(path, threads or physical_cores())
    release_memory()
    return model


def float_network(architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> PackedModel:
    """A float network in the form that graphs are written from: a model without any codes."""
    return PackedModel(architecture, {"layers": []}, tensors)


def _load(path: str | os.PathLike, threads: int) -> Model:
    if is_packed_model(path):
        packed = read_model(path)
        return Model(packed.architecture, packed.card, FileSource.of(path).sha256, threads, _start(packed, threads))
    checkpoint = read_checkpoint(path)
    network = float_network(checkpoint.architecture, checkpoint.tensors)
    return Model(network.architecture, None, checkpoint.source.sha256, threads, _start(network, threads))


def _start(network: PackedModel, threads: int) -> _Sessions:
    # Importing the room is light; the package onnx and the engine are loaded with the first model.
    from .decoder_graph import build_decoder, build_mask_encoder, no_mask_embedding
    from .encoder_graph import build_encoder

    return _Sessions(
        create_session(build_encoder(network), threads),
        create_session(build_mask_encoder(network), threads),
        create_session(build_decoder(network), threads),
        no_mask_embedding(network),
    )
