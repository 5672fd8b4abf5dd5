"""The command line as a user meets it: help, wrong input, and what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfqsam_core import __version__
from dfqsam_core.cli.main import EXAMPLES, VERBS, build_parser, main
from dfqsam_core.resources import DEMO_MODEL, resource_path
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.packed import packed_toy


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A toy float checkpoint."""
    return write_toy_checkpoint(tmp_path, 0, "float.safetensors")


@pytest.mark.parametrize("verb", [module.__name__.rpartition(".")[2] for module in VERBS])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([verb, "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: dfqsam {verb}" in text
    assert "%%" not in text


@pytest.mark.parametrize("verb", EXAMPLES)
def test_every_option_says_what_it_is_for(verb: str) -> None:
    (verbs,) = build_parser()._subparsers._group_actions
    parser = verbs.choices[verb]
    assert [action.dest for action in parser._actions if not action.help or action.help.startswith("of ")] == []


def test_the_help_fits_a_screen_and_has_one_example_for_each_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 34
    assert max(map(len, lines)) <= 80
    examples = [line.split() for line in lines if line.strip().startswith("dfqsam ")]
    assert [words[1] for words in examples] == list(EXAMPLES)
    # Understood as they are written.
    assert [build_parser().parse_args(words[1:]).verb for words in examples] == list(EXAMPLES)


def test_python_m_is_the_same_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "dfqsam_core", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == f"dfqsam {__version__}"


@pytest.mark.parametrize(
    "line", [[], ["fly"], ["quantize", "a.pth"], ["quantize", "a.pth", "-o", "b", "--recipe", "slow"]]
)
def test_wrong_usage_exits_with_2(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(line)
    assert exit_.value.code == 2
    assert "usage: dfqsam" in capsys.readouterr().err


def test_the_contracts_command_lines_are_understood() -> None:
    lines = (
        "demo --output d",
        "quantize c.pth -o m.safetensors --recipe paper --bits 4 --seed 0 --images 2 --iterations 3 --threads 1 "
        "--device cpu --work-dir w --resume --preview p --report r.json --dry-run --force --progress json",
        "segment v.nii.gz p.json -m m -o l.nii.gz --window 400,40 --threads 1 --report r.json --force",
        "verify m --reference c --data d --prompts box,1pt,3pt --report r.json --max-drop 2.0",
        "bench m --reference c --threads 1 --runs 3 --report r.json",
        "info m --json",
    )
    assert [build_parser().parse_args(line.split()).verb for line in lines] == [line.split()[0] for line in lines]


def test_info_of_a_checkpoint_names_its_architecture(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(checkpoint), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["kind"] == "float checkpoint"
    assert described["architecture"]["embed_dim"] == 32
    assert main(["info", str(checkpoint), "--all"]) == 0
    assert "  embed_dim: 32\n" in capsys.readouterr().out
    assert main(["info", str(checkpoint)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"float.safetensors: float checkpoint, {described['architecture_name']}, conventions: sam-med2d"
    assert len(lines) == 5


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x80\x04N.", b"PK\x03\x04"])
def test_info_of_anything_else_says_why_it_is_refused(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    assert main(["info", str(path)]) == 2
    shown = capsys.readouterr()
    assert len(shown.err) > 20
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    "line",
    [
        ["info", "{missing}"],
        ["quantize", "{missing}", "-o", "{new}"],
        ["quantize", "{missing}", "-o", "{new}", "--dry-run"],
        ["quantize", "{garbage}", "-o", "{new}"],
        ["quantize", "{checkpoint}", "-o", "{garbage}"],
        ["quantize", "{checkpoint}", "-o", "{new}", "--bits", "1"],
        ["quantize", "{checkpoint}", "-o", "{new}", "--images", "0"],
        ["quantize", "{checkpoint}", "-o", "{new}", "--report", "{garbage}"],
        ["verify", "{garbage}", "--reference", "{checkpoint}"],
        ["verify", "{checkpoint}", "--reference", "{checkpoint}", "--prompts", "star"],
        ["verify", "{checkpoint}", "--reference", "{checkpoint}", "--data", "{missing}"],
        ["bench", "{garbage}"],
        ["segment", "{missing}", "{missing}", "-m", "{checkpoint}", "-o", "{new}.nii.gz"],
    ],
    ids=" ".join,
)
def test_wrong_input_is_one_sentence_and_writes_nothing(
    tmp_path: Path, checkpoint: Path, line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"garbage")
    names = {"missing": tmp_path / "none", "new": tmp_path / "new", "garbage": garbage, "checkpoint": checkpoint}
    before = sorted(tmp_path.iterdir())
    assert main([part.format(**names) for part in line] + ([] if line[0] == "info" else ["--progress", "none"])) == 2
    shown = capsys.readouterr()
    assert len(shown.err.strip()) > 20
    assert "Traceback" not in shown.err
    assert sorted(tmp_path.iterdir()) == before
    assert garbage.read_bytes() == b"garbage"


@pytest.mark.parametrize("line", [["demo", "--output", "out"], ["quantize", "c.pth", "-o", "m.safetensors"]])
def test_without_torch_the_missing_extra_is_named(tmp_path: Path, line: list[str]) -> None:
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
        "sys.meta_path.insert(0, Blocker())\n"
        f"from dfqsam_core.cli.main import main\nsys.exit(main({line!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert f"pip install '{Path(__file__).resolve().parents[3]}[quantize]'" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_packed_model_is_described_by_its_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dfqsam_core.store.model_file import write_model

    write_model(tmp_path / "m.safetensors", packed_toy())
    assert main(["info", str(tmp_path / "m.safetensors"), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["kind"] == "packed model"
    assert {"format_version", "recipe", "licence", "weight_storage"} <= set(described["card"])


def test_info_begins_with_the_five_lines_that_matter(capsys: pytest.CaptureFixture[str]) -> None:
    path = resource_path(DEMO_MODEL)
    assert main(["info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(
        f"{path.name}: packed model, compact SAM-Med2D 192x12 with adapters, conventions: sam-med2d"
    )
    assert lines[0].endswith("4-bit weights x 4-bit inputs")
    assert lines[1].startswith(f"Size: {path.stat().st_size / 1e6:.1f} MB, ")
    assert "sam-med2d_demo.safetensors" in lines[2]
    assert "recipe default, seed 0" in lines[2]
    assert "as they were written" in lines[3]
    assert "Not a medical device." in lines[4]
