"""No verb replaces what it reads, whatever the names, and none writes into devices; --force changes nothing there."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from dfqsam_core.cli.files import check_outputs
from dfqsam_core.cli.main import build_parser, main
from dfqsam_core.errors import OutputError

# Folders that verbs make and fill under names of their own.
OWN_FOLDERS = {
    *(("demo", "output"), ("ablate", "output"), ("report", "work_dir")),
    *(("quantize", "work_dir"), ("quantize", "preview")),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Inputs of every kind, told apart by their content; the guard opens none of them."""
    for name in ("ct.nii.gz", "prompts.json", "model.safetensors", "float.pth", "table.csv", "aux.onnx"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "1.dcm").write_bytes(bytes(128) + b"DICM")
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


LINES = {
    "volume": "segment ct.nii.gz prompts.json -m model.safetensors -o {ct.nii.gz}",
    "prompts": "segment ct.nii.gz prompts.json -m model.safetensors -o l.nii.gz --report {prompts.json}",
    "model": "segment ct.nii.gz prompts.json -m model.safetensors -o l.nii.gz --report {model.safetensors}",
    "slice": "segment dicom prompts.json -m model.safetensors -o {dicom/1.dcm}",
    "checkpoint": "quantize float.pth -o {float.pth}",
    "auxiliary": "quantize float.pth --auxiliary aux.onnx -o {aux.onnx}",
    "estimate": "quantize float.pth --dry-run -o x.safetensors --report {float.pth}",
    "reference": "verify model.safetensors --reference float.pth --report {float.pth}",
    "page": "verify model.safetensors --reference float.pth --html {model.safetensors}",
    "data": "verify model.safetensors --reference float.pth --data dicom --report {dicom/1.dcm}",
    "ablate": "ablate float.pth -o models --table {float.pth}",
    "bench": "bench model.safetensors --reference float.pth --report {model.safetensors}",
    "table": "batch table.csv -m model.safetensors --report {table.csv}",
}


@pytest.mark.parametrize("link", ["name", "dots", "symbolic link", "hard link"])
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_an_output_that_is_an_input_is_refused(
    folder: Path, line: str, link: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    target = line[line.index("{") + 1 : line.index("}")]
    output = {"name": target, "dots": f"dicom/../{target}"}.get(link, f"link-{Path(target).name}")
    if link == "symbolic link":
        Path(output).symlink_to(target)
    elif link == "hard link":
        os.link(target, output)
    before = contents(folder)
    assert main([*line.replace(f"{{{target}}}", output).split(), "--force"]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith(f"The output {output} is ")
    assert "Choose another output." in sentence
    assert contents(folder) == before


def test_two_outputs_in_one_file_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    line = "segment ct.nii.gz prompts.json -m model.safetensors -o l.nii.gz --report dicom/../l.nii.gz --force"
    assert main(line.split()) == 2
    assert capsys.readouterr().err == "The outputs l.nii.gz and dicom/../l.nii.gz are one file. Choose two.\n"


@pytest.mark.parametrize(
    "line",
    [
        "quantize float.pth -o m.safetensors --work-dir dicom/../m.safetensors",
        "quantize float.pth -o m.safetensors --preview m.safetensors",
        "quantize float.pth -o m.safetensors --work-dir w --report w",
        "ablate float.pth -o models --table models",
        "report float.pth -o page.html --work-dir page.html",
        "report float.pth -o page.work",
    ],
)
def test_an_output_whose_name_a_folder_will_have_is_refused_before_the_work(
    folder: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It once was refused after it: where the result belonged lay an emptied folder."""
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    assert main(line.split()) == 2
    assert "have one name. Choose two." in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_a_batch_is_refused_whose_row_replaces_another_rows_volume(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "volume,prompts,output\nct.nii.gz,prompts.json,a.nii.gz\nb.nii.gz,prompts.json,{}\n"
    for name in ("ct.nii.gz", "model.safetensors", "prompts.json"):
        os.link(folder / name, folder / f"link-{name}")
        (folder / "table.csv").write_text(rows.format(f"link-{name}"))
        before = contents(folder)
        assert main(["batch", str(folder / "table.csv"), "-m", str(folder / "model.safetensors"), "--force"]) == 2
        assert f"link-{name} is the input {folder / name}" in capsys.readouterr().err
        assert contents(folder) == before


def test_the_other_half_of_a_volume_is_an_input(folder: Path) -> None:
    for name, half in (("a.hdr", "a.img"), ("b.IMG.gz", "b.hdr"), ("c.img", "c.hdr.gz")):
        with pytest.raises(OutputError, match="is the input"):
            check_outputs([folder / name], [folder / half])


def test_an_earlier_result_in_a_folder_that_is_read_may_be_replaced(folder: Path) -> None:
    (folder / "dicom" / "labels.nrrd").write_bytes(b"NRRD0004\n")
    (folder / "dicom" / "report.json").write_bytes(b"{}")
    check_outputs([folder / "dicom"], [folder / "dicom" / "labels.nrrd"], [folder / "dicom" / "report.json"])
    with pytest.raises(OutputError, match="is a file of the input"):
        check_outputs([folder / "dicom"], [], [folder / "dicom" / "labels.nrrd"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_devices_pipes_and_links_to_nothing_are_no_outputs(
    folder: Path, force: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe.json")
    (folder / "nowhere.json").symlink_to(folder / "absent.json")
    for path in (folder / "pipe.json", folder / "nowhere.json", Path("/dev/null"), Path("/dev/full")):
        assert main(["bench", str(folder / "model.safetensors"), "--report", str(path), *force]) == 2
        assert f"{path} is a device, a pipe or a link to nothing" in capsys.readouterr().err
    assert os.path.islink(folder / "nowhere.json")


def test_every_verb_declares_all_files_that_it_takes() -> None:
    verbs = next(action.choices for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    for verb, parser in verbs.items():
        declared = {*parser.get_default("reads"), *parser.get_default("writes")}
        taken = {action.dest for action in parser._actions if action.type is Path}
        own = {name for owner, name in OWN_FOLDERS if owner == verb}
        assert taken - own - ({"root"} if verb == "view" else set()) <= declared, verb
        assert {*parser.get_default("fills")} == own, verb
        assert declared <= {action.dest for action in parser._actions}, verb
