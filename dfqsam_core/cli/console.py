"""What all verbs share: errors to exit codes, progress on standard error, JSON reports."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from ..base.installation import install_command
from ..base.outputs import refuse_overwrite, write_json
from ..errors import CheckFailed, DFQSAMError, readable
from ..progress import Cancelled, Progress, ProgressCallback
from .files import refuse_inputs_as_outputs
from .interrupt import cancel_on_signals
from .streams import reader_is_gone

DONE, WRONG_INPUT, FAILED_CHECK, CANCELLED = 0, 2, 3, 130
Subparsers = argparse._SubParsersAction  # argparse has no public name for what add_subparsers() returns

# Modules that only an extra of the package brings; segmenting works without them.
_EXTRA_OF_MODULE = {
    "torch": "quantize",
    "segment_anything": "quantize",
    "matplotlib": "quantize",
    "jinja2": "evaluate",
    "dask": "batch",
    "distributed": "batch",
    "highdicom": "dicomseg",
    "slicer": "browser",
    "vtk": "browser",
    "aiohttp": "browser",
    "platformdirs": "browser",
    "trame": "browser",
    "trame_client": "browser",
    "trame_slicer": "browser",
    "trame_vuetify": "browser",
}


def guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Run a verb and return its exit code; what a user can cause becomes one sentence on standard error."""
    try:
        refuse_inputs_as_outputs(args)
        return run(args)
    except DFQSAMError as error:
        return _say(str(error), WRONG_INPUT)
    except CheckFailed as error:
        return _say(str(error), FAILED_CHECK)
    except (Cancelled, KeyboardInterrupt):
        return _say("Cancelled.", CANCELLED)
    except (MemoryError, OSError, ModuleNotFoundError, RuntimeError) as error:
        sentence = _environment_sentence(error)
        if sentence is None:
            raise
        return _say(sentence, WRONG_INPUT)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print `text` on standard output or `stream`, without what could steer the terminal: names come from files."""
    print(readable(text), file=stream or sys.stdout, flush=True)


def _say(sentence: str, code: int) -> int:
    say(sentence, sys.stderr)
    return code


def _environment_sentence(error: BaseException) -> str | None:
    """Say what the machine lacks, or None when `error` is a defect that deserves its traceback."""
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error).lower():
        return "The machine ran out of memory. Close other programs, or lower --images and --threads."
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRA_OF_MODULE:
        return (
            f"This command needs {error.name}, which is not installed here. "
            f"Install the extra: {install_command(_EXTRA_OF_MODULE[error.name])}."
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}. Check the path, its permissions and the free space of the disk."
    return None


def add_progress_option(parser: argparse.ArgumentParser) -> None:
    """Add --progress."""
    parser.add_argument(
        "--progress",
        choices=("bars", "json", "none"),
        default="bars",
        help="how progress is shown on standard error; json: one object per line, for other programs (default: bars)",
    )


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add --report, --force and --progress."""
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="also write the result as JSON")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_progress_option(parser)


def check_report(args: argparse.Namespace) -> None:
    """Refuse an unusable --report before the long work starts, not after it."""
    if args.report is not None:
        refuse_overwrite(args.report, args.force)


def write_report(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Write `result` to --report, when it was given."""
    if args.report is not None:
        write_json(args.report, result, args.force)


def print_notes(notes: Iterable[str]) -> None:
    """Say on standard output what was read or changed in a way that the user may not expect."""
    for note in notes:
        say(f"Note: {note}")


@contextlib.contextmanager
def progress_callback(args: argparse.Namespace) -> Iterator[ProgressCallback]:
    """Yield the callback that --progress asks for; Ctrl-C (or a polite kill) makes it raise Cancelled."""
    with cancel_on_signals() as raise_if_cancelled, _display(args.progress) as show:

        def callback(progress: Progress) -> None:
            raise_if_cancelled()
            show(progress)

        yield callback


@contextlib.contextmanager
def _display(kind: str) -> Iterator[ProgressCallback]:
    # 3D Slicer's Python has no rich: there the work goes on without bars.
    if kind == "bars" and importlib.util.find_spec("rich") is not None:
        from .bars import progress_bars

        with progress_bars() as show:
            yield show
    else:
        yield _json_line if kind == "json" else lambda progress: None


def _json_line(progress: Progress) -> None:
    fields = {name: getattr(progress, name) for name in ("stage", "done", "total", "message")}
    print(json.dumps(fields), file=sys.stderr, flush=True)
    # The program that asked for these lines has ended: nobody waits for the result.
    if reader_is_gone(sys.stderr):
        raise Cancelled
