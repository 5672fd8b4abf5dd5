"""Every block of the pages does what it says, from an empty folder."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import pytest

pytest.importorskip("torch")

from dfqsam_core.cli.main import EXAMPLES, build_parser, main
from dfqsam_core.resources import DEMO_LABELS, DEMO_MODEL, DEMO_PROMPTS, DEMO_VOLUME, resource_path
from dfqsam_core.store.model_file import write_model
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.pages import ROOT, Block, blocks
from Testing.support.quantized import quantized_toy

# What is not run here, by its first words, with the reason; what can be checked without running it is.
NOT_RUN = {
    "git clone": "the repository has no address yet",
    "sudo": "installs packages of the system",
    "python3 -m venv": "the environment that runs this test is one",
    ". .venv/bin/activate": "the same",
    "make": "Testing/core/test_demo.py runs the demonstration, and make test runs this test",
    "pip": "needs a package index; its extras are looked up below",
    "dfqsam demo": "Testing/core/test_demo.py runs it",
    "dfqsam view": "serves until Ctrl+C; Testing/browser clicks at it",
    "dfqsam batch table.csv -m med2d-w4a4.safetensors --scheduler": "needs a cluster, which Testing/core/volume has",
    "python tools/make_random_checkpoint.py": "1 GB; Testing/core/tools makes a small one",
    "python -m research.training": "needs scans and a GPU; research/tests trains a toy",
    "python tools/embedded_models.py write": "replaces the embedded models; Testing/core/test_embedded_models.py",
    "Slicer": "needs the Slicer application",
}
# What makes a command short here and changes nothing else.
SHORTENED = {
    "quantize": ["--images", "1", "--iterations", "1"],
    "ablate": ["--images", "1", "--iterations", "1", "--seeds", "1", "--only", "none", "--prompts", "box"],
    "verify": ["--prompts", "box", "--max-drop", "100"],
    "bench": ["--runs", "1"],
    "batch": ["--workers", "1"],
    "report": ["--prompts", "box"],
}
BLOCKS = list(blocks())
# Once each, where several pages have the same.
SHELL = list({block.text: block for block in BLOCKS if block.language == "sh" and "dfqsam" in block.text}.values())
PYTHON = [block for block in BLOCKS if block.language == "python" and block.page != "docs/how/slicer.md"]


def scans(path: Path) -> None:
    """A folder of one small labelled volume: three slices of the sample."""
    path.mkdir()
    for source, name in ((DEMO_VOLUME, "ct.nii.gz"), (DEMO_LABELS, "ct_label.nii.gz")):
        image = nibabel.load(resource_path(source))
        nibabel.save(image.slicer[:, :, 14:17], path / name)


def table(path: Path) -> None:
    """A table of one row, and what it names."""
    for name in ("ct.nii.gz", "prompts.json"):
        FILES[name](path.parent / name)
    path.write_text("volume,prompts,output\nct.nii.gz,prompts.json,batched.nii.gz\n")


def copy_of(relative: str) -> Callable[[Path], None]:
    """What copies an embedded file to a place."""

    def copy(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(resource_path(relative), path)

    return copy


def checkpoint(path: Path) -> None:
    """A toy network under the name of a large one."""
    write_toy_checkpoint(path.parent, name=path.name)


# The files that the pages take for granted.
FILES: dict[str, Callable[[Path], None]] = {
    "ct.nii.gz": copy_of(DEMO_VOLUME),
    "labels.nii.gz": copy_of(DEMO_LABELS),
    "prompts.json": copy_of(DEMO_PROMPTS),
    "Resources/SampleData/ct_abdomen.nii.gz": copy_of(DEMO_VOLUME),
    "Resources/SampleData/liver.json": copy_of("SampleData/liver.json"),
    "med2d-w4a4.safetensors": copy_of(DEMO_MODEL),
    "sam-med2d_b.pth": checkpoint,
    "random.safetensors": checkpoint,
    "my-labelled-scans": scans,
    "table.csv": table,
}


def supply(words: list[str]) -> None:
    """Make what a command reads and no command before it has made."""
    for before, word in zip(["", *words], words, strict=False):
        if word in FILES and before not in ("-o", "--output", "--report") and not Path(word).exists():
            FILES[word](Path(word))
    # Beside each other the toy and its own packed model make a quick comparison.
    if words[1] in ("verify", "bench") and "med2d-w4a4.safetensors" in words:
        write_model(Path("med2d-w4a4.safetensors"), quantized_toy()[1], force=True)


def test_every_block_has_a_language_that_is_looked_at_here() -> None:
    assert [
        block for block in BLOCKS if block.language not in ("sh", "powershell", "python", "json", "csv", "text")
    ] == []


@pytest.mark.parametrize("block", SHELL, ids=lambda block: f"{block.page}: {block.lines()[0]}")
def test_the_commands_of_a_block_run_in_an_empty_folder(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in block.lines():
        words = shlex.split(line)
        if words[0] == "dfqsam":
            build_parser().parse_args(words[1:])
        if not any(line.startswith(beginning) for beginning in NOT_RUN):
            assert words[0] == "dfqsam", f"{line} is neither run nor on the list of what is not"
            supply(words)
            short = [*words[1:], *SHORTENED.get(words[1], ())]
            assert main(short) == 0, f"{line}: {capsys.readouterr().err}"


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.page)
def test_the_python_of_a_block_runs_as_it_is_pasted(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, block.page, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language == "json"],
    ids=lambda block: f"{block.page}: {block.text[:30]}",
)
def test_json_is_json(block: Block) -> None:
    if block.page == "README.md":
        assert json.loads(block.text) == json.loads((ROOT / "Resources/SampleData/liver.json").read_text())
    else:
        assert [json.loads(part) for part in re.split(r"\n(?=\{)", block.text)]


def test_make_targets_and_extras_that_the_pages_name_are_there() -> None:
    pyproject, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "Makefile"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    extras = {name for found in re.findall(r"\.\[([\w,-]+)\]", text) for name in found.split(",")}
    assert {name for name in extras if not re.search(rf"^{name} = \[", pyproject, re.MULTILINE)} == set()
    targets = set(re.findall(r"\bmake ((?:test|demo|lint|docs|reproduce)[\w-]*)", text))
    assert {name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_each_verb_has_an_example() -> None:
    verbs = {words[1] for block in SHELL for line in block.lines() if (words := line.split())[0] == "dfqsam"}
    assert verbs == set(EXAMPLES)
