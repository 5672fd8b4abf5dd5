"""One press: all steps on the sample, a report, and the scene as empty as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import slicer

from dfqsam_core.resources import DEMO_CHECKPOINT, resource_path
from dfqsam_scene.jobs.library import data_folder
from dfqsam_scene.prompting.place_tool import Views

from .event_loop import Wait, present_wait
from .report import has_failed, summary, write_report
from .steps import STEPS
from .timing import Clock, Outcome, run_steps
from .walk import PanelStage, ScriptStage, Stage, Walk

FOLDER_VARIABLE = "DFQSAM_VERIFICATION_FOLDER"


def run_self_test(say: Callable[[str], object]) -> str:
    """Verify, say where the report lies, and quit where Slicer was started for that; returns why it failed, else "".

    It goes through the module's panel where that is shown. say: as in `verify`.
    """
    require_empty_scene()
    widget = getattr(slicer.modules, "DFQSAMSlicerWidget", None)
    panel = None if widget is None else widget.shownPanel()
    stage: Stage = ScriptStage(_views()) if panel is None else PanelStage(panel[0], panel[1], _views())
    outcomes, report = verify(stage, say, report_folder())
    say(f"{summary(outcomes)}\nReport: {report}")
    quit_where_testing(outcomes)
    return summary(outcomes) if has_failed(outcomes) else ""


def report_folder() -> Path:
    """Where the report goes: the folder that the environment variable names, else this user's data folder."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else data_folder() / "verification"


def verify(
    stage: Stage,
    say: Callable[[str], object],
    folder: Path,
    wait: Wait | None = None,
    checkpoint: Path | None = None,
) -> tuple[list[Outcome], Path]:
    """Run the steps on the stage; returns what became of each, and the report in `folder`.

    say: shows a sentence. wait: None for the way that suits this program. checkpoint: to quantize, None for the
    embedded float one. The scene is closed at the end. Raises OutputError where no report can be written.
    """
    with tempfile.TemporaryDirectory(prefix="dfqsam-verification-", ignore_cleanup_errors=True) as work:
        walk = Walk(stage, Path(work), checkpoint or resource_path(DEMO_CHECKPOINT))
        try:
            outcomes = run_steps(STEPS, walk, Clock(stage.tick, wait or present_wait()), say)
        finally:
            walk.end()
    return outcomes, write_report(outcomes, folder)


def require_empty_scene() -> None:
    """Raise AssertionError where the scene holds anybody's work: the walk closes the scene and shows pictures of it."""
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    own = [node.GetName() for node in nodes if _is_work(node)]
    if own:
        raise AssertionError(
            f"The scene is not empty ({own[0]} and {len(own) - 1} more). Save and close it, then press again: the "
            "verification begins on an empty scene and closes it at its end."
        )


def quit_where_testing(outcomes: list[Outcome]) -> None:
    """End a Slicer that was started with --testing, with code 0 where no step failed, else 1."""
    application = getattr(slicer, "app", None)
    if application is not None and application.testingEnabled():
        slicer.util.exit(slicer.util.EXIT_FAILURE if has_failed(outcomes) else slicer.util.EXIT_SUCCESS)


def _views() -> Views:
    if getattr(slicer, "app", None) is None:
        return tuple
    from ..slice_views import shown_views

    return shown_views


def _is_work(node: object) -> bool:
    is_kept = node.IsA("vtkMRMLStorableNode") and node.GetSaveWithScene()  # type: ignore[attr-defined]
    return bool(is_kept and not node.GetHideFromEditors())  # type: ignore[attr-defined]
