"""What a packed model must be: the rules of docs/how/model_file.md, each fault with its own sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..base.inputs import shown
from ..errors import ConfigError, ModelFileError
from ..network.architecture import Architecture, Shape
from ..network.conventions import CONVENTIONS, SAM_MED2D, Conventions, conventions_named, told_by
from ..network.layers import LayerSpec, decoder_layers, encoder_layers
from ..network.tensor_shapes import expected_shapes
from .packing import WEIGHT_BITS, check_packed, packed_width

FORMAT_VERSION = 1
# Its cards name conventions; without the entry, in version 1, they are SAM-Med2D's.
CONVENTIONS_VERSION = 2
CONVENTIONS_KEY = "conventions"
# How the note on a network for 1024-pixel images begins that was brought to 256.
RESIZED = "Position tables resized linearly from"
ACTIVATION_BITS = range(2, 9)
AGAIN = "Get an undamaged copy, or make the model again."


@dataclass(frozen=True)
class TensorRule:
    """The rule for one tensor of a packed model: its meaning, the shapes it may have, the bits of its codes."""

    meaning: Literal["float", "position", "scale", "zero_point", "weight_zero_point", "codes"]
    shapes: tuple[Shape, ...]
    bits: int = 0
    row_length: int = 0

    @property
    def dtype(self) -> str:
        """Name of the element type."""
        return {"float": "float32", "scale": "float32", "position": "float16"}.get(self.meaning, "uint8")

    def check(self, name: str, tensor: np.ndarray) -> None:
        """Raise ModelFileError when `tensor` has another type or shape, or a value that cannot be."""
        if tensor.dtype != self.dtype or tensor.shape not in self.shapes:
            wanted = " or ".join(map(str, self.shapes))
            found = f"{tensor.dtype} {tensor.shape}"
            raise ModelFileError(f"Tensor {name!r} is {found}, it should be {self.dtype} {wanted}. {AGAIN}")
        fault = self._fault(tensor)
        if fault:
            raise ModelFileError(f"Tensor {name!r} {fault}. {AGAIN}")

    def _fault(self, tensor: np.ndarray) -> str:
        low, high = tensor.min(), tensor.max()
        if self.dtype != "uint8" and not (np.isfinite(low) and np.isfinite(high)):
            return "has values that are not finite"
        if self.meaning == "scale" and low <= 0:
            return f"has a scale of {low}, scales are positive"
        if self.meaning.endswith("zero_point") and high >= 1 << self.bits:
            return f"has a zero point of {high}, out of range for {self.bits} bits"
        if self.meaning == "weight_zero_point" and self.bits == 8 and (low, high) != (128, 128):
            return f"has a zero point of {low if low != 128 else high}, at 8 bits it is 128"
        if self.meaning == "codes":
            return check_packed(tensor, self.bits, self.row_length)
        return ""


def check_card(card: Any) -> Architecture:
    """Return the card's architecture.

    Raises ModelFileError for another format version, a malformed layer table, and conventions that are unknown or that
    nobody chose.
    """
    if not isinstance(card, Mapping):
        raise ModelFileError(f"The model card is a {type(card).__name__}, not a table. {AGAIN}")
    version = card.get("format_version")
    if type(version) is not int or version not in (FORMAT_VERSION, CONVENTIONS_VERSION):
        raise ModelFileError(
            f"The model has format version {shown(version)}, this program reads the versions {FORMAT_VERSION} and "
            f"{CONVENTIONS_VERSION}. Make the model again, or use the program that made it."
        )
    architecture = Architecture.from_dict(card.get("architecture"))
    _check_entries(card.get("layers"), architecture)
    _check_conventions(card, architecture)
    return architecture


def conventions_of(card: Mapping[str, Any]) -> Conventions:
    """The conventions of a checked card, or of a float network's."""
    return CONVENTIONS[card.get(CONVENTIONS_KEY, SAM_MED2D.name)]


def check_conventions(found: Conventions, asked: str | None, file_name: str) -> None:
    """Raise ConfigError where a packed model is asked to run by other conventions than it was made with."""
    if asked is not None and conventions_named(asked) is not found:
        raise ConfigError(
            f"{file_name} was made with the conventions {found.name}, not {asked}. Leave them out, or make the model "
            "again from its checkpoint."
        )


def check_reference(card: Mapping[str, Any] | None, digest: str, conventions: Conventions) -> None:
    """Raise ConfigError where a packed model is compared with its own checkpoint, run by other conventions.

    card: of the model, None for a float one. digest: of the reference, which begins with its SHA-256. conventions: that
    the reference is run by.
    """
    if card is None or not digest.startswith(card["source"]["sha256"]) or conventions_of(card) is conventions:
        return
    own = conventions_of(card).name
    raise ConfigError(
        f"The model was made from the reference with the conventions {own}, and the reference is run by those of "
        f"{conventions.name}: nobody chose that. Give --conventions {own}."
    )


def check_tensors(tensors: Mapping[str, np.ndarray], card: Mapping[str, Any], architecture: Architecture) -> None:
    """Raise ModelFileError unless `tensors` are exactly those that the card promises, with every value in range."""
    rules = tensor_rules(card, architecture)
    for fault, names in {
        "missing": [name for name in rules if name not in tensors],
        "too many": [name for name in tensors if name not in rules],
    }.items():
        if names:
            more = ", ..." if len(names) > 3 else ""
            raise ModelFileError(f"{len(names)} tensors are {fault}: {', '.join(sorted(names)[:3])}{more}. {AGAIN}")
    for name, rule in rules.items():
        rule.check(name, tensors[name])


def tensor_rules(card: Mapping[str, Any], architecture: Architecture) -> dict[str, TensorRule]:
    """The rule of every tensor of the file, as the card's layer table (already checked) demands."""
    rules = {name: _float_rule(name, shape) for name, shape in expected_shapes(architecture).items()}
    layers = all_layers(architecture)
    for entry in card["layers"]:
        name = entry["name"]
        if entry["kind"] == "attention":
            rules |= _attention_rules(name, entry, architecture.num_heads)
        elif entry["weight_bits"] is not None:
            del rules[f"{name}.weight"]
            rules |= _layer_rules(layers[name], entry["weight_bits"], entry["input_bits"])
    return rules


def is_position_table(name: str) -> bool:
    """Return whether tensor `name` holds absolute or relative positions, which a packed model stores as float16."""
    return name.endswith(("pos_embed", "rel_pos_h", "rel_pos_w"))


def _float_rule(name: str, shape: Shape) -> TensorRule:
    return TensorRule("position" if is_position_table(name) else "float", (shape,))


def all_layers(architecture: Architecture) -> dict[str, LayerSpec]:
    """Every layer of encoder and decoder by its name."""
    return {layer.name: layer for layer in encoder_layers(architecture) + decoder_layers(architecture)}


def _layer_rules(layer: LayerSpec, weight_bits: int, input_bits: int | None) -> dict[str, TensorRule]:
    rows, width = layer.out_channels, packed_width(layer.row_length, weight_bits)
    rules = {
        "weight.codes": TensorRule("codes", ((rows, width),), weight_bits, layer.row_length),
        "weight.scale": TensorRule("scale", ((rows,),)),
        "weight.zero_point": TensorRule("weight_zero_point", ((rows,),), weight_bits),
    }
    if input_bits is not None:
        lengths = tuple((length,) for length in sorted({1, layer.in_channels}))
        rules["input.scale"] = TensorRule("scale", lengths)
        rules["input.zero_point"] = TensorRule("zero_point", lengths, input_bits)
        # Quantizing can shift a layer's mean output; the correction needs a bias even where the float layer has none.
        rules["bias"] = TensorRule("float", ((rows,),))
    return {f"{layer.name}.{part}": rule for part, rule in rules.items()}


def _attention_rules(name: str, entry: Mapping[str, Any], heads: int) -> dict[str, TensorRule]:
    rules: dict[str, TensorRule] = {}
    if entry["input_bits"] is not None:
        for part in "qkv":
            rules[f"{name}.{part}.scale"] = TensorRule("scale", ((heads,),))
            rules[f"{name}.{part}.zero_point"] = TensorRule("zero_point", ((heads,),), entry["input_bits"])
    if entry["softmax_bits"] is not None:
        rules[f"{name}.softmax.scale"] = TensorRule("scale", ((heads,),))
        rules[f"{name}.softmax.step"] = TensorRule("scale", ((1,),))
    return rules


def _check_entries(entries: Any, architecture: Architecture) -> None:
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ModelFileError(f"The model card has no table of layers. {AGAIN}")
    kinds: dict[Any, str] = {name: layer.kind for name, layer in all_layers(architecture).items()}
    kinds |= {f"image_encoder.blocks.{block}.attn": "attention" for block in range(architecture.depth)}
    for entry in entries:
        name = entry.get("name")
        kind = kinds.pop(name, None) if isinstance(name, str) else None
        if kind is None or entry.get("kind") != kind:
            raise ModelFileError(f"The card's layer {shown(name)} is unknown, listed twice or of another kind. {AGAIN}")
        _check_bits(entry, kind)


def _check_bits(entry: Mapping[str, Any], kind: str) -> None:
    allowed = {"input_bits": ACTIVATION_BITS}
    allowed |= {"softmax_bits": ACTIVATION_BITS} if kind == "attention" else {"weight_bits": WEIGHT_BITS}
    for key, bits in allowed.items():
        value = entry.get(key, "missing")
        if value is not None and (type(value) is not int or value not in bits):
            raise ModelFileError(
                f"The model card gives layer {entry['name']!r} {key} {shown(value)}; "
                f"it must be null or {bits[0]} to {bits[-1]}. {AGAIN}"
            )
    if kind != "attention" and entry["weight_bits"] is None and entry["input_bits"] is not None:
        raise ModelFileError(f"The model card gives layer {entry['name']!r} input codes but float weights. {AGAIN}")


def _check_conventions(card: Mapping[str, Any], architecture: Architecture) -> None:
    has_entry, name = CONVENTIONS_KEY in card, card.get(CONVENTIONS_KEY)
    if has_entry != (card["format_version"] == CONVENTIONS_VERSION) or not isinstance(name, str | None):
        raise ModelFileError(
            f"The model card's conventions are {shown(name)}, which its version does not have. {AGAIN}"
        )
    if has_entry and name not in CONVENTIONS:
        raise ModelFileError(
            f"The model wants the conventions {shown(name)}; this program knows {', '.join(CONVENTIONS)}. "
            "Use the program that made it."
        )
    if not has_entry and _is_of_unknown_conventions(card, architecture):
        raise ModelFileError(
            "It was made of a network for 1024-pixel images, a SAM or a MedSAM, and run by SAM-Med2D's rules although "
            "nobody had chosen them. Make it again: dfqsam quantize CHECKPOINT -o MODEL.safetensors --conventions sam "
            "or medsam, or sam-med2d for the rules that it had."
        )


def _is_of_unknown_conventions(card: Mapping[str, Any], architecture: Architecture) -> bool:
    """Whether an earlier program made the model of what it took for SAM-Med2D without a reason."""
    notes = card.get("notes")
    was_resized = isinstance(notes, list) and any(str(note).startswith(RESIZED) for note in notes)
    return was_resized or not told_by(architecture)
