"""Write docs/measured/quantization_time.md: the time of `quantize`, by stage, by iteration and layer, and by function.

    python tools/quantization_time.py run CHECKPOINT --name "ViT-B, random weights" --recipe default -o vit_b.json
    python tools/quantization_time.py page compact.json vit_b.json

`run` quantizes into a folder that it removes, with as many threads as `dfqsam quantize` would take; then it looks at
what a short run of one image on one thread is doing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from dfqsam_core.base import machine  # noqa: E402
from dfqsam_core.base.outputs import atomic_output  # noqa: E402
from dfqsam_core.progress import Progress  # noqa: E402
from dfqsam_core.quant import QuantConfig, quantize  # noqa: E402
from dfqsam_core.quant.calibration import tuning  # noqa: E402
from dfqsam_core.quant.config import RECIPES  # noqa: E402

_PAGE = _ROOT / "docs" / "measured" / "quantization_time.md"
_CORE = _ROOT / "dfqsam_core"
# Fewer steps of both kinds, in about the proportion in which `default` takes them.
_PROFILED_ITERATIONS, _PROFILED_TUNING, _FUNCTIONS = 20, 3, 14
# A thread inside these does nothing.
_WAITING = ("threading", "_base", "thread", "queue")
_TEXT = """# How long quantizing takes

**A quantization takes minutes on two cores. With `default`, synthesis takes half of them or more; with `fast`, which
optimises no image, calibration takes nearly all, and grows with the width of the network.**

Measured on: {machine}. Seconds are wall time of `dfqsam quantize`'s own function; processor seconds are those of
all its threads, which count where the load at the start says that the computer was busy.

{stages}

Calibration equalizes channels, chooses ranges, rounds weights and tunes, in 50 steps where it has to tune codes, too
([method](../how/method.md)); it works block by block, so that a block's float and quantized inputs are computed once.
Memory grows with the images, since the inputs of one block's layers are held together.

## Where they go

Functions of the core, with what they call of other packages, by their share of the time of a run of one image, at most
{iterations} iterations and {tuning} steps of tuning on one thread; looked at 200 times a second.

{functions}

---

Made by `tools/quantization_time.py`; its head says how.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the time of quantizing.")
    verbs = parser.add_subparsers(required=True)
    run = verbs.add_parser("run", help="quantize once and write what it took as JSON")
    run.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    run.add_argument("--name", required=True, help="what the page calls the checkpoint")
    run.add_argument("--recipe", choices=sorted(RECIPES), default="default", help="default: %(default)s")
    run.add_argument("--far", action="store_true", help="tune codes in every part, as where 4 bits leave all far off")
    run.add_argument("--threads", type=int, metavar="N", help="default: all cores")
    run.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.json")
    run.set_defaults(act=measure)
    page = verbs.add_parser("page", help="write docs/measured/quantization_time.md")
    page.add_argument("results", type=Path, nargs="+", metavar="FILE.json")
    page.set_defaults(act=lambda args: _PAGE.write_text(document([json.loads(p.read_text()) for p in args.results])))
    args = parser.parse_args(arguments)
    args.act(args)
    return 0


def measure(args: argparse.Namespace) -> None:
    """Quantize, profile, and write both as JSON."""
    config, threads, blocks = QuantConfig.from_recipe(args.recipe), machine.worker_count(args.threads), _BlockTimes()
    load = machine.load_average()
    if args.far:
        tuning.FAR = 0.0
    seconds, layers = _quantize(args.checkpoint, config, threads, blocks)
    processor = blocks.processor_seconds()
    peak = machine.peak_memory_bytes()
    synthesis, calibration = config.synthesis, config.calibration
    few = replace(
        config,
        synthesis=replace(synthesis, images=1, iterations=min(_PROFILED_ITERATIONS, synthesis.iterations)),
        calibration=replace(
            calibration,
            tuning_steps=min(_PROFILED_TUNING, calibration.tuning_steps),
            code_tuning_steps=min(_PROFILED_TUNING, calibration.code_tuning_steps),
        ),
    )
    found = {
        "name": args.name,
        "recipe": args.recipe,
        "machine": f"{machine.cpu_name()}, {machine.instruction_set()}, {machine.physical_cores()} cores",
        "load": load,
        "threads": threads,
        "images": config.synthesis.images,
        "iterations": config.synthesis.iterations,
        "tuning_steps": sorted(blocks.tuning_steps),
        "layers": layers,
        "seconds": seconds,
        "processor_seconds": processor,
        "block_seconds": blocks.seconds(),
        "peak_bytes": peak,
        "functions": {} if args.far else _profile(args.checkpoint, few),
    }
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _profile(checkpoint: Path, config: QuantConfig) -> dict[str, float]:
    """Share of the time of a short run by function."""
    sampler = _Sampler()
    sampler.start()
    _quantize(checkpoint, config, 1, None)
    return sampler.shares()


class _BlockTimes:
    """Hears progress, and knows how long each stage and each block of the encoder took."""

    def __init__(self) -> None:
        self._starts: dict[int, float] = {}
        self._stages: dict[str, float] = {}
        self.tuning_steps: set[int] = set()

    def __call__(self, progress: Progress) -> None:
        self._stages.setdefault(progress.stage, time.process_time())
        self.tuning_steps |= {int(steps) for steps in re.findall(r"tuning step \d+ of (\d+)", progress.message)}
        if progress.stage == "calibration" and progress.total > 1:
            self._starts.setdefault(progress.done, time.perf_counter())

    def processor_seconds(self) -> dict[str, float]:
        """Of each stage until the next, the last one until now; of all threads."""
        ends = [*list(self._stages.values())[1:], time.process_time()]
        return {stage: end - start for (stage, start), end in zip(self._stages.items(), ends, strict=True)}

    def seconds(self) -> list[float]:
        """Of all blocks but the last, which the neck follows without a word."""
        return [after - before for before, after in pairwise(self._starts.values())]


def _quantize(
    checkpoint: Path, config: QuantConfig, threads: int, progress: _BlockTimes | None
) -> tuple[dict[str, float], int]:
    """Seconds of each stage, and how many layers got codes."""
    with tempfile.TemporaryDirectory() as folder:
        result = quantize(checkpoint, Path(folder, "packed.safetensors"), config, threads=threads, progress=progress)
    return result["seconds"], sum(layer["input_bits"] is not None for layer in result["card"]["layers"])


class _Sampler(threading.Thread):
    """Looks 200 times a second at what each thread is doing, and counts by function of the core."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.counts: Counter[str] = Counter()
        self._ends = threading.Event()

    def run(self) -> None:
        while not self._ends.wait(0.005):
            for thread, frame in sys._current_frames().items():
                if thread != self.ident and Path(frame.f_code.co_filename).stem not in _WAITING:
                    self.counts.update(_function_of_core(frame))

    def shares(self) -> dict[str, float]:
        """End it; share of the samples by function, largest first."""
        self._ends.set()
        self.join()
        return {name: count / self.counts.total() for name, count in self.counts.most_common(_FUNCTIONS)}


def _function_of_core(frame: FrameType | None) -> Iterator[str]:
    """The innermost function of the core, with what it calls of other packages, as `synthesis.step > backward`."""
    called = ""
    while frame is not None:
        path, name = Path(frame.f_code.co_filename), frame.f_code.co_name
        if _CORE in path.parents:
            yield f"{path.stem}.{name}{called}"
            return
        called, frame = f" > {name}", frame.f_back


def document(results: Sequence[dict[str, Any]]) -> str:
    """Return the whole page."""
    return _TEXT.format(
        machine="; ".join(sorted({result["machine"] for result in results})),
        iterations=_PROFILED_ITERATIONS,
        tuning=_PROFILED_TUNING,
        stages=_table([result["name"] + ", " + result["recipe"] for result in results], map(_stages, results)),
        functions="\n\n".join(_shares(result) for result in results if result["functions"]),
    )


def _stages(result: dict[str, Any]) -> dict[str, str]:
    seconds, iterations = result["seconds"], result["images"] * result["iterations"]
    blocks, processor = result["block_seconds"], result["processor_seconds"]
    tuning = " or ".join(map(str, result["tuning_steps"]))
    return {
        "threads; load at the start": f"{result['threads']}; {result['load']:.1f}",
        "images x iterations; tuning steps": f"{result['images']} x {result['iterations']}; {tuning}",
        "read, s": f"{seconds['read']:.1f}",
        "synthesis, s": f"{seconds['synthesis']:.0f}",
        "synthesis, processor seconds": f"{processor['synthesis']:.0f}",
        "of it for one iteration of one image, s": f"{seconds['synthesis'] / iterations:.3f}" if iterations else "",
        "calibration, s": f"{seconds['calibration']:.0f}",
        "calibration, processor seconds": f"{processor['calibration']:.0f}",
        "of it for one layer, s": f"{seconds['calibration'] / result['layers']:.2f}",
        "fastest and slowest block, s": f"{min(blocks):.1f}, {max(blocks):.1f}",
        "write, s": f"{seconds['write']:.1f}",
        "all, s": f"{sum(seconds.values()):.0f}",
        "all, processor seconds": f"{sum(processor.values()):.0f}",
        "peak memory, GB": "unknown" if result["peak_bytes"] is None else f"{result['peak_bytes'] / 1e9:.1f}",
    }


def _table(names: Sequence[str], columns: Iterator[dict[str, str]]) -> str:
    found = list(columns)
    rows = [["", *names], ["---", *["---:"] * len(names)]]
    rows += [[part, *(column[part] for column in found)] for part in found[0]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _shares(result: dict[str, Any]) -> str:
    shares = ", ".join(f"`{name}` {share:.0%}" for name, share in result["functions"].items())
    return f"**{result['name']}, {result['recipe']}:** {shares}."


if __name__ == "__main__":
    sys.exit(main())
