"""Scenes of Slicer (.mrb) and image files inside them, checked before Slicer's readers see them.

Those readers end the whole process at a damaged image, and follow a scene to any file or address that it names.
"""

from __future__ import annotations

import contextlib
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from dfqsam_core.base.memory import require_memory
from dfqsam_core.errors import OutputError, VolumeError
from dfqsam_core.volume.files.metaimage import metaimage_data_bytes, read_metaimage
from dfqsam_core.volume.files.nifti import nifti_data_bytes
from dfqsam_core.volume.files.nrrd import read_nrrd_samples
from dfqsam_core.volume.files.nrrd_header import read_nrrd_header

from .roots import PlaceError, Roots

# More files than any scene has; each takes time, even an empty one.
_MOST_FILES = 10_000
# What Slicer packs with. Other methods unfold a piece at a time, of any size.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Memory of a parsed scene for each byte of its text.
_XML_FACTOR = 30
_NRRD, _METAIMAGE = (".nrrd", ".nhdr"), (".mha", ".mhd")
_IMAGES = (*_NRRD, *_METAIMAGE, ".nii", ".nii.gz")
# Attributes of any node by which Slicer finds what it loads.
_FILE_NAME = re.compile(r"file(name|listmember\d*)", re.IGNORECASE)
_ADDRESS = re.compile(r"uri(listmember\d*)?", re.IGNORECASE)


@contextlib.contextmanager
def unpacked_scene(path: Path) -> Iterator[Path]:
    """Yield the .mrml file of an unpacked .mrb; raises VolumeError for one that is damaged or reaches outside."""
    with tempfile.TemporaryDirectory(prefix="dfqsam-scene-") as folder:
        root = Path(folder).resolve()
        _unpack(path, root)
        scene = next(iter(sorted(root.rglob("*.mrml"))), None)
        if scene is None:
            raise VolumeError(f"{path} has no .mrml file, so it is not a Slicer scene. Choose another file.")
        _check_references(path, scene, root)
        images = sorted(file for file in root.rglob("*") if file.name.lower().endswith(_IMAGES))
        # Slicer holds all of them at once.
        require_memory(sum(map(image_bytes, images)), f"The scene {path}")
        for image in images:
            check_image(image)
        yield scene


def _unpack(path: Path, root: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            archive.extractall(root)
    except VolumeError:
        raise
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise VolumeError(f"{path} is not a Slicer scene: {error}. Choose another .mrb file.") from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > _MOST_FILES:
        raise VolumeError(f"{path} has {len(members)} files; up to {_MOST_FILES} are opened here. Save it with fewer.")
    if not all(member.filename for member in members):
        raise VolumeError(f"{path} has a file without a name, so it is not a Slicer scene. Choose another .mrb file.")
    if any(member.compress_type not in _METHODS for member in members):
        raise VolumeError(f"{path} is packed in a way that Slicer does not use. Save it again in Slicer.")
    require_memory(sum(member.file_size for member in members), f"The scene {path}")


def image_bytes(path: Path) -> int:
    """Bytes of an image's samples, uncompressed; raises VolumeError for a header that cannot be true."""
    name = path.name.lower()
    if name.endswith(_NRRD):
        return read_nrrd_header(path).data_bytes
    if name.endswith(_METAIMAGE):
        return metaimage_data_bytes(path)
    return nifti_data_bytes(path)


def check_archive(path: Path) -> None:
    """Raise OutputError unless a written .mrb is a whole archive, by the checksums of its members."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise OutputError(
            f"The scene cannot be read back: {error}. Free some space, or choose another folder."
        ) from error
    if damaged is not None:
        raise OutputError(f"The scene is damaged at {damaged!r}. Free some space, or choose another folder.")


def check_image(path: Path) -> None:
    """Raise VolumeError unless an image is one whole file that ITK can read completely."""
    import SimpleITK

    name = path.name.lower()
    if not _is_text(str(path)):
        raise VolumeError(f"{path.name!a} has a name that Slicer's readers cannot take. Rename the file.")
    if name.endswith(_NRRD):
        read_nrrd_samples(read_nrrd_header(path))
    elif name.endswith(_METAIMAGE):
        read_metaimage(path)
    else:
        image_bytes(path)
    try:
        SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise VolumeError(f"{path.name} cannot be read: {reason}. It is damaged. Get the file again.") from error


def _is_text(name: str) -> bool:
    """Whether a name is more than bytes of another character set, at which ITK ends the process."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_references(path: Path, scene: Path, root: Path) -> None:
    inside = Roots([root])
    require_memory(_XML_FACTOR * scene.stat().st_size, f"The scene {path}")
    try:
        nodes = ElementTree.parse(scene).iter()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise VolumeError(f"The scene {path} is damaged: {error}. Get the file again.") from error
    for name, value in (attribute for node in nodes for attribute in node.attrib.items()):
        if _ADDRESS.fullmatch(name) and value:
            raise VolumeError(f"The scene {path} wants to load something from a network address, and is not opened.")
        if _FILE_NAME.fullmatch(name):
            try:
                # Slicer decodes most of these names, and takes the others as they are.
                for reading in (value, unquote(value)):
                    inside.resolve(scene.parent / reading)
            except PlaceError:
                raise VolumeError(
                    f"The scene {path} refers to a file outside itself ({value}), and is not opened."
                ) from None
