"""Finds images with labels under a folder, by the names that data sets commonly use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import DFQSAMError

VOLUME_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")
_LABEL_WORDS = {"label", "labels", "mask", "seg", "segmentation"}


@dataclass(frozen=True)
class Case:
    """One image with its labels.

    name: path of the image relative to the searched folder; with that folder, where several were searched.
    kind: "volume" (file or DICOM folder with label maps), "png" (a slice with one mask file per object) or
    "npz" (arrays imgs and gts in one file).
    labels: files that hold the labels; for "npz" the image itself.
    """

    name: str
    kind: Literal["volume", "png", "npz"]
    image: Path
    labels: tuple[Path, ...]


def find_cases(*folders: Path) -> list[Case]:
    """Return every image with labels under each of `folders`, sorted by name.

    Found are: a volume (or a folder of DICOM files) beside label maps, whose names contain "label", "mask" or "seg",
    and which belong to the volume whose name they share most; volumes in `imagesTr` with one of the same name in
    `labelsTr` (the Medical Segmentation Decathlon's layout, or nnU-Net's, whose first channel `X_0000` is taken), with
    any ending in place of Tr; `images/X.png` with `masks/X_*.png`; `.npz` files.
    Raises DFQSAMError when one of `folders` is no folder or holds no such pair.
    """
    if len(folders) == 1:
        return _cases_under(folders[0])
    # Folders of the same make hold files of the same names, and objects are told apart by the case's.
    found = ((folder, case) for folder in folders for case in _cases_under(folder))
    return [replace(case, name=(folder / case.name).as_posix()) for folder, case in found]


def _cases_under(folder: Path) -> list[Case]:
    if not folder.is_dir():
        raise DFQSAMError(f"{folder} is not a folder. Give a folder with images and label maps.")
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    cases = [case for place in folders for case in _cases_in(place, folder)]
    if not cases:
        raise DFQSAMError(
            f"No image with labels was found under {folder}. Expected a volume with a label map beside it "
            "(image.nii.gz and label.nii.gz), imagesTr/X.nii.gz with labelsTr/X.nii.gz, images/X.png with "
            "masks/X_*.png, or .npz files with imgs and gts."
        )
    return cases


def _cases_in(place: Path, root: Path) -> Iterator[Case]:
    for path in sorted(place.glob("*.npz")):
        yield Case(_name(path, root), "npz", path, (path,))
    for image in sorted((place / "images").glob("*.png")):
        masks = tuple(sorted((place / "masks").glob(f"{image.stem}_*.png")))
        if masks:
            yield Case(_name(image, root), "png", image, masks)
    yield from _decathlon_cases(place, root)
    yield from _volume_cases(place, root)


def _decathlon_cases(place: Path, root: Path) -> Iterator[Case]:
    for folder in sorted(path for path in place.glob("images*") if path.is_dir()):
        labels = {_stem(path): path for path in _volumes(folder.with_name(folder.name.replace("images", "labels", 1)))}
        for image in _volumes(folder):
            label = labels.get(_stem(image)) or labels.get(_stem(image).removesuffix("_0000"))
            if label is not None:
                yield Case(_name(image, root), "volume", image, (label,))


def _volumes(place: Path) -> list[Path]:
    """Volume files of a folder, sorted; none where there is no such folder."""
    if not place.is_dir():
        return []
    # Copies to other systems leave files such as ._X.nii.gz, which hold no volume.
    files = (path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in files if path.name.lower().endswith(VOLUME_ENDINGS))


def _volume_cases(place: Path, root: Path) -> Iterator[Case]:
    files = _volumes(place)
    labels = [path for path in files if _words(path) & _LABEL_WORDS]
    images = [path for path in files if path not in labels]
    if labels:
        images += sorted(path for path in place.iterdir() if path.is_dir() and _is_dicom_folder(path))
    for image in images:
        own = tuple(label for label in labels if _image_of(label, images) == image)
        if own:
            yield Case(_name(image, root), "volume", image, own)


def _image_of(label: Path, images: list[Path]) -> Path | None:
    """The image whose name shares most words with the label's; None when two share equally many."""
    shared = [len(_words(image) & _words(label)) for image in images]
    best = max(shared)
    return images[shared.index(best)] if shared.count(best) == 1 else None


def _words(path: Path) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", _stem(path)) if word}


def _stem(path: Path) -> str:
    return re.sub(r"(\.nii)?\.\w+$", "", path.name.lower())


def _is_dicom_folder(folder: Path) -> bool:
    first = next((path for path in sorted(folder.iterdir()) if path.is_file()), None)
    if first is None:
        return False
    with first.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
