"""Scale reparameterization on a small plain CNN (simulated): what it is worth where there is no transformer.

Run: python -m research.studies.plain_cnn --output plain_cnn.md
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.evaluate.metrics import mean_interval, points

SIDE, CHANNELS, CLASSES, BITS = 64, 24, 4, 4
STEPS, BATCH, TEST_IMAGES, CALIBRATION_IMAGES = 400, 32, 200, 16
SEEDS, SPREAD = 3, 20.0


class PlainCnn(nn.Module):
    """Images (B, 1, S, S) to logits (B, CLASSES, S, S); `inner` layers quantize weights and inputs when told to."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, CHANNELS, CHANNELS, CHANNELS)
        pairs = zip(widths, (*widths[1:], CLASSES), strict=True)
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3, padding=1) for a, b in pairs])
        self.norms = nn.ModuleList([nn.BatchNorm2d(CHANNELS) for _ in widths[1:]])
        self.ranges: list[Tensor] | None = None

    def inputs(self, images: Tensor) -> list[Tensor]:
        """The inputs of the inner convolutions, and the logits last."""
        found, value = [], self.convs[0](images)
        for number, (norm, conv) in enumerate(zip(self.norms, self.convs[1:], strict=True)):
            value = F.relu(norm(value))
            found.append(value)
            weight = conv.weight
            if self.ranges is not None:
                value = quantized_input(value, self.ranges[number])
                weight = quantized_weight(weight)
            value = F.conv2d(value, weight, conv.bias, padding=1)
        return [*found, value]

    def forward(self, images: Tensor) -> Tensor:
        return self.inputs(images)[-1]


def quantized_input(value: Tensor, top: Tensor) -> Tensor:
    """Unsigned uniform BITS-bit quantization of [0, top]; top: one value, or (C,) one a channel."""
    step = (top / (2**BITS - 1)).clamp(min=1e-9).view(-1, 1, 1)
    return (value / step).round().clamp(0, 2**BITS - 1) * step


def quantized_weight(weight: Tensor) -> Tensor:
    """Symmetric BITS-bit weights, one scale an output channel."""
    most = 2 ** (BITS - 1) - 1
    step = weight.abs().amax((1, 2, 3), keepdim=True) / most
    return (weight / step).round().clamp(-most, most) * step


@torch.no_grad()
def rescaled(model: PlainCnn, factors: list[Tensor]) -> PlainCnn:
    """The same function with channel c of inner input n divided by factors[n][c] > 0: exact, as ReLU is homogeneous."""
    changed = copy.deepcopy(model)
    for norm, conv, factor in zip(changed.norms, changed.convs[1:], factors, strict=True):
        norm.weight /= factor
        norm.bias /= factor
        conv.weight *= factor.view(1, -1, 1, 1)
    return changed


@torch.no_grad()
def channel_ranges(model: PlainCnn, images: Tensor) -> list[Tensor]:
    """Largest value of each channel (C,) of each inner input."""
    return [value.amax((0, 2, 3)).clamp(min=1e-6) for value in model.inputs(images)[:-1]]


def pictures(rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
    """Noisy images (count, 1, SIDE, SIDE) float32 and classes: 0 none, 1 disc, 2 rectangle, 3 ring."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    images = rng.normal(0, 0.15, (count, SIDE, SIDE)).astype(np.float32)
    classes = np.zeros((count, SIDE, SIDE), np.int64)
    for image, label in zip(images, classes, strict=True):
        for kind in (1, 2, 3):
            cy, cx = rng.uniform(10, SIDE - 10, 2)
            radius, light = rng.uniform(5, 10), rng.uniform(0.4, 1.0)
            away = np.hypot(y - cy, x - cx)
            square = (abs(y - cy) < radius) & (abs(x - cx) < radius * 0.6)
            shape = {1: away < radius, 2: square, 3: abs(away - radius) < 2}[kind]
            image[shape] += light
            label[shape] = kind
    return torch.from_numpy(images[:, None]), torch.from_numpy(classes)


def trained(seed: int) -> PlainCnn:
    """A network trained on pictures of its own seed."""
    torch.manual_seed(seed)
    rng, model = np.random.default_rng([seed, 0]), PlainCnn()
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        images, classes = pictures(rng, BATCH)
        adam.zero_grad()
        F.cross_entropy(model(images), classes).backward()
        adam.step()
    return model.eval()


@torch.no_grad()
def dice(model: PlainCnn, images: Tensor, classes: Tensor) -> np.ndarray:
    """Mean Dice of the three shapes, one value an image."""
    answer = model(images).argmax(1)
    scores = []
    for kind in range(1, CLASSES):
        found, wanted = answer == kind, classes == kind
        both = (found & wanted).sum((1, 2))
        scores.append((2 * both + 1) / (found.sum((1, 2)) + wanted.sum((1, 2)) + 1))
    return torch.stack(scores).mean(0).double().numpy()


def scored(seed: int) -> dict[str, np.ndarray]:
    """Dice by image (TEST_IMAGES,) of every variant of one trained network."""
    model = trained(seed)
    calibration, _ = pictures(np.random.default_rng([seed, 1]), CALIBRATION_IMAGES)
    test = pictures(np.random.default_rng([seed, 2]), TEST_IMAGES)
    generator = torch.Generator().manual_seed(seed)
    draws = [SPREAD ** -torch.rand(CHANNELS, generator=generator) for _ in model.norms]
    scores = {"float": dice(model, *test)}
    for name, start in (("as trained", model), ("unequal", rescaled(model, draws))):
        ranges = channel_ranges(start, calibration)
        even = rescaled(start, [top / top.mean() for top in ranges])
        for how, network, tops in (
            ("one scale an input", start, [top.max() for top in ranges]),
            ("one scale an input, reparameterized", even, [top.max() for top in channel_ranges(even, calibration)]),
            ("one scale a channel (no integer product)", start, ranges),
        ):
            assert np.allclose(dice(network, *test), scores["float"], atol=0.01), "a rescaling changed the function"
            simulated = copy.deepcopy(network)
            simulated.ranges = tops
            scores[f"{name}: {how}"] = dice(simulated, *test)
    return scores


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    runs = [scored(seed) for seed in range(SEEDS)]
    lines = [
        f"{SEEDS} networks, {TEST_IMAGES} pictures each. Drop: Dice points against float, 95 % bootstrap interval."
    ]
    lines += ["", "| inner layers, W4A4 simulated | Dice | drop |", "|---|---|---|"]
    reference = np.concatenate([run["float"] for run in runs])
    for name in runs[0]:
        value = np.concatenate([run[name] for run in runs])
        lost = reference - value
        drop = "" if name == "float" else points(asdict(mean_interval(lost)))
        lines.append(f"| {name} | {value.mean():.3f} | {drop} |")
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
