"""Arrows between the rooms go one way, and torch, Slicer, Qt and trame stay on their sides (CONTRIBUTING, the plan)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {
    "dfqsam_core": ROOT / "dfqsam_core",
    "dfqsam_scene": ROOT / "dfqsam_scene",
    "dfqsam_viewer": ROOT / "dfqsam_viewer",
    "DFQSAMSlicerLib": ROOT / "DFQSAMSlicer" / "DFQSAMSlicerLib",
}
# The door: what scripts catch, follow and open. Every room may use it.
DOOR = {"dfqsam_core." + name for name in ("errors", "progress", "resources", "__version__", "_version")}
CORE = "dfqsam_core."
NETWORK, STORE, RUNTIME, VOLUME = CORE + "network", CORE + "store", CORE + "runtime", CORE + "volume"
SEGMENTING = {CORE + "base", NETWORK, STORE, RUNTIME, VOLUME}
SCENE = {"dfqsam_scene." + room for room in ("nodes", "prompting", "jobs")}
# Which rooms each room may use, beside the door. A room is the folder that a file lies in or below.
MAY_IMPORT: dict[str, set[str]] = {
    CORE + "base": set(),
    NETWORK: {CORE + "base"},
    STORE: {CORE + "base", NETWORK},
    RUNTIME: {CORE + "base", NETWORK, STORE},
    VOLUME: {CORE + "base", NETWORK, STORE, RUNTIME},
    CORE + "model": {CORE + "base", NETWORK, STORE},
    CORE + "quant": {CORE + "base", NETWORK, STORE, CORE + "model"},
    CORE + "evaluate": SEGMENTING | {CORE + "model", CORE + "quant"},
    CORE + "bench": SEGMENTING,
    CORE + "demo": SEGMENTING | {CORE + "quant", CORE + "evaluate"},
    CORE + "report": SEGMENTING | {CORE + "quant", CORE + "evaluate", CORE + "bench"},
    CORE + "cli": SEGMENTING | {CORE + room for room in ("model", "quant", "evaluate", "bench", "demo", "report")},
    "dfqsam_scene.nodes": SEGMENTING,
    # The names of the recipes are told once, in a file without torch.
    "dfqsam_scene.jobs": SEGMENTING | {CORE + "quant.config"},
    "dfqsam_scene.prompting": SEGMENTING | {"dfqsam_scene.nodes", "dfqsam_scene.jobs"},
    "dfqsam_viewer": SEGMENTING | SCENE,
    "DFQSAMSlicerLib": SEGMENTING | SCENE,
}
# Rooms inside a room: the same rule, one floor down.
INNER: dict[str, dict[str, set[str]]] = {
    CORE + "base": {"system": set()},
    RUNTIME: {"graph": set(), "engines": {"graph"}},
    VOLUME: {"files": set(), "session": {"files"}, "batch": {"files", "session"}},
    CORE + "quant": {"synthesis": set(), "calibration": set()},
}
NO_TORCH = ("base", "network", "store", "runtime", "volume", "cli")
TORCH_FREE_IMPORTS = "dfqsam_core, dfqsam_core.runtime, dfqsam_core.volume, dfqsam_core.evaluate, dfqsam_core.cli.main"
HOSTS = {
    "dfqsam_core": {"slicer", "vtk", "vtkmodules", "qt", "ctk", "PySide6", "trame", "trame_slicer"},
    "dfqsam_scene": {"qt", "ctk", "PySide6", "trame", "trame_slicer", "trame_client"},
    "DFQSAMSlicerLib": {"trame", "trame_slicer", "trame_client", "torch"},
    "dfqsam_viewer": {"qt", "ctk", "PySide6", "torch"},
}


def files_of(room: str) -> list[Path]:
    """Python files in a room's folder, or the one file of that name."""
    top, *below = room.split(".")
    folder = PACKAGES[top].joinpath(*below)
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def module_of(path: Path) -> tuple[str, ...]:
    """Dotted name of a file, in parts; a package's own file counts as the package."""
    top = next(name for name, folder in PACKAGES.items() if path.is_relative_to(folder))
    parts = (top, *path.relative_to(PACKAGES[top]).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports_of(path: Path) -> Iterator[str]:
    """Absolute dotted names of all that a file imports, also inside functions and for the type checker alone."""
    module = module_of(path)
    package = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def lies_in(name: str, rooms: set[str]) -> bool:
    """Whether a dotted name is one of the rooms or something in them."""
    return any(name == room or name.startswith(room + ".") for room in rooms)


def is_ours(name: str) -> bool:
    """Whether a dotted name belongs to this project."""
    return name.split(".")[0] in PACKAGES


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    allowed = MAY_IMPORT[room] | DOOR | {room, "dfqsam_core.load_model", "dfqsam_core.SamPredictor"}
    wrong = [
        f"{'.'.join(module_of(path))} imports {name}"
        for path in files_of(room)
        for name in imports_of(path)
        if is_ours(name) and not lies_in(name, allowed) and name not in ("dfqsam_core.cli.view", "dfqsam_core")
    ]
    wrong = [line for line in wrong if not (line.startswith("dfqsam_core.cli.view ") and "dfqsam_viewer" in line)]
    assert files_of(room)
    assert not wrong


@pytest.mark.parametrize(("outer", "inner"), [(outer, inner) for outer, rooms in INNER.items() for inner in rooms])
def test_an_inner_room_imports_only_those_below_it(outer: str, inner: str) -> None:
    others = {f"{outer}.{room}" for room in INNER[outer]} - {f"{outer}.{inner}"}
    allowed = {f"{outer}.{room}" for room in INNER[outer][inner]}
    wrong = [
        f"{path.name} imports {name}"
        for path in files_of(f"{outer}.{inner}")
        for name in imports_of(path)
        if lies_in(name, others - allowed)
    ]
    assert not wrong


def test_every_folder_is_a_room_with_a_rule() -> None:
    folders = {
        ".".join(module_of(path))
        for top in PACKAGES
        for path in PACKAGES[top].rglob("__init__.py")
        if path.parent != PACKAGES[top]
    }
    inner = {f"{outer}.{room}" for outer, rooms in INNER.items() for room in rooms}
    assert {folder for folder in folders if not lies_in(folder, set(MAY_IMPORT) | inner)} == set()
    assert set(MAY_IMPORT) - {"dfqsam_viewer", "DFQSAMSlicerLib"} <= folders


def test_the_rooms_form_no_circle() -> None:
    rooms = set(MAY_IMPORT)
    order = list(TopologicalSorter({room: allowed & rooms for room, allowed in MAY_IMPORT.items()}).static_order())
    assert set(order) == rooms


def test_no_files_import_each_other_in_a_circle() -> None:
    paths = {".".join(module_of(path)): path for top in PACKAGES for path in PACKAGES[top].rglob("*.py")}
    graph = {
        module: {found for name in imports_of(path) if (found := _module_named(name, paths)) not in ("", module)}
        for module, path in paths.items()
        # A package's own file gathers names for those outside; inside it nobody imports from there.
        if path.name != "__init__.py"
    }
    list(TopologicalSorter({m: {t for t in targets if t in graph} for m, targets in graph.items()}).static_order())


def _module_named(name: str, paths: dict[str, Path]) -> str:
    return name if name in paths else name.rpartition(".")[0] if name.rpartition(".")[0] in paths else ""


@pytest.mark.parametrize("leaf", ["errors", "progress", "resources"])
def test_the_door_opens_to_nothing_but_itself(leaf: str) -> None:
    names = [name for name in imports_of(PACKAGES["dfqsam_core"] / f"{leaf}.py") if is_ours(name)]
    assert all(lies_in(name, DOOR) for name in names)


@pytest.mark.parametrize("room", NO_TORCH)
def test_the_segmenting_side_never_names_torch(room: str) -> None:
    wrong = [
        path
        for path in files_of(CORE + room)
        for name in imports_of(path)
        if name.split(".")[0] in ("torch", "torchvision")
    ]
    assert not wrong


@pytest.mark.parametrize("package", HOSTS)
def test_each_package_leaves_foreign_hosts_alone(package: str) -> None:
    wrong = [
        f"{path.name} imports {name}"
        for path in PACKAGES[package].rglob("*.py")
        for name in imports_of(path)
        if name.split(".")[0] in HOSTS[package]
    ]
    assert not wrong


def test_only_the_viewers_verb_knows_the_viewer() -> None:
    files = [path for top in PACKAGES if top != "dfqsam_viewer" for path in PACKAGES[top].rglob("*.py")]
    knows = {path.name for path in files if any(name.startswith("dfqsam_viewer") for name in imports_of(path))}
    assert knows == {"view.py"}


def test_the_checker_sees_imports_inside_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "dfqsam_core", tmp_path)
    room = tmp_path / "volume" / "files"
    room.mkdir(parents=True)
    bad = "def f():\n    from ...quant import quantize\n    import torch.nn\n"
    (room / "bad.py").write_text(bad, encoding="utf-8")
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
