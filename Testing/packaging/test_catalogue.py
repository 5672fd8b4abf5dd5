"""The catalogue entry and the metadata follow the rules that Slicer's extension index checks, short of the network."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRY = ROOT / "DFQSAMSlicer.json"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
# Names, types and required ones of the published schema of a catalogue entry, 1.0.1.
FIELDS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "dicom_support_rule": str,
    "enabled": bool,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}


@pytest.fixture
def entry() -> dict[str, object]:
    """The catalogue entry."""
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def cmake_value(name: str) -> str:
    """A text that is set in the top CMakeLists.txt, as the index's own check finds it: literal and in one line."""
    return re.search(rf'set\({name} "([^"]+)"\)', CMAKE)[1]


def addresses(entry: dict[str, object]) -> list[str]:
    """All addresses that a reader of the catalogue is sent to."""
    names = ("EXTENSION_HOMEPAGE", "EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS")
    return [str(entry["scm_url"]), *(url for name in names for url in cmake_value(name).split())]


def test_the_entry_has_only_fields_of_the_schema_and_all_required_ones(entry: dict[str, object]) -> None:
    assert set(entry) >= REQUIRED
    assert not [name for name, value in entry.items() if not isinstance(value, FIELDS[name])]
    assert re.search(r"/slicer-extension-catalog-entry-schema-v1\.0\.1\.json#$", str(entry["$schema"]))
    assert entry["tier"] in (1, 3, 5)
    assert entry["build_dependencies"] == []


def test_names_follow_the_rules_of_the_index(entry: dict[str, object]) -> None:
    # Project and entry share a name, which does not begin with Slicer; the repository's does.
    assert re.search(r"project\((\w+)\)", CMAKE)[1] == ENTRY.stem
    assert not ENTRY.stem.lower().startswith("slicer")
    url = urlsplit(str(entry["scm_url"]))
    assert url.scheme == "https"
    assert url.path.rsplit("/", 1)[-1].startswith("Slicer")
    assert entry["category"] == "Segmentation"


def test_the_module_is_in_the_category_of_the_entry(entry: dict[str, object]) -> None:
    module = (ROOT / "DFQSAMSlicer" / "DFQSAMSlicer.py").read_text(encoding="utf-8")
    assert f'parent.categories = [translate("qSlicerAbstractCoreModule", "{entry["category"]}")]' in module
    assert f'HELP_ADDRESS = "{cmake_value("EXTENSION_HOMEPAGE")}"' in module


def test_every_address_is_real_or_every_one_is_a_placeholder(entry: dict[str, object]) -> None:
    # example.org can never be anybody's: a half-filled entry would send people to a stranger.
    found = addresses(entry)
    assert len(found) >= 4
    assert len({urlsplit(url).netloc == "example.org" for url in found}) == 1
    assert all(urlsplit(url).scheme == "https" for url in found)


def test_addresses_of_pictures_end_in_files_of_this_repository(entry: dict[str, object]) -> None:
    icon, screenshot = cmake_value("EXTENSION_ICONURL"), cmake_value("EXTENSION_SCREENSHOTURLS").split()[0]
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("DFQSAMSlicer/Resources/Icons/*.png")]
    assert any(icon.endswith(file) for file in files)
    assert (ROOT / "Resources" / "Screenshots" / screenshot.rsplit("/", 1)[-1]).is_file()
    header = (ROOT / "DFQSAMSlicer" / "Resources" / "Icons" / "DFQSAMSlicer.png").read_bytes()[:24]
    assert struct.unpack(">II", header[16:]) == (128, 128)


def test_nothing_is_needed_to_build_it_and_the_licence_is_in_the_root() -> None:
    assert cmake_value("EXTENSION_DEPENDS") == "NA"
    assert "Apache License" in (ROOT / "LICENSE.txt").read_text(encoding="utf-8")
