"""The extension's README quotes messages that exist, and its links and numbers lead to what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from DFQSAMSlicerLib import dependencies, torch_dependency
from DFQSAMSlicerLib.verification.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "DFQSAMSlicer" / "README.md"
TEXT = README.read_text(encoding="utf-8")


def sentences_of_the_code() -> str:
    """All texts in the code, implicit and formatted parts joined as they are written."""
    parts = []
    rooms = [ROOT / name for name in ("dfqsam_core", "dfqsam_scene", "DFQSAMSlicer")]
    for path in (path for room in rooms for path in room.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.append(node.value)
    return "\n".join(parts)


def test_every_message_in_the_troubleshooting_table_is_said_by_the_code() -> None:
    quoted = re.findall(r'^\| "([^"]+)" \|', TEXT, flags=re.MULTILINE)
    assert len(quoted) >= 15
    said = sentences_of_the_code()
    assert not [message for message in quoted if message not in said]


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT)
    assert links
    assert not [link for link in links if not (README.parent / link).exists()]


def test_sizes_are_those_that_the_panel_tells() -> None:
    assert f"| {dependencies.UNPACKED_MB} MB |" in TEXT
    assert f"{torch_dependency.UNPACKED_MB} MB for a CPU" in TEXT


def test_the_list_of_what_one_press_verifies_is_the_list_of_its_steps() -> None:
    section = TEXT.split("### What one press verifies")[1].split("###")[0]
    assert re.findall(r"^- (.+)$", section, flags=re.MULTILINE) == [step.title for step in STEPS]
