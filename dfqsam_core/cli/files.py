"""No result may take the place of what it is made from: one check for all verbs, before any of them runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..base.inputs import is_plain_file
from ..errors import OutputError, VolumeError
from ..store.file_identity import what_is

_Identity = tuple[int, int] | str
# What an earlier run may have left in a folder that is read: label maps, and reports as texts.
_VOLUMES = ("a gzip file", "a NIfTI", "an NRRD", "a MetaImage")
_TEXTS = ("a JSON file", "an XML or HTML file", "a text file")


def declare_files(
    parser: argparse.ArgumentParser, reads: Iterable[str], writes: Iterable[str] = (), fills: Iterable[str] = ()
) -> None:
    """Say which arguments of a verb name files or folders that it reads, files that it writes, and folders it fills."""
    parser.set_defaults(reads=tuple(reads), writes=tuple(writes), fills=tuple(fills))


def refuse_inputs_as_outputs(args: argparse.Namespace) -> None:
    """Raise OutputError when an output is an input, another output, a folder that is filled, or an input folder's."""
    inputs = [path for name in getattr(args, "reads", ()) for path in _paths(getattr(args, name))]
    texts = [path for name in getattr(args, "writes", ()) if name != "output" for path in _paths(getattr(args, name))]
    volumes = _paths(args.output) if "output" in getattr(args, "writes", ()) else []
    check_outputs(inputs, volumes, texts)
    folders = [path for name in getattr(args, "fills", ()) for path in _paths(getattr(args, name))]
    refuse_folders_as_outputs(folders, args)


def refuse_folders_as_outputs(folders: Iterable[Path], args: argparse.Namespace) -> None:
    """Raise OutputError when a file that the verb writes is one of `folders`, which it makes before the long work."""
    filled = {_identity(folder): folder for folder in folders}
    for output in (path for name in getattr(args, "writes", ()) for path in _paths(getattr(args, name))):
        if _identity(output) in filled:
            raise OutputError(
                f"The output {output} and the folder {filled[_identity(output)]} have one name. Choose two."
            )


def check_outputs(inputs: Iterable[Path], volumes: Iterable[Path], texts: Iterable[Path] = ()) -> None:
    """Raise OutputError unless all outputs are files apart from all inputs and from each other, links followed.

    inputs: files and folders that are read. volumes, texts: files that are written.
    """
    inputs = list(inputs)
    read = {_identity(path): path for given in inputs for path in (given, *_companions(given))}
    folders = {_identity(path): path for path in inputs if path.is_dir()}
    written: dict[_Identity, Path] = {}
    for output, kinds in [*((path, _VOLUMES) for path in volumes), *((path, _TEXTS) for path in texts)]:
        identity = _identity(output)
        if identity in read:
            raise OutputError(
                f"The output {output} is the input {read[identity]}, which would be lost. Choose another output."
            )
        if identity in written:
            raise OutputError(f"The outputs {written[identity]} and {output} are one file. Choose two.")
        written[identity] = output
        if os.path.lexists(output) and not output.is_dir() and not is_plain_file(output):
            raise OutputError(f"The output {output} is a device, a pipe or a link to nothing. Choose another output.")
        if is_plain_file(output):
            _check_folders(output, identity, folders, kinds)


def _check_folders(output: Path, identity: _Identity, folders: dict[_Identity, Path], kinds: tuple[str, ...]) -> None:
    """Refuse to replace a file of an input folder, but for results of an earlier run."""
    parents = (_identity(parent) for parent in Path(os.path.realpath(output)).parents)
    folder = next((folders[parent] for parent in parents if parent in folders), None)
    if folder is not None and not (what_is(output).startswith(kinds) or (kinds is _VOLUMES and _is_dicom_seg(output))):
        raise OutputError(f"The output {output} is a file of the input {folder}. Choose another output.")
    if os.stat(output).st_nlink > 1:
        for folder in folders.values():
            if any(_identity(path) == identity and path.resolve() != output.resolve() for path in _files(folder)):
                raise OutputError(f"The output {output} is also a file of the input {folder}. Choose another output.")


def _is_dicom_seg(path: Path) -> bool:
    """Whether a file is a label map as DICOM, and no slice."""
    from ..volume.files.dicom_frames import frames_in_file
    from ..volume.files.dicom_kinds import NoImageError

    try:
        frames_in_file(path)
    except NoImageError as error:
        return error.kind == "SEG"
    except VolumeError:
        pass
    return False


def _paths(value: str | Path | list[Path] | None) -> list[Path]:
    if value is None:
        return []
    return [Path(path) for path in value] if isinstance(value, list) else [Path(value)]


def _identity(path: Path) -> _Identity:
    """What tells files apart, whatever their names."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    # Some file systems of Windows number nothing.
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _companions(path: Path) -> list[Path]:
    """The other half of a volume that lies in two files."""
    name = path.name.lower()
    pair = {".hdr": ".img", ".img": ".hdr"}.get(Path(name.removesuffix(".gz")).suffix)
    if pair is None:
        return []
    stem = Path(path.name[: -len(".gz")] if name.endswith(".gz") else path.name).stem
    return [path.with_name(stem + ending) for ending in (pair, pair + ".gz")]


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
