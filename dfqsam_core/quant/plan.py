"""What a recipe makes of every layer, before anything is done: calibration, export, estimate and checks follow it.

No torch is needed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..network.architecture import Architecture
from ..network.attention_windows import is_long
from ..network.layers import LayerSpec, decoder_layers, encoder_layers
from ..network.macs import attention_products
from ..store.model_checks import tensor_rules
from .config import QuantConfig

# The bias of qkv is also what padding tokens carry, which no quantization error reaches.
_EXACT_BIAS = "attn.qkv"
# These follow a LayerNorm, whose channels differ most.
_REPARAMETERIZED = ("attn.qkv", "mlp.lin1")
_PIXELS = "image_encoder.patch_embed.proj"
# Tokens a side of SAM-Med2D, for whose images the settings of the synthesis are.
_IMAGE_GRID = 16
# Each step of tuning looks at so many; fewer where codes are tuned, whose steps count more than their images.
TUNING_IMAGES, CODE_TUNING_IMAGES = 4, 2


@dataclass(frozen=True)
class IntegerPlan:
    """A layer whose weights and inputs become codes of so many bits.

    per_channel: one scale for each input channel, folded into the weight. correct_bias: move the mean output error into
    the bias.
    """

    weight_bits: int
    input_bits: int
    per_channel: bool = False
    correct_bias: bool = False


@dataclass(frozen=True)
class WeightPlan:
    """A layer whose weights become codes although it is computed in float, for the reason `why_float`."""

    weight_bits: int
    why_float: str
    input_bits: ClassVar[None] = None


@dataclass(frozen=True)
class FloatPlan:
    """A layer that stays as it is, for the reason `why_float`."""

    why_float: str
    weight_bits: ClassVar[None] = None
    input_bits: ClassVar[None] = None


@dataclass(frozen=True)
class AttentionPlan:
    """An attention whose q, k and v become codes of so many bits; softmax_bits: None where its softmax stays float."""

    input_bits: int
    softmax_bits: int | None


LayerPlan = IntegerPlan | WeightPlan | FloatPlan


@dataclass(frozen=True)
class NetworkPlan:
    """The plan of every layer and attention by its name, that of layers as in the float state dict."""

    architecture: Architecture
    config: QuantConfig
    layers: Mapping[str, LayerPlan]
    attentions: Mapping[str, AttentionPlan]

    @classmethod
    def of(cls, architecture: Architecture, config: QuantConfig) -> NetworkPlan:
        """Return what `config` makes of a network of `architecture`."""
        specs = encoder_layers(architecture) + decoder_layers(architecture)
        layers = {spec.name: _layer_plan(spec, config) for spec in specs}
        return cls(architecture, config, layers, dict(_attention_plans(architecture, config)))

    def integer_layers(self, prefix: str = "image_encoder.") -> dict[str, IntegerPlan]:
        """Layers whose weights and inputs become codes, below `prefix` and by their names without it."""
        found = {name: plan for name, plan in self.layers.items() if isinstance(plan, IntegerPlan)}
        return {name.removeprefix(prefix): plan for name, plan in found.items() if name.startswith(prefix)}

    @property
    def tuning_steps(self) -> int:
        """Steps that each part is tuned in; none where gradients through attention over many tokens take gigabytes."""
        long = any(plan.softmax_bits is None for plan in self.attentions.values())
        return 0 if long else self.config.calibration.tuning_steps

    @property
    def code_tuning_steps(self) -> int:
        """Steps that a part is tuned in with its weight codes, where these leave it far from the float network's."""
        return self.config.calibration.code_tuning_steps if self.tuning_steps else 0

    def weight_layers(self) -> dict[str, WeightPlan]:
        """Layers whose weights become codes although they are computed in float."""
        return {name: plan for name, plan in self.layers.items() if isinstance(plan, WeightPlan)}

    def float_layers(self, prefix: str = "image_encoder.") -> dict[str, FloatPlan]:
        """Layers below `prefix` that stay float."""
        found = {name: plan for name, plan in self.layers.items() if isinstance(plan, FloatPlan)}
        return {name: plan for name, plan in found.items() if name.startswith(prefix)}

    def card_entries(self) -> list[dict[str, Any]]:
        """The card's layer table: every layer and attention with its MACs and bits (None where it is float)."""
        return [*self._layer_entries(), *self._attention_entries()]

    def tensor_bytes(self) -> dict[str, int]:
        """Bytes of every tensor of the packed file, by name."""
        rules = tensor_rules({"layers": self.card_entries()}, self.architecture)
        sizes = {}
        for name, rule in rules.items():
            layer = self.layers.get(name.partition(".input.")[0])
            # Input scales are the only tensors with a choice: one of all, or one a channel.
            per_channel = isinstance(layer, IntegerPlan) and layer.per_channel
            shape = rule.shapes[-1 if per_channel else 0]
            sizes[name] = math.prod(shape) * np.dtype(rule.dtype).itemsize
        return sizes

    def _layer_entries(self) -> Iterator[dict[str, Any]]:
        for spec in encoder_layers(self.architecture) + decoder_layers(self.architecture):
            plan = self.layers[spec.name]
            bits = {"weight_bits": plan.weight_bits, "input_bits": plan.input_bits}
            yield {"name": spec.name, "kind": spec.kind, "macs": spec.macs, **bits}

    def _attention_entries(self) -> Iterator[dict[str, Any]]:
        for product in attention_products(self.architecture):
            bits = asdict(self.attentions[product.name])
            yield {"name": product.name, "kind": "attention", "macs": product.macs, **bits}


def image_architecture(architecture: Architecture) -> Architecture:
    """The network that synthetic images are made against: with many tokens the same network for smaller images.

    A step keeps every logit for its gradient, which takes gigabytes and a minute at 64 x 64 tokens. What an image shows
    can be found on fewer; ranges cannot, and are chosen at the network's own size.
    """
    sides = (architecture.window_of(block) or architecture.grid for block in range(architecture.depth))
    if not any(map(is_long, sides)):
        return architecture
    return replace(architecture, image_size=_IMAGE_GRID * architecture.patch_size)


def _attention_plans(a: Architecture, config: QuantConfig) -> Iterator[tuple[str, AttentionPlan]]:
    for block, product in enumerate(attention_products(a)):
        # Coding the probabilities of 4,096 tokens takes a fifth of a slice's time, and its product gains nothing by it.
        softmax_bits = None if is_long(a.window_of(block) or a.grid) else config.softmax_bits
        yield product.name, AttentionPlan(config.activation_bits, softmax_bits)


def _layer_plan(spec: LayerSpec, config: QuantConfig) -> LayerPlan:
    if not spec.may_code_weight:
        return FloatPlan("few weights, used once for a mask prompt")
    if not spec.may_code_input:
        return WeightPlan(config.decoder_bits, "few operations, of great influence on the mask")
    if spec.kind == "conv_transpose" and not config.transpose_convolutions:
        return FloatPlan("the recipe leaves ConvTranspose2d in float")
    if spec.name == _PIXELS:
        # Each colour has its own mean and deviation, and the bias takes the mean exactly.
        return IntegerPlan(config.weight_bits, config.pixel_bits, per_channel=True)
    settings = config.calibration
    return IntegerPlan(
        config.weight_bits,
        _input_bits(spec.name, config),
        per_channel=settings.reparameterize and spec.name.endswith(_REPARAMETERIZED),
        correct_bias=settings.bias_correction and not spec.name.endswith(_EXACT_BIAS),
    )


def _input_bits(name: str, config: QuantConfig) -> int:
    if ".Adapter.channel." in name:
        return config.gate_bits
    return config.neck_bits if name.startswith("image_encoder.neck.") else config.activation_bits
