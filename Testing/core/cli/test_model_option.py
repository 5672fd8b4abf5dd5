"""Where no model is named, the embedded packed one segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.cli import model_option
from dfqsam_core.cli.main import build_parser, main
from dfqsam_core.resources import DEMO_MODEL, DEMO_PROMPTS, DEMO_VOLUME, resource_path

VOLUME, PROMPTS, PACKED = (resource_path(name) for name in (DEMO_VOLUME, DEMO_PROMPTS, DEMO_MODEL))
QUIET = ["--threads", "1", "--progress", "none"]


def test_segment_and_batch_give_what_the_packed_model_gives(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"volume,prompts,output\n{VOLUME},{PROMPTS},batch.nii.gz\n", encoding="utf-8")
    segment = ["segment", str(VOLUME), str(PROMPTS), *QUIET, "-o"]
    assert main([*segment, str(tmp_path / "named.nii.gz"), "-m", str(PACKED)]) == 0
    assert main([*segment, str(tmp_path / "alone.nii.gz")]) == 0
    assert main(["batch", str(table), *QUIET, "--workers", "1"]) == 0
    named, alone, batch = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.nii.gz"))) for name in ("named", "alone", "batch")
    )
    assert set(np.unique(named)) == {0, 1, 2, 3, 5, 31}
    np.testing.assert_array_equal(alone, named)
    np.testing.assert_array_equal(batch, named)


@pytest.mark.parametrize("line", [["segment", "v", "p", "-o", "l.nii"], ["batch", "t.csv"], ["view"]])
def test_a_model_that_is_named_is_taken(line: list[str]) -> None:
    parse = build_parser().parse_args
    assert model_option.model_path(parse(line)) == PACKED
    assert model_option.model_path(parse([*line, "-m", "own.safetensors"])) == Path("own.safetensors")
