"""Scenes of Slicer (.mrb) and image files inside them, checked before Slicer's readers see them.

Those readers end the whole process at a damaged image, and follow a scene to any file or address that it names.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from dfqsam_core.errors import VolumeError

# A scene that unpacks to more than this is no patient's, and would fill the disk.
_LARGEST_BYTES = 20 * 2**30
_IMAGES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
_FILE_NAME = re.compile(r'\bfile(?:Name|ListMember\d*)="([^"]*)"')
_ADDRESS = re.compile(r'\buri="[^"]+"')


@contextlib.contextmanager
def unpacked_scene(path: Path) -> Iterator[Path]:
    """Yield the .mrml file of an unpacked .mrb; raises VolumeError for one that is damaged or reaches outside."""
    with tempfile.TemporaryDirectory(prefix="dfqsam-scene-") as folder:
        root = Path(folder).resolve()
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > _LARGEST_BYTES:
                    raise VolumeError(
                        f"{path} unpacks to more than {_LARGEST_BYTES // 2**30} GB. It is too large to be opened here."
                    )
                archive.extractall(root)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise VolumeError(f"{path} is no scene of Slicer: {error}. Choose another .mrb file.") from error
        scene = next(iter(sorted(root.rglob("*.mrml"))), None)
        if scene is None:
            raise VolumeError(f"{path} has no .mrml file, so it is no scene of Slicer. Choose another file.")
        _check_references(path, scene, root)
        for image in sorted(file for file in root.rglob("*") if file.name.lower().endswith(_IMAGES)):
            check_image(image)
        yield scene


def check_image(path: Path) -> None:
    """Raise VolumeError unless ITK can read an image completely."""
    import SimpleITK

    try:
        SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise VolumeError(f"{path.name} cannot be read: {reason}. It is damaged. Get the file again.") from error


def _check_references(path: Path, scene: Path, root: Path) -> None:
    text = scene.read_text(encoding="utf-8", errors="replace")
    if _ADDRESS.search(text):
        raise VolumeError(f"The scene {path} wants to load something from a network address, and is not opened.")
    for name in _FILE_NAME.findall(text):
        place = (scene.parent / unquote(name)).resolve()
        if root not in place.parents:
            raise VolumeError(f"The scene {path} refers to a file outside itself ({name}), and is not opened.")
