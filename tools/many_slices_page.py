"""Write docs/measured/many_slices.md from reports; no number on that page is typed by hand.

    python tools/performance_measure.py side-by-side Resources/Models/sam-med2d_demo-w4a4.safetensors -o demo.json
    python tools/performance_measure.py side-by-side VIT_B -o vit_b.json
    python tools/performance_measure.py operators VIT_B -o operators.json
    python tools/performance_measure.py cluster VIT_B -o cluster.json
    python tools/many_slices_page.py --beside demo.json vit_b.json --operators operators.json --cluster cluster.json

VIT_B is any packed ViT-B: with random weights it costs what a trained one does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from tools.bench.side_by_side import ONE_CORE  # noqa: E402

_PAGE, _TEXT = _ROOT / "docs" / "measured" / "many_slices.md", Path(__file__).with_name("many_slices_page.md")
_CORES = (1, 2, 4, 8, 16, 64)
# Down and up from a prompted slice.
_WAYS = 2
# Less of the encoder's time than this makes no row.
_LEAST_SHARE = 0.01


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write docs/measured/many_slices.md.")
    parser.add_argument("--beside", required=True, nargs="+", metavar="FILE.json", help="of several models")
    parser.add_argument("--operators", required=True, metavar="FILE.json")
    parser.add_argument("--cluster", required=True, metavar="FILE.json")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    args = parse(arguments)
    beside, operators, cluster = [_read(path) for path in args.beside], _read(args.operators), _read(args.cluster)
    _PAGE.write_text(_TEXT.read_text().format(**_about(beside), **_operators(operators), **_cluster(cluster)))
    return 0


def _read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def _about(reports: list[dict[str, Any]]) -> dict[str, str]:
    first = reports[0]
    loads = ", ".join(f"{report['load']:.1f}" for report in reports)
    memory = " ".join(
        f"{report['architecture']}: {report['peak_bytes'] / 1e6:.0f} MB at most with {report['cores']} encoders and "
        f"{report['one_encoder_peak_bytes'] / 1e6:.0f} MB with one, of a process that loads it and embeds slices."
        for report in reports
    )
    return {
        "machine": f"{first['cpu']}, {first['cores']} cores, load {loads} after the runs",
        "cores": str(first["cores"]),
        "slices": " and ".join(dict.fromkeys(str(report["slices"]) for report in reports)),
        "ways": _table(("", "slices/s", "CPU ms a slice", "of the ideal", "best"), _ways(reports)),
        "model": _table(("slices/s on cores", *map(str, _CORES)), map(_modelled, reports)),
        "memory": memory,
    }


def _ways(reports: list[dict[str, Any]]) -> Iterator[Sequence[str]]:
    for report in reports:
        for way, found in report["ways"].items():
            share = ("", "") if way == ONE_CORE else (f"{found['share']:.2f}", f"{found['best_share']:.2f}")
            cpu_ms = f"{1e3 * found['cpu_seconds_per_slice']:.1f}"
            yield f"{report['architecture']}: {way}", f"{found['slices_per_second']:.1f}", cpu_ms, *share


def _modelled(report: dict[str, Any]) -> Sequence[str]:
    whole = report["ways"][ONE_CORE]["cpu_seconds_per_slice"]
    beside = whole - report["encoder_seconds"]
    rates = [min(cores / whole, _WAYS / beside) for cores in _CORES]
    name = f"{report['architecture']}, e {1e3 * report['encoder_seconds']:.1f} ms, c {1e3 * beside:.1f} ms"
    return name, *(f"{rate:.0f}" for rate in rates)


def _operators(report: dict[str, Any]) -> dict[str, str]:
    whole = sum(row["ms"] for row in report["operators"])
    rows = [
        (row["operator"], str(row["nodes"]), f"{row['ms']:.1f}", f"{row['ms'] / whole:.1%}")
        for row in report["operators"]
        if row["ms"] > _LEAST_SHARE * whole
    ]
    batches = [(str(row["slices"]), f"{row['products_ms']:.1f}", f"{row['mlp_ms']:.1f}") for row in report["batches"]]
    headings = "slices in one call", "the layers' products alone, half the blocks", "all MLPs with what is around them"
    return {
        "operators_model": report["architecture"],
        "operators_load": f"{report['load']:.1f}",
        "operators": _table(("operator", "nodes", "ms", "share"), rows),
        "batches": _table(headings, batches),
    }


def _cluster(report: dict[str, Any]) -> dict[str, str]:
    rows = [
        (way, f"{found['seconds']:.1f}", f"{found['rows_per_second']:.2f}") for way, found in report["ways"].items()
    ]
    return {
        "cluster": _table(("", "seconds", "rows/s"), rows),
        "cluster_model": report["model"],
        "cluster_load": f"{report['load']:.1f}",
        "rows": str(report["rows"]),
        "sent": str(report["row_bytes"] + report["work_bytes"]),
        "load": f"{report['load_seconds']:.1f}",
        "workers": ", ".join(f"{size / 1e6:.0f} MB" for size in report["worker_bytes"]),
        "reads": f"{report['ways']['one process']['rows_per_second']:.1f}",
    }


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
