"""The CMake files install what Slicer needs and nothing else, checked with a stand-in for Slicer's macros."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from Testing.support.commands import run

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, SCENE, MODULE = ROOT / "dfqsam_core", ROOT / "dfqsam_scene", ROOT / "DFQSAMSlicer"
NOT_FOR_SLICER = {Path("CMakeLists.txt"), Path("README.md")}
# Of Testing/support/slicer_widgets.py, which needs Qt.
STAND_INS = {
    *("ctkCollapsibleButton", "qMRMLWidget", "qMRMLNodeComboBox"),
    *("qMRMLSegmentsTableView", "qMRMLSegmentationShow3DButton"),
}


def files_below(folder: Path) -> set[Path]:
    """All files but what Python compiled, relative to the folder."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if "__pycache__" not in path.parts}


def test_every_file_of_the_core_is_installed_and_its_resources(installed: Path) -> None:
    in_tree = files_below(PACKAGE) - NOT_FOR_SLICER
    resources = {
        Path("_resources") / path
        for path in files_below(ROOT / "Resources")
        if path.parts[0] in ("Models", "SampleData")
    }
    assert len(in_tree) > 20
    assert len(resources) >= 6
    assert files_below(installed / "dfqsam_core") == in_tree | resources


def test_every_file_of_the_scene_is_installed(installed: Path) -> None:
    in_tree = files_below(SCENE) - NOT_FOR_SLICER
    assert Path("prompting/controller.py") in in_tree
    assert files_below(installed / "dfqsam_scene") == in_tree


def test_every_file_of_the_module_is_installed(installed: Path) -> None:
    in_tree = files_below(MODULE) - NOT_FOR_SLICER
    present = {path for path in files_below(installed) if path.parts[0] not in ("dfqsam_core", "dfqsam_scene")}
    assert {Path("DFQSAMSlicerLib/dependencies.py"), Path("Resources/UI/ModelPanel.ui")} < in_tree
    assert present == in_tree


def test_nothing_beside_the_module_looks_like_another_module(installed: Path) -> None:
    # Slicer tries every .py file in this folder as a module.
    assert [path.name for path in installed.glob("*.py")] == ["DFQSAMSlicer.py"]


def test_what_is_installed_works_on_its_own(installed: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path[:] = [path for path in sys.path if path not in ('', {str(ROOT)!r})]\n"
        # An editable install of the tree finds the package by a hook.
        "sys.meta_path = [finder for finder in sys.meta_path if 'editable' not in str(finder).lower()]\n"
        f"sys.path.insert(0, {str(installed)!r})\n"
        "import DFQSAMSlicer, dfqsam_core\n"
        "from dfqsam_core.resources import *\n"
        "from DFQSAMSlicerLib import dependencies, torch_dependency\n"
        "from dfqsam_scene.jobs import quantization\n"
        "names = (DEMO_MODEL, DEMO_CHECKPOINT, DEMO_VOLUME, DEMO_LABELS, DEMO_PROMPTS)\n"
        "files = [dfqsam_core.__file__, DFQSAMSlicer.__file__, *map(resource_path, names)]\n"
        "files += [room.REQUIREMENTS.resolve(strict=True) for room in (dependencies, torch_dependency)]\n"
        "print(*files, sep='\\n')"
    )
    files = run(sys.executable, "-c", code, cwd=tmp_path).splitlines()
    assert len(files) == 9
    assert all(Path(file).is_relative_to(installed) for file in files)


def test_the_ui_files_name_exactly_the_widgets_that_the_panel_tests_stand_in_for() -> None:
    files = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
    assert len(files) == 2
    classes = {name for file in files for name in re.findall(r'<widget class="(\w+)"', file.read_text("utf-8"))}
    assert {name for name in classes if not name.startswith("Q")} == STAND_INS
