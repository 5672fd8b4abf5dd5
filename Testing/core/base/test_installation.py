"""Extras come from where the package came from, and never from a name on an index that is not ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dfqsam_core.base.installation import install_command, requirement

ROOT = Path(__file__).resolve().parents[3]
WHEEL = "/home/me/down loads/dfqsam-1.0-py3-none-any.whl"


def test_a_checkout_is_named_by_a_dot_inside_and_by_its_folder_outside(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert requirement("browser", tmp_path, None, tmp_path) == ".[browser]"
    assert requirement("browser", tmp_path, None, Path("/")) == f"{tmp_path}[browser]"


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        ({"url": "file:///home/me/down%20loads/dfqsam-1.0-py3-none-any.whl", "archive_info": {}}, f"{WHEEL}[openvino]"),
        ({"url": "file:///home/me/dfqsam", "dir_info": {"editable": True}}, "/home/me/dfqsam[openvino]"),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, "dfqsam[openvino] @ https://example.org/a.whl"),
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "1a2b"}},
            "dfqsam[openvino] @ git+https://example.org/a.git@1a2b",
        ),
        (None, "FILE-OR-FOLDER-IT-CAME-FROM[openvino]"),
    ],
)
def test_an_installed_package_names_what_pip_noted(tmp_path: Path, direct_url: dict | None, expected: str) -> None:
    assert requirement("openvino", tmp_path, direct_url, tmp_path) == expected


def test_the_command_can_be_pasted_into_a_shell() -> None:
    assert re.fullmatch(r"pip install '\S+\[openvino\]'", install_command("openvino"))


def test_nothing_in_the_tree_tells_to_install_a_name_of_the_index() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in listed.splitlines()] or [*ROOT.rglob("*.py"), *ROOT.rglob("*.md")]
    told = re.compile(r"install[^\n]{0,40}[\s'\"]dfqsam(-slicer)?(\[|['\"`\s]*$)", re.MULTILINE)
    found = []
    for path in files:
        if path.suffix in {".py", ".md", ".txt", ".html", ".toml", ".yml"} and path != Path(__file__).resolve():
            found += [f"{path.name}: {match[0]}" for match in told.finditer(path.read_text(encoding="utf-8"))]
    assert found == []
