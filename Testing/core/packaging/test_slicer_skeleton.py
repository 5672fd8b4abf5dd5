"""The Slicer module's file can be imported and read outside Slicer, without torch."""

from __future__ import annotations

import ast
import struct
import subprocess
import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parents[3] / "DFQSAMSlicer" / "DFQSAMSlicer.py"


def test_it_imports_without_slicer_and_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.path.insert(0, {str(MODULE.parent)!r})\n"
        "import DFQSAMSlicer as module\n"
        "print(module.DFQSAMSlicerLogic().version())"
    )
    result = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(".") == 2


def test_slicer_can_discover_it() -> None:
    # Slicer's module factory parses the file and looks for this base by its bare name.
    classes = {node.name: node for node in ast.parse(MODULE.read_text()).body if isinstance(node, ast.ClassDef)}
    assert [ast.unparse(base) for base in classes["DFQSAMSlicer"].bases] == ["ScriptedLoadableModule"]
    assert {"DFQSAMSlicerWidget", "DFQSAMSlicerLogic", "DFQSAMSlicerTest"} <= set(classes)


def test_the_icon_has_the_size_that_the_catalogue_asks_for() -> None:
    header = (MODULE.parent / "Resources" / "Icons" / "DFQSAMSlicer.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:]) == (128, 128)


def test_the_library_keeps_to_its_side() -> None:
    # No Qt, no engine and no torch anywhere at import; history, worker and controller know nothing of the scene either.
    library = MODULE.parent / "DFQSAMSlicerLib"
    for path in sorted(library.glob("*.py")):
        nodes = ast.parse(path.read_text(encoding="utf-8")).body
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        roots = {name.split(".")[0] for name in names}
        assert not roots & {"qt", "ctk", "torch", "onnxruntime", "onnx", "PySide6"}, path
        if path.stem in ("canvas", "controller", "worker", "dependencies"):
            assert not roots & {"slicer", "vtk", "vtkmodules"}, path
