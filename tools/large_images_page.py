"""Write docs/measured/large_images.md from reports; no number on that page is typed by hand.

python tools/make_random_checkpoint.py --size vit_b --no-adapters --image-size 1024 -o FLOAT.safetensors
dfqsam quantize FLOAT.safetensors --conventions sam --recipe fast --iterations 20 --dry-run --report estimate.json
dfqsam quantize FLOAT.safetensors --conventions sam --recipe fast --iterations 20 \\
    -o MODEL.safetensors --report quantize.json
python tools/performance_measure.py large MODEL.safetensors --reference FLOAT.safetensors -o large.json
python tools/large_images_page.py --large large.json --quantize quantize.json --estimate estimate.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_PAGE, _TEXT = _ROOT / "docs" / "measured" / "large_images.md", Path(__file__).with_name("large_images_page.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description="Write docs/measured/large_images.md.")
    parser.add_argument("--large", required=True, type=Path, metavar="FILE.json")
    for name in ("quantize", "estimate"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE.json", help="both, or neither")
    parser.add_argument("-o", "--output", type=Path, default=_PAGE, metavar="FILE.md", help="default: %(default)s")
    args = parser.parse_args(arguments)
    large, *others = (path and json.loads(path.read_text()) for path in (args.large, args.quantize, args.estimate))
    quantizing = _quantizing(*others) if all(others) else "Not measured."
    args.output.write_text(_TEXT.read_text().format(**_slices(large), quantizing=quantizing))
    return 0


def _slices(large: dict[str, Any]) -> dict[str, str]:
    about, ours, starts = large["machine"], large["timings"]["model"], large["starts"]
    cores = f"{about['physical_cores']} cores, load {about['load']:.1f}"
    return {
        "machine": f"{about['cpu']}, {about['instruction_set']}, {cores}",
        "name": large["model"]["name"],
        "threads": str(large["threads"]),
        "runs": str(large["runs"]),
        "slices": _table(("", "CPU s", "wall s", "ratio, CPU", "ratio, wall"), _compared(large)),
        "parts": _parts(large),
        "slice": _seconds(ours["slice"], "cpu"),
        "eager": _ratio(large, "torch float32 eager"),
        "alike": _ratio(large, "onnxruntime float32 in parts as ours"),
        "smaller": f"{large['reference_bytes'] / large['model']['bytes']:.1f}",
        "click": f"{ours['next click']['cpu_ms']:.0f}",
        "file": f"{large['model']['bytes'] / 1e6:.1f}",
        "float_file": f"{large['reference_bytes'] / 1e6:.0f}",
        "peak": f"{starts['again']['peak_bytes'] / 1e6:.0f}",
        "first_peak": f"{starts['first']['peak_bytes'] / 1e6:.0f}",
        "attention": f"{_attention_share(large):.0%}",
    }


def _compared(large: dict[str, Any]) -> Iterator[Sequence[str]]:
    ours = large["timings"]["model"]["slice"]
    yield "packed 4-bit, integers", _seconds(ours, "cpu"), _seconds(ours, "wall"), "", ""
    for name, ratio in large["ratios"].items():
        taken = large["timings"]["reference"][name]
        yield name, _seconds(taken, "cpu"), _seconds(taken, "wall"), f"{ratio['cpu']:.2f}", f"{ratio['wall']:.2f}"


def _ratio(large: dict[str, Any], name: str) -> str:
    return f"{large['ratios'][name]['cpu']:.1f}"


def _seconds(taken: dict[str, float], clock: str) -> str:
    return f"{taken[f'{clock}_ms'] / 1e3:.1f}"


def _parts(large: dict[str, Any]) -> str:
    blocks, count = large["timings"]["model"], len(large["model"]["global_attn_indexes"])
    return (
        f"Of the packed network, each of {count} global blocks takes {blocks['global block']['cpu_ms'] / 1e3:.2f} s of "
        f"CPU time, each of {large['model']['depth'] - count} windowed ones "
        f"{blocks['windowed block']['cpu_ms'] / 1e3:.2f} s."
    )


def _attention_share(large: dict[str, Any]) -> float:
    """What global blocks take beyond windowed ones, whose layers are the same and whose attention is small."""
    blocks, count = large["timings"]["model"], len(large["model"]["global_attn_indexes"])
    whole, part = (blocks[name]["cpu_ms"] for name in ("global block", "windowed block"))
    return count * (whole - part) / (count * whole + (large["model"]["depth"] - count) * part)


def _quantizing(report: dict[str, Any], estimate: dict[str, Any]) -> str:
    synthesis, said = report["card"]["recipe"]["synthesis"], estimate["estimated_seconds"]
    rows = [
        (part, f"{report['cpu_seconds'][part]:.0f}", f"{report['seconds'][part]:.0f}", f"{said[part]:.0f}")
        for part in ("synthesis", "calibration")
    ]
    peak, foretold = report["peak_memory_bytes"] / 1e9, estimate["estimated_peak_bytes"] / 1e9
    total = sum(report["cpu_seconds"].values()) / 60
    return (
        f"`{report['card']['recipe']['recipe']}`, {synthesis['images']} images of {synthesis['iterations']} steps, "
        f"{estimate['threads']} threads: {total:.0f} minutes of CPU time, {peak:.1f} GB at most "
        f"(the dry run says {foretold:.1f} GB).\n\n" + _table(("", "CPU s", "wall s", "the dry run says, s"), rows)
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
