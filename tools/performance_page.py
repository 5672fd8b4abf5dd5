"""Write docs/measured/performance.md and its picture from reports; no number on that page is typed by hand.

    python tools/performance_measure.py rivals MODEL --reference CHECKPOINT --threads 1 2 -o bench.json
    python tools/performance_measure.py rivals MODEL --reference CHECKPOINT --threads 1 --simulate avx2 -o avx2.json
    python tools/performance_measure.py growth -o growth.json
    python tools/performance_measure.py interaction MODEL -o interaction.json
    python tools/performance_page.py --bench bench.json --poses avx-vnni.json avx2.json --growth growth.json \\
        --interaction interaction.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from dfqsam_core.bench.benchmark import ENCODER_VARIANTS  # noqa: E402
from dfqsam_core.network.macs import encoder_macs  # noqa: E402
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES  # noqa: E402

_PAGE, _PICTURE = _ROOT / "docs" / "measured" / "performance.md", _ROOT / "docs" / "pictures" / "performance_growth.png"
_TEXT = Path(__file__).with_name("performance_page.md")
_VARIANTS = {
    "encoder, torch": "torch float32 eager, padding computed as published",
    "encoder, padded": "onnxruntime float32, padding computed",
    "encoder": "onnxruntime float32, padding skipped as ours does",
    "encoder, dynamic int8": "onnxruntime dynamic int8, padding computed",
    "decoder, torch": "decoder: torch float32 eager",
    "decoder": "decoder: onnxruntime float32",
    "first click": "first click on a slice: onnxruntime float32",
    "next click": "next click on it: onnxruntime float32",
    "encoder, 1 thread": "our own encoder on 1 thread",
    "encoder, OpenVINO": "our own encoder on OpenVINO",
}
_AXES = {
    "width": "channels",
    "depth": "blocks",
    "image size": "pixels a side",
    "prompts": "prompts in one call",
    "slices at once": "slices embedded at once (ms each)",
    "threads": "threads",
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write docs/measured/performance.md.")
    parser.add_argument("--bench", required=True, metavar="FILE.json")
    parser.add_argument("--poses", nargs="*", default=[], metavar="FILE.json")
    parser.add_argument("--growth", required=True, metavar="FILE.json")
    parser.add_argument("--interaction", required=True, metavar="FILE.json")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write page and picture."""
    args = parse(arguments)
    bench = _read(args.bench)
    tables = {
        "machine": _machine(bench),
        "pads": _pads(),
        "starts": _table(("", "first start", "later starts"), _starts(bench)),
        "comparisons": "\n\n".join(_comparison(result) for result in (bench, *bench["more_threads"])),
        "bound": _bound(bench),
        "openvino": _openvino(bench),
        "poses": "\n\n".join(_comparison(_read(path)) for path in args.poses) or "Not measured.",
        "growth": _table(("what grows", "milliseconds"), _growth(_read(args.growth))),
        "interaction": _table(("", ""), _interaction(_read(args.interaction))),
    }
    _PAGE.write_text(_TEXT.read_text().format(**tables))
    _draw(_read(args.growth))
    return 0


def _read(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())


def _machine(bench: dict[str, Any]) -> str:
    about, model = bench["machine"], bench["model"]
    return (
        f"{about['cpu']}, {about['instruction_set']}, {about['physical_cores']} cores, load {about['load']:.1f} at the "
        f"start; {model['architecture']}, a file of {model['bytes'] / 1e6:.1f} MB"
    )


def _pads() -> str:
    """How many times more the published form of the benchmark model multiplies."""
    skipped, padded = (encoder_macs(NAMED_ARCHITECTURES["vit_b"], skip) / 1e9 for skip in (True, False))
    return f"{padded / skipped:.2f} ({padded:.1f} against {skipped:.1f} billion multiplications)"


def _starts(bench: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    first, again = bench["starts"]["first"], bench["starts"]["again"]
    yield "ready to click, s", f"{first['ready_seconds']:.2f}", f"{again['ready_seconds']:.2f}"
    yield "ready to click, s of CPU time", f"{first['ready_cpu_seconds']:.2f}", f"{again['ready_cpu_seconds']:.2f}"
    yield "first click, s", f"{first['click_seconds']:.2f}", f"{again['click_seconds']:.2f}"
    yield "peak resident memory, MB", f"{first['peak_bytes'] / 1e6:.0f}", f"{again['peak_bytes'] / 1e6:.0f}"


def _comparison(result: dict[str, Any]) -> str:
    rates, pose = result["integer_products"], result.get("simulated")
    ours = result["timings"]["model"]
    own = ", ".join(
        f"{task} {ours[task]['cpu_ms']:.1f} ms" for task in ("encoder", "decoder", "first click", "next click")
    )
    head = (
        f"**{'Posing as ' + pose + ', ' if pose else ''}{result['threads']} thread(s), {result['runs']} rounds.** "
        f"Ours, medians of CPU time: {own}. The encoder reaches {rates['encoder_share']:.0%} of the rate of an integer "
        f"product in the same run ({rates['product_giga_operations_per_second']:.0f} GOP/s) over "
        f"{rates['encoder_giga_macs']:.2f} GMAC."
    )
    return f"{head}\n\n{_table(('compared with', 'CPU ms', 'wall ms', 'ratio, CPU', 'ratio, wall'), _compared(result))}"


def _bound(bench: dict[str, Any]) -> str:
    """What no encoder on this engine and processor can pass: its integer products at the rate of one in a loop."""
    rates, reference = bench["integer_products"], bench["timings"]["reference"]
    least_ms = 2e3 * rates["encoder_giga_macs"] / rates["product_giga_operations_per_second"]
    ratios = " and ".join(
        f"{reference[task]['cpu_ms'] / least_ms:.2f} times as fast as {_VARIANTS[task]}"
        for task in ("encoder, padded", "encoder, dynamic int8")
    )
    scaling = "".join(
        f" On {more['threads']} threads that product is {_product_ms(bench) / _product_ms(more):.2f} times as fast."
        for more in bench["more_threads"]
    )
    return (
        f"**The bound.** At the rate of the integer product the encoder's multiplications alone take {least_ms:.0f} ms "
        f"on one thread: with this engine on this processor it cannot be more than {ratios}.{scaling}"
    )


def _openvino(bench: dict[str, Any]) -> str:
    """What the second engine reaches, against the same references; nothing where it was not measured."""
    name, faster = "encoder, OpenVINO", []
    for result in (bench, *bench["more_threads"]):
        if name not in result["timings"]["model"]:
            return ""
        taken, reference = result["timings"]["model"][name], result["timings"]["reference"]
        ratios = ", ".join(
            f"{reference[task]['wall_ms'] / taken['wall_ms']:.1f} times as fast as {_VARIANTS[task]}"
            for task in ("encoder, torch", "encoder, padded", "encoder, dynamic int8")
        )
        faster.append(f"on {result['threads']} thread(s) {taken['wall_ms']:.0f} ms, {ratios}")
    return f"On this processor, wall time: {'; '.join(faster)}."


def _product_ms(result: dict[str, Any]) -> float:
    return result["timings"]["model"]["integer product"]["wall_ms"]


def _compared(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    timings = result["timings"].get("reference", {}) | {
        task: taken for task, taken in result["timings"]["model"].items() if task in ENCODER_VARIANTS
    }
    for task, words in _VARIANTS.items():
        if task in result["ratios"]:
            taken, ratio = timings[task], result["ratios"][task]
            yield (
                words,
                f"{taken['cpu_ms']:.1f}",
                f"{taken['wall_ms']:.1f}",
                f"{ratio['cpu']:.2f}",
                f"{ratio['wall']:.2f}",
            )


def _growth(growth: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for axis, points in growth.items():
        yield _AXES[axis], ", ".join(f"{point['x']}: {point['ms']:.1f}" for point in points)


def _interaction(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for scroll in found["scrolling"]:
        rate = 1 / scroll["seconds_per_slice"]
        yield f"slices ready when scrolled to, {rate:g} a second", f"{scroll['hit_rate']:.0%}"
    study, again = found["study_seconds"], found["again_seconds"]
    slices = found["propagated_slices"]
    yield f"one box carried through {found['slices']} slices of 512 x 512", f"{study:.1f} s"
    yield "the same again, every slice embedded", f"{again:.1f} s, {slices / again:.1f} slices/s"
    yield "encoder runs in both", f"{found['encodings']:.0f}"
    yield (
        "memory grown by both",
        f"{found['grown_bytes'] / 1e6:.0f} MB (the volume has {found['volume_bytes'] / 1e6:.0f})",
    )


def _table(headings: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _draw(growth: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(10, 5.5), layout="constrained")
    for plot, (axis, points) in zip(axes.flat, growth.items(), strict=True):
        plot.plot([point["x"] for point in points], [point["ms"] for point in points], "o-", color="#1f5fa8")
        plot.set(xlabel=_AXES[axis], ylabel="ms", ylim=(0, 1.1 * max(point["ms"] for point in points)))
        plot.grid(alpha=0.3)
    figure.savefig(_PICTURE, dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
