"""Which system this is stands in one room; text has an encoding; three systems are checked and told the truth about."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfqsam_core.cli.main import build_parser

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[3]
PRODUCT = sorted(
    path
    for room in ("dfqsam_core", "dfqsam_scene", "dfqsam_viewer", "DFQSAMSlicer")
    for path in (ROOT / room).rglob("*.py")
)
# An instrument that is only for Linux, and says so elsewhere.
OUTSIDE = [path for path in PRODUCT if path.parent.name != "system" and path.name != "pose.py"]
ONE_SYSTEMS = {"fcntl", "resource", "pwd", "grp", "termios", "msvcrt", "winreg", "_winapi"}
ASKED = {"sys.platform", "os.name", "platform.system", "os.kill", "os.killpg", "os.uname", "sys.getwindowsversion"}
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PLATFORMS = {"linux", "darwin", "win32"}


def questions(tree: ast.AST) -> Iterator[str]:
    """Where a file asks which system this is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ASKED:
            yield ast.unparse(node)
        if isinstance(node, ast.Call) and re.match(r"(hasattr|getattr)\((os|signal|sys)\b", ast.unparse(node)):
            yield ast.unparse(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in ONE_SYSTEMS)


def texts_without_encoding(tree: ast.AST) -> Iterator[str]:
    """Calls that read or write text in whatever the country uses."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        keywords = {keyword.arg for keyword in node.keywords}
        modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        is_open = name == "open" and (isinstance(node.func, ast.Name) or not node.args or bool(modes))
        # A function of the project's own that has this name writes UTF-8 by itself.
        is_method = isinstance(node.func, ast.Attribute)
        if (is_method and name in ("read_text", "write_text")) or (is_open and not any("b" in mode for mode in modes)):
            yield ast.unparse(node)
        if name in ("run", "Popen", "check_output") and keywords & {"text", "universal_newlines"}:
            yield ast.unparse(node)


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_other_file_asks_which_system_this_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(questions(tree)) == []
    assert list(texts_without_encoding(tree)) == []


@pytest.mark.parametrize(
    "line",
    [
        "if sys.platform == 'win32': pass",
        "os.killpg(1, 2)",
        "hasattr(os, 'fork')",
        "import resource",
    ],
)
def test_the_checker_hears_the_question(line: str) -> None:
    assert list(questions(ast.parse(line)))


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("path.read_text()", True),
        ("open(path)", True),
        ("path.open('w')", True),
        ("subprocess.run(words, text=True)", True),
        ("open(path, 'rb')", False),
        ("path.open('rb')", False),
        ("path.write_text(text, encoding='utf-8')", False),
        ("webbrowser.open(address)", False),
    ],
)
def test_the_checker_sees_text_without_an_encoding(line: str, is_wrong: bool) -> None:
    assert bool(list(texts_without_encoding(ast.parse(line)))) == is_wrong


def workflow() -> dict[str, Any]:
    """The workflow as its service reads it."""
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


def commands() -> list[str]:
    """What its steps run."""
    return [step["run"] for job in workflow()["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_workflow_covers_three_systems_and_two_pythons() -> None:
    matrix = workflow()["jobs"]["test"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "windows", "macos"}
    low, high = (re.findall(r"3\.\d+", PROJECT["requires-python"])[place] for place in (0, -1))
    number = [int(version.split(".")[1]) for version in matrix["python"]]
    assert int(low.split(".")[1]) == min(number) < max(number) < int(high.split(".")[1])


def test_the_workflow_pins_its_actions_and_needs_no_secret() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", name) for name in used)
    assert "secrets" not in text
    assert workflow()["permissions"] == {"contents": "read"}


def test_the_workflow_runs_what_exists() -> None:
    for command in commands():
        words = command.split()
        assert words[0] == "python", command
        extras = re.findall(r"\.\[([a-z,-]+)\]", command)
        assert set(",".join(extras).split(",")) - {""} <= set(PROJECT["optional-dependencies"]), command
        if words[1] == "-m":
            needed = {"codespell_lib": "codespell", "dfqsam_core": "", "pip": ""}.get(words[2], words[2])
            assert needed in str(PROJECT["optional-dependencies"]), command
        else:
            assert (ROOT / words[1]).is_file(), command
        if words[1:3] == ["-m", "pytest"]:
            assert (ROOT / words[3]).is_dir()
        if words[1:3] == ["-m", "dfqsam_core"]:
            build_parser().parse_args(words[3:])


def test_lint_checks_the_types_of_three_systems_here_and_there() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    entries = [hook["entry"] for hook in hooks if "mypy" in hook["entry"]]
    assert {re.findall(r"--platform (\w+)", entry)[0] for entry in entries} == PLATFORMS
    # A shared cache would be made anew for each.
    assert len({re.findall(r"--cache-dir (\S+)", entry)[0] for entry in entries}) == 3
    assert {found for command in commands() for found in re.findall(r"mypy --platform (\w+)", command)} == PLATFORMS


def test_the_lines_for_windows_can_be_typed() -> None:
    page = (ROOT / "docs" / "use" / "install.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.splitlines() if line.startswith((".venv\\Scripts", "py "))]
    assert lines[0].startswith("py -3.12 -m venv .venv")
    extras = [name for line in lines for name in re.findall(r'install "\.\[(\w+)\]"$', line)]
    assert extras == ["browser", "quantize"]
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    commands = [line.split()[1:] for line in lines if line.startswith(".venv\\Scripts\\dfqsam ")]
    assert [build_parser().parse_args(words).verb for words in commands] == ["view", "demo"]
