"""Write a checkpoint with random weights, for timings and tests where no trained file is at hand.

    python tools/make_random_checkpoint.py --size vit_b -o random_vit_b.safetensors

It segments nothing; the file says so in its metadata.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES, random_tensors


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a SAM-Med2D checkpoint with random weights.")
    parser.add_argument("-o", "--output", required=True, metavar="FILE.safetensors")
    parser.add_argument("--size", choices=NAMED_ARCHITECTURES, default="vit_b", help="default: %(default)s")
    parser.add_argument("--no-adapters", action="store_true", help="a plain SAM, without SAM-Med2D's adapters")
    parser.add_argument("--image-size", type=int, metavar="S", help="pixels a side (default: the size's own)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same file (default: %(default)s)")
    parser.add_argument("--float16", action="store_true", help="store half precision")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; return 0, or 2 when it cannot be written."""
    args = parse(arguments)
    named = NAMED_ARCHITECTURES[args.size]
    adapters = 0 if args.no_adapters else named.adapter_dim
    try:
        architecture = replace(named, adapter_dim=adapters, image_size=args.image_size or named.image_size)
        with atomic_output(args.output, args.force) as temporary:
            tensors = random_tensors(architecture, args.seed)
            if args.float16:
                tensors = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
            label = f"random weights, {architecture.name}, seed {args.seed}; not trained"
            save_file(tensors, temporary, {"description": label})
    except DFQSAMError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {label}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
