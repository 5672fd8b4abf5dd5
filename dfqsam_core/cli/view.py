"""`dfqsam view`: segment in a browser on this computer."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from html import escape
from pathlib import Path

from ..base.installation import install_command
from ..progress import Cancelled
from .console import DONE, Subparsers, say
from .files import declare_files
from .interrupt import cancel_on_signals
from .model_option import add_model_option


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "view",
        help="segment in a browser, on this computer alone",
        description="Open a page with slice views on which points and boxes become segments. It answers only to this "
        "computer, and only at an address that holds a secret. Needs the extra: "
        f"{install_command('browser')}.",
    )
    parser.add_argument("volume", metavar="VOLUME", nargs="?", type=Path, help="volume, DICOM folder, or scene (.mrb)")
    add_model_option(parser)
    parser.add_argument("-l", "--labels", type=Path, metavar="LABELS", help="label map of the volume, to go on from")
    parser.add_argument(
        "--root",
        type=Path,
        action="append",
        metavar="DIR",
        help="folder that the file dialogs show; may be repeated (default: the present folder and those of the files)",
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="open no browser; print the address with its secret")
    declare_files(parser, reads=("volume", "model", "labels"), writes=())
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check what was given, then serve until Ctrl+C, which may also come while the viewer starts."""
    _check(args)
    with cancel_on_signals() as raise_if_stopped, contextlib.suppress(Cancelled):
        _serve(args, raise_if_stopped)
    say("The viewer has ended.", sys.stderr)
    return DONE


def _serve(args: argparse.Namespace, raise_if_stopped: Callable[[], None]) -> None:
    from dfqsam_viewer.server import Start, serve

    raise_if_stopped()
    given = [path for path in (args.volume, args.model, args.labels) if path is not None]
    roots = args.root or [Path.cwd(), *(path if path.is_dir() else path.parent for path in given)]

    # Of this user alone, and gone when the viewer ends.
    with tempfile.TemporaryDirectory(prefix="dfqsam-view-") as folder:

        def ready(address: str) -> None:
            place = None if args.no_browser else open_privately(address, Path(folder))
            say(f"The viewer is open at {place or address}\nEnd it with Ctrl+C.")

        start = Start(args.volume, args.model, args.labels, tuple(roots), args.conventions)
        serve(start, args.port, ready, raise_if_stopped)


def open_privately(address: str, folder: Path) -> str | None:
    """Open a browser on a page in `folder`, this user's own, that leads to `address`; None where there is no browser.

    All users of a computer see the command lines of programs, so the token in `address` must not stand on one; nor
    does it get into a log of this program. Returns the page's own address, to open it again.
    """
    page = folder / "viewer.html"
    text = f'<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={escape(address)}">'
    with open(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta charset="utf-8"><title>DFQSAM viewer</title>{text}\n')
    return page.as_uri() if webbrowser.open(page.as_uri()) else None


def _check(args: argparse.Namespace) -> None:
    """Refuse what is wrong before anything is loaded."""
    from ..errors import ConfigError, VolumeError
    from ..store.description import describe_file

    for path in (args.volume, args.labels):
        if path is not None and not path.exists():
            raise VolumeError(f"{path} does not exist. Check the path.")
    if args.labels is not None and args.volume is None:
        raise VolumeError("--labels needs the volume that they lie on: dfqsam view VOLUME --labels LABELS.")
    if args.model is not None:
        describe_file(args.model, args.conventions, is_to_run=False)
    try:
        socket.create_server(("127.0.0.1", args.port)).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"The port {args.port} cannot be used: {error}. Give another one with --port, or none for a free one."
        ) from error
