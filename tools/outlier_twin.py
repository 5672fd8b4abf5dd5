"""Write a twin of a checkpoint: the same float function, made hard to quantize by exact rescaling.

    python tools/outlier_twin.py CHECKPOINT --spread 20 --seed 0 --out TWIN.safetensors

Where a tensor of activations is read by linear maps alone, its channels may be multiplied by any positive numbers if
the weights that read them are divided by the same. The numbers are drawn log-normally and scaled so that the largest
channel range is `spread` times the median one, on synthetic start images. Four kinds of places allow it:

- LayerNorm 1 (gain and bias) against the columns of qkv; likewise LayerNorm 2 against mlp.lin1 where there is no
  adapter, whose skip connection also reads LayerNorm 2 and has no weight to divide;
- v (rows of qkv) against the columns of proj;
- k (rows of qkv) against q and the relative-position tables, which all heads share: one number per head channel;
- the adapter's 3 x 3 convolution against its transposed one, with only a ReLU between them.

After GELU and in the residual stream no such rescaling exists. A twin is synthetic: it proves what a method does with
unequal channels, not how unequal those of a trained network are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from scipy.optimize import brentq
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import CheckFailed, DFQSAMError
from dfqsam_core.model import SamMed2D
from dfqsam_core.network.architecture import Architecture
from dfqsam_core.quant.synthesis.start_images import random_blobs, random_generator, start_image
from dfqsam_core.store.checkpoint import Checkpoint, read_checkpoint

PROBE_IMAGES = 4
TOLERANCE = 1e-4
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Place:
    """A tensor of activations whose channels can be rescaled exactly.

    name: for people. module: whose output is looked at. measure: these activations (N, C) from that output.
    rescale: multiplies them by numbers (C,) in the weights, in place.
    """

    name: str
    module: str
    measure: Callable[[Tensor], Tensor]
    rescale: Callable[[Tensors, np.ndarray], None]


def places(architecture: Architecture) -> Iterator[Place]:
    """Every place of the image encoder, block by block."""
    for index in range(architecture.depth):
        block = f"image_encoder.blocks.{index}"
        yield norm_place(f"{block}.norm1", [f"{block}.attn.qkv.weight"])
        yield value_place(block, architecture.embed_dim)
        yield key_place(block, architecture.embed_dim, architecture.num_heads)
        if architecture.has_adapters:
            yield adapter_place(block)
        else:
            yield norm_place(f"{block}.norm2", [f"{block}.mlp.lin1.weight"])


def norm_place(norm: str, readers: Sequence[str]) -> Place:
    """Output of a LayerNorm, read by the columns of `readers`."""

    def rescale(tensors: Tensors, factor: np.ndarray) -> None:
        tensors[f"{norm}.weight"] *= factor
        tensors[f"{norm}.bias"] *= factor
        for reader in readers:
            tensors[reader] /= factor

    return Place(norm, norm, lambda out: out.flatten(0, -2), rescale)


def value_place(block: str, dim: int) -> Place:
    """v, read by the columns of proj."""

    def rescale(tensors: Tensors, factor: np.ndarray) -> None:
        tensors[f"{block}.attn.qkv.weight"][2 * dim :] *= factor[:, None]
        tensors[f"{block}.attn.qkv.bias"][2 * dim :] *= factor
        tensors[f"{block}.attn.proj.weight"] /= factor

    return Place(f"{block}.attn.v", f"{block}.attn.qkv", lambda out: out.flatten(0, -2)[:, 2 * dim :], rescale)


def key_place(block: str, dim: int, heads: int) -> Place:
    """k and the relative-position tables, both read by q."""

    def rescale(tensors: Tensors, factor: np.ndarray) -> None:
        of_all_heads = np.tile(factor, heads)
        for name, axes in ((f"{block}.attn.qkv.weight", 2), (f"{block}.attn.qkv.bias", 1)):
            column = of_all_heads.reshape(-1, *[1] * (axes - 1))
            tensors[name][:dim] /= column
            tensors[name][dim : 2 * dim] *= column
        for axis in "hw":
            tensors[f"{block}.attn.rel_pos_{axis}"] *= factor

    return Place(
        f"{block}.attn.k",
        f"{block}.attn.qkv",
        lambda out: out.flatten(0, -2)[:, dim : 2 * dim].reshape(-1, dim // heads),
        rescale,
    )


def adapter_place(block: str) -> Place:
    """The adapter's hidden image, read by the input channels of its transposed convolution."""

    def rescale(tensors: Tensors, factor: np.ndarray) -> None:
        tensors[f"{block}.Adapter.spatial.0.weight"] *= factor[:, None, None, None]
        tensors[f"{block}.Adapter.spatial.2.weight"] /= factor[:, None, None, None]

    return Place(
        f"{block}.Adapter.spatial", f"{block}.Adapter.spatial.1", lambda out: out.movedim(1, -1).flatten(0, -2), rescale
    )


def make_twin(checkpoint: Checkpoint, spread: float, seed: int) -> Tensors:
    """Return the tensors of the twin, float32.

    Raises CheckFailed when its float output is not the original's to 1e-4 of its largest value.
    """
    tensors = {name: np.array(tensor) for name, tensor in checkpoint.tensors.items()}
    pixels = probe(checkpoint.architecture.image_size)
    exact, ranges = run(checkpoint, pixels)
    generator = np.random.default_rng(seed)
    for place in places(checkpoint.architecture):
        factor = factors(ranges[place.name], spread, generator.standard_normal(len(ranges[place.name])))
        place.rescale(tensors, factor.astype(np.float32))
    output, _ = run(Checkpoint(checkpoint.architecture, tensors, checkpoint.source), pixels)
    error = float((output - exact).abs().max() / exact.abs().max())
    if error > TOLERANCE:
        raise CheckFailed(f"The twin's output differs by {error:.1e} of the largest value, more than {TOLERANCE:.0e}.")
    return tensors


def spreads(checkpoint: Checkpoint) -> dict[str, float]:
    """Largest over median channel range of every place, on the synthetic start images."""
    _, ranges = run(checkpoint, probe(checkpoint.architecture.image_size))
    return {name: float(values.max() / np.median(values)) for name, values in ranges.items()}


def factors(ranges: np.ndarray, spread: float, normal: np.ndarray) -> np.ndarray:
    """Numbers exp(strength * normal) that bring the largest over median of `ranges` (C,) to `spread`; median 1.

    Where the ranges are spread wider already, they are left as they are: all numbers are 1.
    """
    known = np.maximum(ranges, 1e-3 * ranges.max())

    def excess(strength: float) -> float:
        scaled = known * np.exp(strength * normal)
        return float(np.log(scaled.max() / np.median(scaled)) - np.log(spread))

    if excess(0) >= 0:
        return np.ones_like(ranges)
    result = np.exp(brentq(excess, 0, 20) * normal)
    return result / np.median(result)


def probe(size: int) -> Tensor:
    """Synthetic start images (B, 1, S, S) in 0..1: smooth fields with blobs, as every synthesis begins."""
    generators = [random_generator(0, number) for number in range(PROBE_IMAGES)]
    return torch.cat([start_image("anatomy", random_blobs(size, g), g, number=1) for g in generators])


def run(checkpoint: Checkpoint, pixels: Tensor) -> tuple[Tensor, dict[str, np.ndarray]]:
    """Embeddings of gray `pixels`, and the range (maximum minus minimum) of every channel of every place."""
    model = SamMed2D.from_checkpoint(checkpoint)
    with measured_ranges(model, checkpoint.architecture) as ranges, torch.no_grad():
        return model.image_encoder(model.normalize(pixels.expand(-1, 3, -1, -1) * 255)), ranges


@contextmanager
def measured_ranges(model: nn.Module, architecture: Architecture) -> Iterator[dict[str, np.ndarray]]:
    """While open, note the channel ranges of every place in the model's forward passes."""
    ranges: dict[str, np.ndarray] = {}

    def hook(place: Place) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            rows = place.measure(output)
            ranges[place.name] = (rows.amax(0) - rows.amin(0)).numpy().astype(float)

        return note

    handles = [model.get_submodule(place.module).register_forward_hook(hook(place)) for place in places(architecture)]
    try:
        yield ranges
    finally:
        for handle in handles:
            handle.remove()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the twin; return 0, or 2 when it cannot be made or written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--spread", type=float, default=20.0, help="largest over median channel range (default 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    args = parser.parse_args(arguments)
    try:
        checkpoint = read_checkpoint(args.checkpoint)
        with atomic_output(args.out, args.force) as temporary:
            label = f"synthetic outlier twin of {args.checkpoint.name}, spread {args.spread:g}, seed {args.seed}"
            save_file(make_twin(checkpoint, args.spread, args.seed), temporary, {"description": label})
    except (DFQSAMError, CheckFailed) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.out}: {label}")
    for kind in ("norm1", "norm2", "attn.v", "attn.k", "Adapter.spatial"):
        before, after = (
            [value for name, value in spreads(source).items() if name.endswith(kind)]
            for source in (checkpoint, read_checkpoint(args.out))
        )
        if before:
            print(f"  {kind}: largest over median channel range {np.median(before):.1f} -> {np.median(after):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
