"""A model card in a few words and in a few lines: what is packed, what it computes with, and what it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any


def kind_words(card: Mapping[str, Any] | None) -> str:
    """Return what kind of model answers, such as "packed 4-bit, 5.2 bits/weight"; card: None for a float checkpoint."""
    if card is None:
        return "float"
    bits = Counter(layer["weight_bits"] for layer in card["layers"] if layer.get("weight_bits"))
    packed = f"packed {bits.most_common(1)[0][0]}-bit" if bits else "packed"
    return f"{packed}, {card['effective_bits_per_weight']['total']:.1f} bits/weight"


def card_summary(card: Mapping[str, Any] | None, digest: str) -> list[str]:
    """Lines for people; card: None for a float checkpoint. Every number is the card's own."""
    if card is None:
        return ["Float checkpoint: nothing is quantized.", f"SHA-256 {digest[:16]}…", _RESEARCH]
    sizes = card["sizes"]
    return [
        f"From {card['source']['file_name']}, {card['architecture_name']}: {sizes['tensor_bytes'] / 1e6:.1f} MB, "
        f"{sizes['ratio']:.1f} times smaller than float32; {card['effective_bits_per_weight']['total']:.2f} bits per "
        "weight, scales and float parts included.",
        "Weights: " + "; ".join(_parts(card["weight_storage"])) + ".",
        "Arithmetic: " + "; ".join(_parts(card["activation_arithmetic"])) + ".",
        f"SHA-256 {digest[:16]}…",
        _RESEARCH,
    ]


_RESEARCH = "For research only; every mask needs the eye of an expert."


def _parts(table: Mapping[str, Mapping[str, int]]) -> list[str]:
    """For each part of the network what most of it is, and its share."""
    lines = []
    for part, amounts in table.items():
        name, amount = max(amounts.items(), key=lambda item: item[1])
        share = 100 * amount / sum(amounts.values())
        lines.append(f"{part.replace('_', ' ')} {share:.0f} % {name}")
    return lines
