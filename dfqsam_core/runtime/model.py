"""Loads a model, packed or float, and runs it on one image: the only door to the inference engines."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..base.machine import physical_cores, release_memory
from ..base.memory import memory_limit
from ..base.system.folders import user_cache_folder
from ..errors import ConfigError, ModelFileError
from ..network.architecture import Architecture
from ..network.conventions import SAM_MED2D, Conventions
from ..network.macs import encoder_macs
from ..network.memory import encoding_bytes
from ..progress import ProgressCallback
from ..store.checkpoint import read_checkpoint
from ..store.file_identity import FileSource
from ..store.model_checks import CONVENTIONS_KEY, check_conventions
from ..store.model_file import StoredModel, is_packed_model
from .engines.choice import resolve_engine
from .engines.parts import Encoder, Engine, Sessions, start_encoder, start_in_memory
from .engines.start import start_packed
from .engines.unpacked_cache import UnpackedCache

# Smaller models are unpacked faster than they are found, and may be in memory twice.
_LEAST_CACHED_BYTES = 32 * 2**20
# A core multiplies some 100 to 300 billion pairs a second.
_SLOW_MACS = 200e9


class Model:
    """A network ready to run; `encode` and `decode` may be called from several threads at once.

    architecture: sizes of the network.
    card: the model card of a packed model; None for a float checkpoint.
    digest: SHA-256 of the model file, for the keys of caches; behind it the conventions that somebody had to say.
    threads: threads that one call uses.
    encoders: as many calls of `encode` at once are worth while, each on one thread; see `side_by_side`.
    engine: what runs the encoder; prompts always run on onnxruntime.
    notes: what was changed to make the network run here, and what that means for its masks.
    conventions: how it wants its images and prompts, and what its masks are.
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
        *,
        encoders: int = 1,
        again: Callable[[int], Encoder] | None = None,
        conventions: Conventions = SAM_MED2D,
    ) -> None:
        """again: makes one more encoder, with another number of threads, where that hardly takes memory."""
        self.architecture = architecture
        self.card = card
        self.digest = digest
        self.threads = threads
        self.engine: Engine = engine
        self.conventions = conventions
        self.notes = notes
        # Calls that share all threads get into each other's way.
        self.encoders = encoders if threads == 1 or again is not None else 1
        self._sessions = sessions
        self._again = again
        self._beside: Model | None = None
        self._lock = threading.Lock()
        # Replaces the mask encoder's result where there is no mask.
        self._no_mask = no_mask

    @property
    def is_quantized(self) -> bool:
        """True where the file holds codes."""
        return self.card is not None

    @property
    def takes_seconds(self) -> bool:
        """True where one image takes a core seconds to encode: then nobody should encode it unless it is asked for."""
        return encoder_macs(self.architecture) > _SLOW_MACS

    @property
    def image_size(self) -> int:
        """Side S in pixels of the square image that `encode` takes."""
        return self.architecture.image_size

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution masks, four times the token grid."""
        return 4 * self.architecture.grid

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Embed one image (S, S, 3), as `preprocess.network_pixels` gives it, as float32 (1, C, grid, grid).

        Raises ModelFileError where a value is not finite, and so does `decode`.
        """
        return _finite(self._sessions.encoder(pixels[None]), "embedding")

    def side_by_side(self) -> Model:
        """Return what `encoders` threads may call at once: this network with one thread a call, else this very model.

        It embeds the same, bit for bit, and is made at the first call, which reads the weights' file again without
        taking its memory again.
        """
        with self._lock:
            if self._beside is None:
                self._beside = self._on_one_thread()
            return self._beside

    def _on_one_thread(self) -> Model:
        if self.threads == 1 or self._again is None:
            return self
        try:
            sessions = self._sessions._replace(encoder=self._again(1))
        except OSError:
            # Another program took the file away, as it may at any time.
            return self
        about = self.architecture, self.card, self.digest, 1, self.engine, sessions, self._no_mask, self.notes
        return Model(*about, encoders=self.encoders, conventions=self.conventions)

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
        mask_probabilities: (B, 1, 4 grid, 4 grid) in 0..1, SAM-Med2D's mask prompt; logits where conventions say so.
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
    *,
    encoders: int | None = None,
    side_by_side: bool = False,
    conventions: str | None = None,
) -> Model:
    """Load a packed model or a float checkpoint (.pth or .safetensors) for inference on the CPU.

    Parameters
    ----------
    path
        The file. Nothing in it is run.
    threads
        Threads per call; None for one on each physical core that the process may use.
    cache
        Where a packed model's unpacked weights are kept, so that it loads faster and programs share their memory:
        "user" for this user's cache folder and large models, None for nowhere. A read-only folder does no harm.
    engine
        What runs the encoder; "chosen" for onnxruntime, unless `dfqsam bench --choose-engine` found OpenVINO to be
        faster for this file, thread count, processor and these versions.
    progress
        Called before each part of the network is started, in several threads; may raise Cancelled.
    encoders
        Calls of `encode` at once, at most; None for `threads`.
    side_by_side
        For callers that embed many images: one thread a call from the beginning, where the first call of
        `Model.side_by_side` makes that otherwise.
    conventions
        "sam", "medsam" or "sam-med2d": how a float checkpoint was trained, where its tensors do not tell; of a packed
        model, what its card must have.

    Returns
    -------
    Model
        The network, ready for `SamPredictor`.

    Raises
    ------
    ModelFileError, CheckpointError
        When the file cannot be used; the message says why.
    UnknownConventionsError
        Where somebody must say how a float checkpoint was trained.
    ConfigError
        For a thread count below 1, an engine that is not installed, and conventions that are not the file's.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads cannot run a model. Give 1 or more, or none for the default.")
    threads = threads or physical_cores()
    if is_packed_model(path):
        model = _load_packed(Path(path), threads, cache, engine, progress, side_by_side)
        check_conventions(model.conventions, conventions, Path(path).name)
    else:
        model = _load_checkpoint(path, threads, engine, progress, side_by_side, conventions)
    fitting = memory_limit()[0] // encoding_bytes(model.architecture)
    model.encoders = max(1, min(model.encoders, encoders or model.encoders, fitting))
    release_memory()
    return model


def float_network(
    architecture: Architecture, tensors: Mapping[str, np.ndarray], conventions: Conventions = SAM_MED2D
) -> StoredModel:
    """A float network in the form that graphs are written from: a model without any codes."""
    return StoredModel(architecture, {"layers": [], CONVENTIONS_KEY: conventions.name}, tensors)


def _load_packed(
    path: Path,
    cores: int,
    cache: UnpackedCache | Literal["user"] | None,
    asked: Engine | Literal["chosen"],
    progress: ProgressCallback | None,
    side_by_side: bool,
) -> Model:
    if cache == "user":
        cache = None if _is_small(path) else UnpackedCache(user_cache_folder())
    digest = FileSource.of(path).sha256
    engine = resolve_engine(asked, digest, cores)
    threads, encoders = _shared_out(cores, engine, side_by_side)
    network, sessions, again = start_packed(path, digest, threads, cache, engine, progress)
    if again is None and _is_small(path):
        again = partial(start_encoder, network)
    about = network.architecture, network.card, digest, threads, engine, sessions, _no_mask(network)
    notes = _card_notes(network.card)
    return Model(*about, notes, encoders=encoders, again=again, conventions=network.conventions)


def _load_checkpoint(
    path: str | os.PathLike,
    cores: int,
    asked: Engine | Literal["chosen"],
    progress: ProgressCallback | None,
    side_by_side: bool,
    conventions: str | None,
) -> Model:
    checkpoint = read_checkpoint(path, conventions)
    network = float_network(checkpoint.architecture, checkpoint.tensors, checkpoint.conventions)
    stated = checkpoint.stated_conventions
    digest = checkpoint.source.sha256 + (f"-{stated.name}" if stated else "")
    engine = resolve_engine(asked, digest, cores)
    threads, encoders = _shared_out(cores, engine, side_by_side)
    sessions = start_in_memory(network, threads, engine, progress)
    notes = checkpoint.notes + checkpoint.cautions
    about = network.architecture, None, digest, threads, engine, sessions, _no_mask(network)
    return Model(*about, notes, encoders=encoders, conventions=network.conventions)


def _shared_out(cores: int, engine: Engine, side_by_side: bool) -> tuple[int, int]:
    """Threads of one call, and calls at once: those of OpenVINO take turns."""
    if engine == "openvino":
        return cores, 1
    return 1 if side_by_side else cores, cores


def _is_small(path: Path) -> bool:
    return path.stat().st_size < _LEAST_CACHED_BYTES


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
