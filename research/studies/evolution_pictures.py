"""Pictures of images and labels at start, middle and end of a synthesis, for docs/measured/studies.md.

Run: python -m research.studies.evolution_pictures MODEL --output docs/pictures/evolution_NAME.webp

Three rows, from a painted body, from painted tissue and from noise, by the recipe as it ships; each label has an
outline of its own colour.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.model import SamMed2D
from dfqsam_core.quant import QuantConfig, SynthesisConfig
from dfqsam_core.quant.pipeline import single_threaded_kernels
from dfqsam_core.quant.synthesis.preview_pictures import PALETTE
from dfqsam_core.quant.synthesis.synthesis import Synthesizer, SyntheticImage

GAP = 4
# Noise is what pictures without loss are large of.
QUALITY = 80
# Of painted starts the first is a body, the second tissue.
ROWS = (("anatomy", 0), ("anatomy", 1), ("noise", 0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the picture; return 0, or 2 when something cannot be read or written."""
    from PIL import Image

    args = parse(arguments)
    config = QuantConfig.from_recipe(args.recipe, iterations=args.iterations).synthesis
    try:
        model = SamMed2D.from_checkpoint(args.model)
        with single_threaded_kernels():
            rows = [
                np.concatenate([outlined(x) for x in stages(model, replace(config, start=start), args.seed, n)], axis=1)
                for start, n in ROWS
            ]
        with atomic_output(args.output, force=True) as temporary:
            Image.fromarray(np.concatenate(rows)).save(temporary, quality=QUALITY)
    except DFQSAMError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="float checkpoint")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def stages(model: SamMed2D, config: SynthesisConfig, seed: int, number: int) -> list[SyntheticImage]:
    """Image `number` before its first step, after half of them, and after all."""
    synthesizer = Synthesizer(model, config, seed)
    image = synthesizer.start(number)
    found = [image]
    with synthesizer.tap:
        while image.steps < config.iterations:
            image = synthesizer.step(number, image)
            if image.steps in (config.iterations // 2, config.iterations):
                found.append(image)
    return found


def outlined(image: SyntheticImage) -> np.ndarray:
    """The image with the outline of each label, uint8 (S + GAP, S + GAP, 3), white at two sides."""
    gray = (255 * image.pixels[0, 0].numpy()).round().astype(np.uint8)
    picture = np.repeat(gray[..., None], 3, axis=2)
    for number, label in enumerate(image.labels.numpy()):
        picture[label & ~ndimage.binary_erosion(label, iterations=2)] = PALETTE[number % len(PALETTE)]
    return np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    sys.exit(main())
