"""Print how many megabytes the packages of a requirements file take unpacked, with what they need beyond Slicer's.

python tools/package_sizes.py DFQSAMSlicer/Resources/requirements.txt
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

# Slicer 5.12 brings these.
_IN_SLICER = {"numpy", "packaging", "typing_extensions", "pillow"}


def unpacked_bytes(found: Distribution) -> int:
    """Bytes of all files of an installed package."""
    paths = (Path(str(file.locate())) for file in found.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


def main(path: str) -> None:
    """Print one line a package and the sum."""
    lines = (line.split("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    wanted = [Requirement(line).name for line in lines if line]
    sizes: dict[str, int] = {}
    while wanted:
        name = wanted.pop()
        if name in sizes or name.lower() in _IN_SLICER:
            continue
        found = distribution(name)
        sizes[name] = unpacked_bytes(found)
        needed = (Requirement(text) for text in found.requires or [])
        wanted += [item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})]
    for name, size in sizes.items():
        print(f"{size / 1e6:8.1f} MB  {name} {distribution(name).version}")
    print(f"{sum(sizes.values()) / 1e6:8.1f} MB  together")


if __name__ == "__main__":
    main(sys.argv[1])
