"""The packed model: one safetensors file with its card inside, as docs/how/model_file.md describes it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from ..base.inputs import shown
from ..base.outputs import atomic_output
from ..errors import ModelFileError, OutputError
from ..network.architecture import Architecture
from ..network.conventions import Conventions
from ..network.layers import LayerSpec
from .card import DIGEST_KEY, read_card
from .file_identity import refuse_missing
from .model_checks import AGAIN, all_layers, check_card, check_tensors, conventions_of
from .packing import unpack_codes
from .safetensors_file import CARD_KEY, is_packed_model, open_safetensors
from .stored_tensor import StoredTensor
from .tensor_digest import tensors_digest

__all__ = ["StoredModel", "is_packed_model", "read_model", "write_model"]

_MAX_CARD_BYTES = 2**20


@dataclass(frozen=True)
class StoredModel:
    """A network as it is stored: each layer as codes or in float; `tensors` may be mapped from the file.

    card: the model card; card["layers"] lists the bits of every quantized layer and attention. Of a float network it
    lists none, and says nothing else but its conventions.
    tensors: arrays by the names of docs/how/model_file.md.
    """

    architecture: Architecture
    card: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]

    @property
    def conventions(self) -> Conventions:
        """How the network wants its images and prompts, and what its masks are."""
        return conventions_of(self.card)

    def is_quantized(self, layer: str) -> bool:
        """Return whether the weight of `layer` is stored as codes."""
        return f"{layer}.weight.codes" in self.tensors

    def weight_bits(self, layer: str) -> int | None:
        """Bits of the weight codes of `layer`; None where the weight is float."""
        return self._entries.get(layer, {}).get("weight_bits")

    def input_bits(self, layer: str) -> int | None:
        """Bits of the input codes of `layer`, or of q, k and v of an attention; None where these are float."""
        return self._entries.get(layer, {}).get("input_bits")

    def softmax_bits(self, attention: str) -> int | None:
        """Bits of the softmax codes of `attention`; None where the softmax is float."""
        return self._entries.get(attention, {}).get("softmax_bits")

    def weight_codes(self, layer: str) -> np.ndarray:
        """Weight codes minus their zero point, int16 (out, row_length), output channel first."""
        bits = self.weight_bits(layer)
        if bits is None:
            raise ModelFileError(f"The weight of {layer!r} is float, it has no codes. Use float_weight.")
        codes = unpack_codes(self.tensors[f"{layer}.weight.codes"], bits, self.layers[layer].row_length)
        return codes.astype(np.int16) - self.tensors[f"{layer}.weight.zero_point"][:, None]

    def float_weight(self, layer: str) -> np.ndarray:
        """Weight of `layer`, float32, in the shape of the float state dict, whether stored as codes or as float.

        Where the layer has a vector of input scales, these are part of the weight that its codes give.
        """
        if not self.is_quantized(layer):
            return self.tensors[f"{layer}.weight"]
        spec = self.layers[layer]
        weight = self.weight_codes(layer) * self.tensors[f"{layer}.weight.scale"][:, None]
        weight = weight.reshape(spec.out_channels, *spec.row_shape)
        return weight.swapaxes(0, 1) if spec.kind == "conv_transpose" else weight

    @cached_property
    def layers(self) -> dict[str, LayerSpec]:
        """Every layer of the network by name, quantized or not."""
        return all_layers(self.architecture)

    @cached_property
    def _entries(self) -> dict[str, Mapping[str, Any]]:
        return {entry["name"]: entry for entry in self.card["layers"]}


def write_model(path: str | os.PathLike, model: StoredModel, force: bool = False) -> StoredModel:
    """Write `model` to `path`; the same model gives the same bytes.

    Returns the model as it was written: its card has the digest of its tensors.
    Raises ModelFileError when the model breaks a rule of the format, OutputError when `path` cannot be written.
    """
    if check_card(model.card) != model.architecture:
        raise ModelFileError("The model's card describes another architecture than the model. Build the card anew.")
    check_tensors(model.tensors, model.card, model.architecture)
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in model.tensors.items()}
    card = {**model.card, DIGEST_KEY: tensors_digest(tensors)}
    text = _card_text(card)
    with atomic_output(path, force) as temporary:
        try:
            save_file(tensors, temporary, {CARD_KEY: text})
        except SafetensorError as error:
            raise OutputError(f"Writing {path} failed: {error}. Free some space or choose another output.") from error
    return StoredModel(model.architecture, card, tensors)


def read_model(path: str | os.PathLike) -> StoredModel:
    """Read and check a packed model to its last bit; its tensors stay mapped from the file.

    Raises ModelFileError, with the reason, when the file is not a whole, valid model of this format version.
    """
    path = Path(path)
    refuse_missing(path, ModelFileError)
    metadata, stored = open_safetensors(path, ModelFileError)
    try:
        architecture, card = parse_card(path, metadata, stored)
        tensors = {name: tensor.read() for name, tensor in stored.items()}
        check_tensors(tensors, card, architecture)
        _check_digest(tensors, card)
    except ModelFileError as error:
        raise ModelFileError(f"{path.name} cannot be used. {error}") from error
    return StoredModel(architecture, card, tensors)


def _card_text(card: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(card, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"The model card cannot be written as JSON: {error}. Use plain, finite values.") from error
    if len(text) > _MAX_CARD_BYTES:
        raise ModelFileError(f"The model card has {len(text)} bytes, at most {_MAX_CARD_BYTES} fit. Shorten it.")
    return text


def parse_card(
    path: Path, metadata: Mapping[str, str], stored: Mapping[str, StoredTensor]
) -> tuple[Architecture, dict[str, Any]]:
    """Architecture and checked card of an opened model file, as `read_card` gives them."""
    unknown = [name for name, tensor in stored.items() if tensor.dtype not in ("float32", "float16", "uint8")]
    if unknown:
        found = f"Tensor {shown(unknown[0])} is {stored[unknown[0]].dtype}"
        raise ModelFileError(f"{found}, not float32, float16 or uint8. {AGAIN}")
    return read_card(_card(path, metadata), {name: tensor.stored_bytes for name, tensor in stored.items()})


def _check_digest(tensors: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    if card.get(DIGEST_KEY) not in (None, tensors_digest(tensors)):
        raise ModelFileError(f"Its tensors are not those that were written: bits of the file have changed. {AGAIN}")


def _card(path: Path, metadata: Mapping[str, str]) -> Any:
    text = metadata.get(CARD_KEY)
    if text is None:
        raise ModelFileError(f"{path.name} has no model card, so it is not a packed model. Use dfqsam quantize.")
    if len(text.encode()) > _MAX_CARD_BYTES:
        raise ModelFileError(f"The model card of {path.name} is larger than 1 MB. Get an undamaged copy.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"The model card of {path.name} is not JSON. Get an undamaged copy.") from error
