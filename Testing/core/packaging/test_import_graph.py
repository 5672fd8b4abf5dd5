"""Arrows between the rooms go one way, and torch stays on its side (CONTRIBUTING, the plan of the house)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[3] / "dfqsam_core"
LEAVES = {"__version__", "errors", "progress", "outputs", "interpolation", "windows", "resources", "pixels"}
MAY_IMPORT = {
    "store": LEAVES,
    "runtime": LEAVES | {"store"},
    "volume": LEAVES | {"store", "runtime"},
    "model": LEAVES | {"store"},
    "quant": LEAVES | {"store", "model"},
}
NO_TORCH = ("store", "runtime", "volume", "evaluate", "cli")
TORCH_FREE_IMPORTS = "dfqsam_core, dfqsam_core.runtime, dfqsam_core.volume, dfqsam_core.evaluate, dfqsam_core.cli.main"


def imports_of(path: Path) -> Iterator[str]:
    """Absolute dotted names of all modules that a file imports, also inside functions."""
    package = ("dfqsam_core", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def files_of(room: str) -> list[Path]:
    """Python files of a room."""
    return sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in files_of(room)
        for name in imports_of(path)
        if name.startswith("dfqsam_core.") and name.split(".")[1] not in allowed
    ]
    assert files_of(room)
    assert not wrong


@pytest.mark.parametrize("leaf", sorted(LEAVES - {"__version__"}))
def test_a_leaf_imports_only_leaves(leaf: str) -> None:
    names = [name for name in imports_of(PACKAGE / f"{leaf}.py") if name.startswith("dfqsam_core.")]
    assert {name.split(".")[1] for name in names} <= LEAVES


@pytest.mark.parametrize("room", NO_TORCH)
def test_the_segmenting_side_never_names_torch(room: str) -> None:
    wrong = [
        path for path in files_of(room) for name in imports_of(path) if name.split(".")[0] in ("torch", "torchvision")
    ]
    assert not wrong


def test_nothing_imports_slicer_vtk_or_qt() -> None:
    hosts = {"slicer", "vtk", "qt", "ctk", "PySide6"}
    wrong = [path for path in PACKAGE.rglob("*.py") for name in imports_of(path) if name.split(".")[0] in hosts]
    assert not wrong


def test_only_the_viewers_verb_knows_the_viewer_and_nothing_below_knows_the_slicer_module() -> None:
    root = PACKAGE.parent
    files = [*PACKAGE.rglob("*.py"), *(root / "DFQSAMSlicer").rglob("*.py")]
    knows = {path.name for path in files if "dfqsam_viewer" in path.read_text(encoding="utf-8")}
    assert knows == {"view.py"}
    assert not [
        path for path in PACKAGE.rglob("*.py") if re.search(r"(import|from) DFQSAMSlicerLib", path.read_text("utf-8"))
    ]


def test_the_checker_sees_imports_inside_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    room = tmp_path / "volume"
    room.mkdir()
    (room / "bad.py").write_text("def f():\n    from ..quant import quantize\n    import torch.nn\n", encoding="utf-8")
    assert list(imports_of(room / "bad.py")) == ["dfqsam_core.quant.quantize", "torch.nn"]


def test_without_torch_the_segmenting_side_imports() -> None:
    blocker = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'torchvision', 'segment_anything', 'matplotlib'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"{blocker}import {TORCH_FREE_IMPORTS}"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'onnxruntime', 'openvino', 'onnx', 'SimpleITK', 'scipy', 'matplotlib', 'nibabel', 'pydicom'}"
    code = f"import sys, dfqsam_core, dfqsam_core.cli.main; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
