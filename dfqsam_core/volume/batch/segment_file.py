"""One volume from files to a file: what `dfqsam segment`, a row of a batch and the demonstration do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base.outputs import refuse_overwrite
from ...progress import ProgressCallback
from ...runtime import Model
from ..files.label_maps import check_label_output, label_suffix, write_label_map
from ..files.prompt_reader import read_prompts
from ..files.reading import read_volume
from ..segment import SegmentationResult, segment_volume
from ..window import WindowLevel


@dataclass(frozen=True)
class SegmentFiles:
    """The files that one segmentation reads and writes.

    volume, prompts: as `read_volume` and `read_prompts` take them. output: the label map. frame: of a 4D file. series:
    of a DICOM folder that holds several.
    """

    volume: Path
    prompts: Path
    output: Path
    frame: int | None = None
    series: str | None = None


def segment_file(
    files: SegmentFiles,
    load: Callable[[], Model],
    window: WindowLevel | None = None,
    *,
    force: bool = False,
    progress: ProgressCallback | None = None,
    written: Callable[[Path, dict[str, Any]], None] | None = None,
) -> SegmentationResult:
    """Read, check, segment, write: nothing is written before everything has succeeded.

    load: gives the model; called when everything else is known to be usable. window: None for the one that
    `auto_window` chooses. written: is given the label map's file and the report before the file gets its name.
    Raises OutputError, VolumeError or PromptError for what does not fit, and what `load` raises.
    """
    label_suffix(files.output)
    refuse_overwrite(files.output, force)
    volume = read_volume(files.volume, files.frame, files.series)
    check_label_output(files.output, volume)
    prompts = read_prompts(files.prompts, volume.geometry)
    result = segment_volume(volume, prompts, load(), window, progress)
    names = {segment.label: segment.name for segment in prompts}

    def beside(temporary: Path) -> None:
        if written is not None:
            written(temporary, result.report)

    write_label_map(files.output, result.labels_kji, volume, names, force, beside=beside)
    return result
