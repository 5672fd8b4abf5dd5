"""Write a checkpoint without its adapters, as the published DFQ-SAM script loads SAM-Med2D by default.

python -m research.studies.drop_adapters CHECKPOINT --out FILE.safetensors
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.store.checkpoint import read_checkpoint


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; return 0, or 2 when it cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    args = parser.parse_args(arguments)
    try:
        tensors = read_checkpoint(args.checkpoint).tensors
        kept = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items() if ".Adapter." not in name}
        with atomic_output(args.out) as temporary:
            save_file(kept, temporary, {"description": f"{args.checkpoint.name} without its adapters"})
    except DFQSAMError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
