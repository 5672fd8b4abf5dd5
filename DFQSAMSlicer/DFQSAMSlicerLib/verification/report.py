"""One HTML page on a walk: no script, no address, pictures inside, nothing that names a person or a folder."""

from __future__ import annotations

import base64
import platform
import sysconfig
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import OutputError

from .timing import FAILED, PASSED, SKIPPED, Outcome, Picture

REPORT_NAME = "DFQSAMSlicer-verification.html"
_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>DFQSAMSlicer: verification</title>
<style>
body { font-family: sans-serif; max-width: 60em; margin: 2em auto; color: #222; background: #fff; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #ccc; padding: 0.4em; text-align: left; vertical-align: top; }
.passed { color: #06632b; } .failed { color: #a30000; font-weight: bold; } .skipped { color: #666; }
img { max-width: 28em; } figure { display: inline-block; margin: 0.5em; } pre { white-space: pre-wrap; }
</style></head><body>
<h1>DFQSAMSlicer: verification</h1>
<p class="$state">$summary</p>
<p>$surroundings</p>
<p>On the sample volume that comes with the extension. For research; not a medical device.</p>
<table><tr><th>step</th><th></th><th>seconds</th><th>longest stop of the window, ms</th><th>found</th></tr>
$rows
</table>
$pictures
</body></html>
""")
_ROW = Template(
    '<tr><td>$title</td><td class="$state">$state</td><td>$seconds</td><td>$tick</td><td>$sentence$details</td></tr>'
)
_FIGURE = Template(
    '<figure><img alt="$caption" src="data:image/png;base64,$data"><figcaption>$caption</figcaption></figure>'
)


def has_failed(outcomes: Sequence[Outcome]) -> bool:
    """Return whether a step failed; skipped ones are none."""
    return any(outcome.state == FAILED for outcome in outcomes)


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many steps passed, failed and were skipped, and the reasons of those that did not pass."""
    counts = ", ".join(f"{sum(o.state == state for o in outcomes)} {state}" for state in (PASSED, FAILED, SKIPPED))
    reasons = [f"{outcome.title}: {outcome.sentence}" for outcome in outcomes if outcome.state != PASSED]
    return "\n".join([f"Verification: {counts}.", *reasons])


def surroundings() -> str:
    """Versions and the machine, in a line."""
    import slicer

    import dfqsam_core

    application = getattr(slicer, "app", None)
    version: Any = getattr(application, "applicationVersion", "without its application")
    return (
        f"DFQSAMSlicer {dfqsam_core.__version__}, Slicer {version}, Python {platform.python_version()}, "
        f"{sysconfig.get_platform()}"
    )


def page(outcomes: Sequence[Outcome], words: str) -> str:
    """The whole page; words: of `surroundings`."""
    return _PAGE.substitute(
        state=FAILED if has_failed(outcomes) else PASSED,
        summary=escape(summary(outcomes).splitlines()[0]),
        surroundings=escape(words),
        rows="\n".join(map(_row, outcomes)),
        pictures="\n".join(_figure(picture) for outcome in outcomes for picture in outcome.pictures),
    )


def write_report(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Write the page into a folder, which is made, in place of an earlier one; returns its path.

    Raises OutputError when the folder cannot be written into; an earlier page stays then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}. Name another one.") from error
    with atomic_output(folder / REPORT_NAME, force=True) as temporary:
        temporary.write_text(page(outcomes, surroundings()), encoding="utf-8")
    return folder / REPORT_NAME


def _row(outcome: Outcome) -> str:
    has_run = outcome.state != SKIPPED
    return _ROW.substitute(
        title=escape(outcome.title),
        state=outcome.state,
        seconds=f"{outcome.seconds:.2f}" if has_run else "",
        tick=f"{outcome.longest_tick_ms:.0f}" if has_run else "",
        sentence=escape(outcome.sentence),
        details=f"<pre>{escape(outcome.details)}</pre>" if outcome.details else "",
    )


def _figure(picture: Picture) -> str:
    return _FIGURE.substitute(caption=escape(picture.caption), data=base64.b64encode(picture.png).decode("ascii"))
