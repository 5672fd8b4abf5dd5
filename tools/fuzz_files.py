"""Mutates good files of every format that is read and watches the readers: no crash, no hang, no other file touched.

Run: python tools/fuzz_files.py [--count 5000] [--seed 0] [--format nifti] [--samples DIR]

Each file may end in success or in one of the package's errors, within 20 s and 4 GB of address space, and nothing
outside the work folder may be opened, written, run or connected to. A mutation depends on seed and number alone:
`--format NAME --first N --count 1 --keep FILE` makes one again. Exit code 3 when anything else was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_formats import FORMATS, OUTSIDE_NAME, OUTSIDE_VALUE, Format, Sample

from dfqsam_core.errors import DFQSAMError

_SECONDS, _MEMORY_BYTES = 20, 4 * 2**30
_MAX_SAMPLE_BYTES = 256 * 1024
_HEADER_BYTES, _DIGIT_BYTES = 512, 4096
_FORBIDDEN = ("socket.", "subprocess.", "pickle.", "os.exec", "os.fork", "os.posix_spawn", "os.system")
_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Touched(BaseException):
    """Something outside the work folder; no `except Exception` of a library may swallow it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the formats asked for, each in processes of its own; return 0, or 3 with the findings printed."""
    args = parse(arguments)
    if args.child:
        return child(args)
    findings = 0
    for name in args.format or FORMATS:
        outcomes: Counter[str] = Counter()
        first, end = args.first, args.first + args.count
        while first < end:
            found, first, reason = one_process(args, name, first, end - first)
            outcomes += found
            if reason:
                findings += 1
                print(f"{name} number {first - 1}: {reason}", flush=True)
        print(f"{name}: {outcomes['read']} read, {outcomes['refused']} refused", flush=True)
    return 3 if findings else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="mutated files per format (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", action="append", choices=FORMATS, help="repeatable (default: all)")
    parser.add_argument("--samples", type=Path, help="folder of more good files, up to 256 kB each")
    parser.add_argument("--keep", type=Path, help="copy the last mutated file here")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def one_process(args: argparse.Namespace, name: str, first: int, count: int) -> tuple[Counter[str], int, str]:
    """Fuzz in a child until it ends: outcomes, the next number, and why it ended too early ("" where it did not)."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "work")
        folder.mkdir()
        Path(parent, OUTSIDE_NAME).write_bytes(bytes([OUTSIDE_VALUE]) * 4096)
        line = [
            sys.executable,
            "-X",
            "faulthandler",
            __file__,
            "--child",
            folder,
            "--format",
            name,
            "--first",
            first,
            "--count",
            count,
        ]
        line += ["--seed", args.seed, *(["--samples", args.samples] if args.samples else [])]
        environment = os.environ | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(list(map(str, line)), env=environment, capture_output=True, text=True, check=False)
        state = Path(folder, "state.json")
        if not state.exists():
            raise SystemExit(f"{name} did not begin: {ended.stderr[-2000:]}")
        number, outcomes, file_name = json.loads(state.read_text())
        if args.keep:
            shutil.copy(folder / file_name, args.keep)
        left = sorted(path.name for path in Path(parent).iterdir())
        reason = "" if ended.returncode == 0 else f"exit code {ended.returncode}: {ended.stderr.strip()[-800:]}"
        if left != [OUTSIDE_NAME, "work"]:
            reason = f"left {left} outside the folder. {reason}"
        return Counter(outcomes), number + 1, reason


def child(args: argparse.Namespace) -> int:
    """Fuzz one format in this process, under its limits; whatever is not allowed ends the process."""
    name, folder = args.format[0], args.child
    form = FORMATS[name]
    samples = form.samples() + more_samples(form, args.samples, folder)
    for sample in samples:
        if attempt(form, folder, sample.name, sample.wrap(sample.content)) != "read":
            raise SystemExit(f"The sample {sample.name} of the format {name} is refused before it is mutated.")
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    sys.addaudithook(guard(folder))
    outcomes: Counter[str] = Counter()
    for number in range(args.first, args.first + args.count):
        rng = np.random.default_rng([args.seed, number])
        sample = samples[rng.integers(len(samples))]
        content = sample.wrap(mutated(sample.content, rng, form.tokens))
        (folder / "state.json").write_text(json.dumps([number, outcomes, sample.name]))
        outcomes[attempt(form, folder, sample.name, content)] += 1
    (folder / "state.json").write_text(json.dumps([number, outcomes, sample.name]))
    return 0


def attempt(form: Format, folder: Path, name: str, content: bytes) -> str:
    """Write and read one file: "read" or "refused"; anything else is raised, and a hang ends the process."""
    path = folder / name
    path.write_bytes(content)
    faulthandler.dump_traceback_later(_SECONDS, exit=True)
    try:
        form.read(path)
    except DFQSAMError as error:
        if isinstance(error.__cause__, MemoryError):
            raise
        return "refused"
    finally:
        faulthandler.cancel_dump_traceback_later()
    return "read"


def more_samples(form: Format, source: Path | None, folder: Path) -> list[Sample]:
    """Files below `source` that bear the name of a sample's kind and are read without complaint."""
    endings = tuple({sample.name[1:] for sample in form.samples()})
    found = []
    for path in sorted(source.rglob("*")) if source else ():
        if path.is_file() and path.name.endswith(endings) and path.stat().st_size <= _MAX_SAMPLE_BYTES:
            name = "a" + max((end for end in endings if path.name.endswith(end)), key=len)
            if attempt(form, folder, name, path.read_bytes()) == "read":
                found.append(Sample(name, path.read_bytes()))
    return found


def guard(folder: Path) -> Any:
    """Audit hook that raises Touched for whatever leaves `folder`, but for reading the libraries themselves."""
    libraries = tuple(os.path.realpath(path) + os.sep for path in {*sys.path, sys.prefix, sys.base_prefix} if path)
    inside = os.path.realpath(folder) + os.sep

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if event.startswith(_FORBIDDEN):
            raise Touched(f"{event} {details!r:.200}")
        if event != "open" and event not in _CHANGES:
            return
        place = details[0]
        if isinstance(place, int):
            return
        if event != "open" and isinstance(details[-1], int) and details[-1] >= 0:
            # Relative to an open folder, as shutil.rmtree removes files.
            place = os.path.join(os.readlink(f"/proc/self/fd/{details[-1]}"), os.fsdecode(place))
        path = os.path.realpath(os.fsdecode(place)) + os.sep
        writing = event != "open" or bool(details[2] & _WRITING)
        if not path.startswith(inside) and (writing or not path.startswith((*libraries, "/dev/", "/proc/", "/sys/"))):
            raise Touched(f"{event} {details!r:.200}")

    return hook


def mutated(content: bytes, rng: np.random.Generator, tokens: Sequence[bytes]) -> bytes:
    """`content` after one to six random changes, often one, most of them near its start, where headers are."""
    data = bytearray(content)
    for _ in range(min(6, rng.geometric(0.5))):
        start = int(rng.integers(0, 1 + (len(data) if rng.random() < 0.3 else min(len(data), _HEADER_BYTES))))
        length = int(rng.integers(1, 9))
        kind = rng.integers(7)
        if kind == 0:
            data[start : start + length] = rng.bytes(length)
        elif kind == 1:
            data[start:start] = tokens[rng.integers(len(tokens))]
        elif kind == 2:
            token = tokens[rng.integers(len(tokens))]
            data[start : start + len(token)] = token
        elif kind == 3:
            del data[start : start + length * int(rng.integers(1, 9))]
        elif kind == 4:
            data[start:start] = data[start : start + 64 * length]
        elif kind == 5 and (digits := [n for n, value in enumerate(data[:_DIGIT_BYTES]) if value in b"0123456789"]):
            data[digits[rng.integers(len(digits))]] = b"0123456789-.e"[rng.integers(13)]
        elif rng.random() < 0.2:
            del data[start:]
        else:
            data[start : start + 1] = bytes([int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))])
    return bytes(data)


if __name__ == "__main__":
    sys.exit(main())
