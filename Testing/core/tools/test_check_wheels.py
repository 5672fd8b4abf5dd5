"""The table of wheels: what it says for answers that are known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tools import check_wheels
from tools.check_wheels import Answer, Part

LINUX, WINDOWS, MAC, INTEL = check_wheels.SYSTEMS


def test_a_cell_says_for_which_pythons_everything_has_wheels() -> None:
    answers = [Answer("all", LINUX, version) for version in check_wheels.PYTHONS]
    answers += [Answer("all", WINDOWS, "3.10", "no wheel"), Answer("all", WINDOWS, "3.12")]
    answers += [Answer("all", INTEL, "3.12", "no wheel")]
    assert list(check_wheels.table(answers)) == [
        "| installed | Linux x86-64 | Windows x86-64 | macOS Intel |",
        "|---|---|---|---|",
        "| all | 3.10 to 3.13 | 3.12 | no |",
    ]


def test_the_page_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    original = (check_wheels.ROOT / "docs" / "use" / "platforms.md").read_text(encoding="utf-8")
    page.write_text(original, encoding="utf-8")
    check_wheels.write_into(page, ["| a |", "| b |"])
    written = page.read_text(encoding="utf-8")
    assert "| a |\n| b |\n<!-- end of wheels -->" in written
    assert written.startswith(original.split("<!-- wheels")[0])
    assert written.endswith(original.split("<!-- end of wheels -->")[1])


@pytest.mark.parametrize(("missing_on", "code"), [(WINDOWS, 3), (INTEL, 0), ("", 0)])
def test_only_a_system_that_is_demanded_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing_on: str, code: int
) -> None:
    def answered(part: Part, system: str, python: str) -> Answer:
        return Answer(part.name, system, python, "torch has no wheel" if system == missing_on else "")

    monkeypatch.setattr(check_wheels, "resolve", answered)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert check_wheels.main(["--python", "3.12", "--part", "quantize"]) == code
    assert ("torch has no wheel" in capsys.readouterr().out) == bool(missing_on)


def test_without_uv_the_reason_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert check_wheels.main([]) == 2
    assert "pip install '.[wheels]'" in capsys.readouterr().err


def test_every_part_is_one_that_can_be_installed() -> None:
    files = [Path(word) for part in check_wheels.parts() for word in part.words if Path(word).is_absolute()]
    assert files
    assert all(path.is_file() for path in files)
