"""Write the two embedded models from a float checkpoint, or make the packed one again and compare.

    python tools/embedded_models.py write FLOAT.safetensors    # both files of Resources/Models, the table of their card
    python tools/embedded_models.py check                      # make reproduce; exit code 3 where it is another model

The float model is stored in 8 bits a row, and the packed one is made from that file by `dfqsam quantize` with the
recipe `default` and seed 0. With the library versions and instruction set of its card the same tensor bytes must come
out; elsewhere the masks of the sample's boxes must agree, Dice at least 0.99.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dfqsam_core.cli.bars import progress_bars
from dfqsam_core.errors import CheckFailed, DFQSAMError
from dfqsam_core.evaluate import compare_models
from dfqsam_core.progress import ProgressCallback
from dfqsam_core.quant import QuantConfig, quantize
from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_MODEL, resource_path
from dfqsam_core.store.card import DIGEST_KEY
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.model_file import read_model
from dfqsam_core.store.row_codes import ROWS_KEY, open_checkpoint_file, write_rows

FOLDER = Path(__file__).resolve().parents[1] / "Resources" / "Models"
CONFIG = QuantConfig.from_recipe("default")
LEAST_DICE = 0.99


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    write = verbs.add_parser("write", help="replace both files of Resources/Models")
    write.add_argument("float", type=Path, metavar="FLOAT.safetensors")
    verbs.add_parser("check", help="make the packed model again and compare")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; return 0, 2 for wrong input, or 3 where the packed model comes out otherwise."""
    args = parse(arguments)
    try:
        with progress_bars() as progress:
            said = write_models(args.float, FOLDER, CONFIG, progress) if args.verb == "write" else check(progress)
    except DFQSAMError as error:
        print(error, file=sys.stderr)
        return 2
    except CheckFailed as error:
        print(error, file=sys.stderr)
        return 3
    print(said)
    return 0


def write_models(source: Path, folder: Path, config: QuantConfig, progress: ProgressCallback | None = None) -> str:
    """Write both models of `source` into `folder` and their sizes and hashes into the card there; what was written."""
    checkpoint = read_checkpoint(source)
    metadata = open_checkpoint_file(source)[0]
    said = {key: text for key, text in metadata.items() if key not in (ROWS_KEY, DIGEST_KEY)}
    float_path, packed_path = (folder / Path(name).name for name in (DEMO_CHECKPOINT, DEMO_MODEL))
    write_rows(float_path, checkpoint.tensors, said, force=True)
    quantize(float_path, packed_path, config, force=True, progress=progress)
    card = float_path.with_suffix(".md")
    text = card.read_text(encoding="utf-8")
    for path in (float_path, packed_path):
        row = f"| {path.name} | {path.stat().st_size} | {FileSource.of(path).sha256} |"
        text, found = re.subn(rf"^\| {re.escape(path.name)} \|.*$", row, text, flags=re.MULTILINE)
        if found != 1:
            raise DFQSAMError(f"{card} has no line for {path.name} in its table of files. Add one.")
    card.write_text(text, encoding="utf-8")
    return f"{float_path}, {packed_path} and the table of {card.name} are new."


def check(progress: ProgressCallback | None = None) -> str:
    """Make the packed model again and compare it with the embedded one."""
    shipped = resource_path(DEMO_MODEL)
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder, shipped.name)
        quantize(resource_path(DEMO_CHECKPOINT), again, CONFIG, progress=progress)
        return compared(shipped, again)


def compared(shipped: Path, again: Path) -> str:
    """Say how far two packed models are the same; raise CheckFailed where they should be and are not."""
    before, now = (read_model(path).card for path in (shipped, again))
    if before["source"] != now["source"]:
        raise CheckFailed(f"{shipped.name} was made from another float file than the embedded one. Write both again.")
    if before[DIGEST_KEY] == now[DIGEST_KEY]:
        return f"{shipped.name}: the same tensor bytes came out again."
    others = _differences(before["versions"], now["versions"])
    if not others:
        raise CheckFailed(
            f"{shipped.name}: other bytes on the same versions and instruction set. Where the processor is of the same "
            "make, too, find out why."
        )
    rows = compare_models(again, shipped, prompts=["box"])["rows"]
    dice = min(row["agreement"]["mean"] for row in rows)
    said = f"masks agree with a mean Dice of {dice:.4f}; made with other {', '.join(others)}"
    if dice < LEAST_DICE:
        raise CheckFailed(f"{shipped.name}: {said}; at least {LEAST_DICE} was expected.")
    return f"{shipped.name}: other bytes; {said}."


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = sorted(before.keys() | now.keys())
    return [f"{name} ({before.get(name)}, {now.get(name)})" for name in names if before.get(name) != now.get(name)]


if __name__ == "__main__":
    sys.exit(main())
