"""Measure rivals, growth of cost, and what a person waits for; JSON for tools/performance_page.py.

    python tools/performance_measure.py rivals MODEL --reference CHECKPOINT --threads 1 2 -o bench.json
    python tools/performance_measure.py rivals MODEL --reference CHECKPOINT --threads 1 --simulate avx2 -o avx2.json
    python tools/performance_measure.py growth -o growth.json
    python tools/performance_measure.py interaction MODEL -o interaction.json
    python tools/performance_measure.py side-by-side MODEL -o side_by_side.json
    python tools/performance_measure.py operators MODEL -o operators.json
    python tools/performance_measure.py cluster MODEL -o cluster.json
    python tools/performance_measure.py large MODEL --reference CHECKPOINT -o large.json

Models of other sizes have random weights: they segment nothing, and cost what trained ones cost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dfqsam_core.base import machine
from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.macs import encoder_macs
from dfqsam_core.runtime import EmbeddingCache, Model, SamPredictor, load_model
from dfqsam_core.store.model_file import write_model
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES
from dfqsam_core.volume.prompts import BoxPrompt
from dfqsam_core.volume.session.propagation import propagate
from dfqsam_core.volume.session.session import VolumeSession
from dfqsam_core.volume.slices import SliceKey
from dfqsam_core.volume.volume import Volume
from dfqsam_scene.jobs.encoding_ahead import EncodingAhead
from dfqsam_scene.jobs.worker import Worker
from Testing.support.packed import packed_toy
from tools.bench.cluster import cluster
from tools.bench.compare import compare
from tools.bench.operators import operators
from tools.bench.pose import POSES, is_posing, run_posing
from tools.bench.side_by_side import WITHOUT_STOPS, ball_volume, side_by_side

_RUNS = 5
_COMPACT = NAMED_ARCHITECTURES["compact"]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure rivals, growth of cost, or interaction.")
    verbs = parser.add_subparsers(required=True)
    rivals_parser = verbs.add_parser("rivals", help="a model beside its float reference in torch and onnxruntime")
    _add_rivals(rivals_parser)
    growth_parser = verbs.add_parser("growth", help="cost over width, depth, image size, prompts, batch, threads")
    growth_parser.set_defaults(measure=lambda args: growth())
    interaction_parser = verbs.add_parser("interaction", help="scrolling, propagation and a study of 100 slices")
    interaction_parser.add_argument("model", metavar="MODEL")
    interaction_parser.add_argument("--slices", type=int, default=100, metavar="N", help="default: %(default)s")
    interaction_parser.set_defaults(measure=lambda args: interaction(args.model, args.slices))
    beside_parser = verbs.add_parser(
        "side-by-side", help="slices a second of a propagation, one by one and side by side"
    )
    beside_parser.add_argument("model", metavar="MODEL")
    beside_parser.add_argument("--cores", type=int, metavar="N", help="default: all physical cores")
    beside_parser.add_argument("--slices", type=int, default=24, metavar="N", help="default: %(default)s")
    beside_parser.add_argument("--runs", type=int, default=5, metavar="N", help="default: %(default)s")
    beside_parser.set_defaults(measure=lambda args: side_by_side(args.model, args.cores, args.slices, args.runs))
    operators_parser = verbs.add_parser("operators", help="the encoder's time by operator, and batches of slices")
    operators_parser.add_argument("model", metavar="MODEL")
    operators_parser.add_argument("--runs", type=int, default=20, metavar="N", help="default: %(default)s")
    operators_parser.set_defaults(measure=lambda args: operators(args.model, args.runs))
    cluster_parser = verbs.add_parser("cluster", help="rows a second of a table on a local dask cluster")
    cluster_parser.add_argument("model", metavar="MODEL")
    cluster_parser.add_argument("--rows", type=int, default=40, metavar="N", help="default: %(default)s")
    cluster_parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: %(default)s")
    cluster_parser.set_defaults(measure=lambda args: cluster(args.model, args.rows, args.workers))
    _add_large(verbs)
    for one in verbs.choices.values():
        one.add_argument("-o", "--output", required=True, metavar="FILE.json")
    return parser.parse_args(arguments)


def _add_large(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("large", help="a packed model for 1024-pixel images beside its float reference")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--reference", required=True, metavar="CHECKPOINT", help="what MODEL was made from")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.set_defaults(measure=_large)


def _large(args: argparse.Namespace) -> dict[str, Any]:
    # Needs torch, which the others do without.
    from tools.bench.large import large

    return large(args.model, args.reference, args.runs, args.threads)


def _add_rivals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--reference", metavar="CHECKPOINT", help="float checkpoint that MODEL was made from")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N", help="measured one by one")
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="timed runs of each part (default 20)")
    parser.add_argument(
        "--simulate", choices=POSES, help="pose as a lesser processor (Linux on x86 with a C compiler and binutils)"
    )
    parser.set_defaults(
        measure=lambda args: compare(args.model, args.reference, args.threads, args.runs, args.simulate)
    )


def growth() -> dict[str, Any]:
    """Median milliseconds of CPU time (wall time for batch and threads) by axis: lists of x and y."""
    compact = _random_model(_COMPACT, 1)
    return {
        "width": _encoders({width: _resized(width) for width in (96, 192, 384, 768)}),
        "depth": _encoders({depth: _deep(depth) for depth in (3, 6, 12, 24)}),
        "image size": _encoders({size: replace(_COMPACT, image_size=size) for size in (128, 256, 384, 512)}),
        "prompts": [{"x": count, "ms": _cpu_ms(_decoder(compact, count))} for count in (1, 2, 4, 8, 16)],
        "slices at once": [{"x": count, "ms": _wall_ms(_at_once(compact, count)) / count} for count in (1, 2, 4)],
        "threads": [
            {"x": count, "ms": _wall_ms(_encoder(_random_model(_COMPACT, count)))}
            for count in range(1, machine.physical_cores() + 1)
        ],
    }


def interaction(path: str, slices: int) -> dict[str, Any]:
    """Prefetch hits while scrolling, propagation and a study end to end, on a CT-sized volume of `slices` slices."""
    model, volume = load_model(path, threads=1), ball_volume(slices)
    scrolling = [_scroll(model, volume, seconds) for seconds in (1.0, 0.5, 0.25)]
    return {"slices": slices, "cpu": machine.cpu_name(), "scrolling": scrolling} | _study(model, volume)


def _scroll(model: Model, volume: Volume, seconds_per_slice: float) -> dict[str, float]:
    """Look at 20 slices one after the other while the neighbours are embedded; how many were ready when shown."""
    cache, worker = EmbeddingCache(), Worker()
    slices = VolumeSession(volume, model, "auto", cache=cache).slices
    ahead, ready = EncodingAhead(worker, slices), 0
    first = volume.voxels_kji.shape[0] // 3
    slices.embed(SliceKey("K", first))
    for index in range(first, first + 20):
        ahead.look_at(SliceKey("K", index))
        time.sleep(seconds_per_slice)
        ready += cache.get(slices.embedding_key(slices.image(SliceKey("K", index + 1)))) is not None
    worker.close()
    return {"seconds_per_slice": seconds_per_slice, "hit_rate": ready / 20}


def _study(model: Model, volume: Volume) -> dict[str, float]:
    """One box in the middle, carried through the whole volume; then the same again with every slice embedded."""
    depth, middle = volume.voxels_kji.shape[0], volume.voxels_kji.shape[0] // 2
    seconds: dict[str, float] = {}
    session = VolumeSession(volume, model, "auto")
    label = session.add_segment(1, "organ").label
    resident = machine.resident_memory_bytes() or 0
    for name in ("study_seconds", "again_seconds"):
        start = time.perf_counter()
        session.add_prompt(label, BoxPrompt((180, 200, middle), (300, 310, middle)))
        result = propagate(session, label, "K", 0, depth - 1, WITHOUT_STOPS)
        seconds[name] = time.perf_counter() - start
    seconds["propagated_slices"] = len(result.edits)
    seconds["encodings"] = session.slices.encodings
    seconds["grown_bytes"] = (machine.resident_memory_bytes() or 0) - resident
    seconds["volume_bytes"] = volume.voxels_kji.nbytes
    return seconds


def _resized(width: int) -> Architecture:
    return replace(_COMPACT, embed_dim=width, num_heads=max(1, width // 64), mlp_dim=4 * width, adapter_dim=width // 4)


def _deep(depth: int) -> Architecture:
    return replace(_COMPACT, depth=depth, global_attn_indexes=tuple(range(2, depth, 3)))


def _random_model(architecture: Architecture, threads: int) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        write_model(path, packed_toy(architecture=architecture))
        return load_model(path, threads, cache=None)


def _encoders(architectures: dict[int, Architecture]) -> list[dict[str, float]]:
    return [
        {"x": x, "ms": _cpu_ms(_encoder(_random_model(a, 1))), "giga_macs": encoder_macs(a) / 1e9}
        for x, a in architectures.items()
    ]


def _encoder(model: Model) -> Callable[[], Any]:
    pixels = np.random.default_rng(0).integers(0, 256, (model.image_size, model.image_size, 3), dtype=np.uint8)
    return lambda: model.encode(pixels)


def _decoder(model: Model, prompts: int) -> Callable[[], Any]:
    predictor = SamPredictor(model)
    predictor.set_image(np.zeros((model.image_size, model.image_size), np.uint8))
    corners = np.tile(np.array([[[50, 60], [150, 140]]], np.float32), (prompts, 1, 1))
    labels, embedding = np.tile([[2, 3]], (prompts, 1)), predictor.get_image_embedding()
    return lambda: model.decode(embedding, corners, labels)


def _at_once(model: Model, count: int) -> Callable[[], None]:
    """Embed `count` slices from as many threads of one session."""
    encode = _encoder(model)

    def run() -> None:
        workers = [threading.Thread(target=encode) for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return run


def _cpu_ms(task: Callable[[], Any]) -> float:
    return _median_ms(task, time.process_time)


def _wall_ms(task: Callable[[], Any]) -> float:
    return _median_ms(task, time.perf_counter)


def _median_ms(task: Callable[[], Any], clock: Callable[[], float]) -> float:
    task()
    seconds = []
    for _ in range(_RUNS):
        start = clock()
        task()
        seconds.append(clock() - start)
    return round(1000 * statistics.median(seconds), 3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the file."""
    args = parse(arguments)
    if getattr(args, "simulate", None) and not is_posing():
        return run_posing(args.simulate, [__file__, *(sys.argv[1:] if arguments is None else arguments)])
    Path(args.output).write_text(json.dumps(args.measure(args), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
