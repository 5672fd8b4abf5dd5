from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfqsam_core.base.system.files import place_key
from dfqsam_core.errors import ConfigError
from dfqsam_core.volume.batch import table as batch_table
from dfqsam_core.volume.batch.record import input_digest
from dfqsam_core.volume.batch.table import BatchRow, read_table


def test_paths_start_at_the_tables_folder_and_columns_come_in_any_order(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('\ufeffoutput,volume,prompts,frame,series\nout/a.nii,"b, c.nii",p.json,3,\nd.mha,/e,p.json,,1.2\n')
    assert read_table(path) == (
        BatchRow(2, tmp_path / "b, c.nii", tmp_path / "p.json", tmp_path / "out/a.nii", 3, None),
        BatchRow(3, tmp_path.__class__("/e"), tmp_path / "p.json", tmp_path / "d.mha", None, "1.2"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Needed are volume, prompts, output"),
        ("volume,prompts\na,b\n", "Needed are"),
        ("volume,prompts,output,colour\na,b,c,d\n", "colour"),
        ("volume,prompts,output,output\na,b,c,d\n", "each once"),
        ("volume,prompts,output\n", "no rows"),
        ("volume,prompts,output\na,,c\n", "Line 2 .* no prompts"),
        ("volume,prompts,output\na,b\n", "no output"),
        ("volume,prompts,output\na,b,c,d\n", "more cells"),
        ("volume,prompts,output,frame\na,b,c,-1\n", "counted from 0"),
        ("volume,prompts,output\na,b,c\nd,e,./c\n", "lines 2 and 3 .* same output"),
        ("volume,prompts,output\na,b,c\nd,e,a\n", "Line 3 .* is an input"),
        ('volume,prompts,output\na,b,"c', "not CSV"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path, text, reason):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        read_table(path)


@given(content=st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(b"volume,prompts,output\n" + content)
    try:
        rows = read_table(path)
    except ConfigError:
        return
    assert rows
    assert all(row.output.is_absolute() for row in rows)


def test_the_digest_of_a_folder_or_a_pair_follows_every_file(tmp_path):
    folder = tmp_path / "dicom"
    folder.mkdir()
    (folder / "1").write_bytes(b"a")
    digests = [input_digest(folder)]
    (folder / "2").write_bytes(b"b")
    digests.append(input_digest(folder))
    (folder / "2").rename(folder / "3")
    digests.append(input_digest(folder))
    for name, content in (("x.hdr", b"h"), ("x.img", b"i")):
        (tmp_path / name).write_bytes(content)
    digests.append(input_digest(tmp_path / "x.hdr"))
    assert digests[-1] == input_digest(tmp_path / "x.img")
    (tmp_path / "x.img").write_bytes(b"j")
    digests.append(input_digest(tmp_path / "x.hdr"))
    assert len(set(digests)) == 5


def test_outputs_that_differ_in_case_are_one_where_the_disk_ignores_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later row replaced the result of the earlier one, on Windows and macOS."""
    table = tmp_path / "table.csv"
    table.write_text("volume,prompts,output\na,b,out.nii\nd,e,OUT.nii\n", encoding="utf-8")
    monkeypatch.setattr(batch_table, "place_key", lambda path: place_key(path, lambda folder: True))
    with pytest.raises(ConfigError, match=r"lines 2 and 3 .* same output"):
        read_table(table)
    monkeypatch.setattr(batch_table, "place_key", lambda path: place_key(path, lambda folder: False))
    assert len(read_table(table)) == 2


def test_lines_of_commas_alone_are_skipped(tmp_path):
    (tmp_path / "t.csv").write_text("volume,prompts,output\na.nii,p.json,a.nrrd\n,,\n\n , ,\nb.nii,p.json,b.nrrd\n")
    assert [(row.line, row.output.name) for row in read_table(tmp_path / "t.csv")] == [(2, "a.nrrd"), (6, "b.nrrd")]


def test_a_name_with_a_null_character_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"volume,prompts,output\na.nii,p.json,a\x00.nrrd\n")
    with pytest.raises(ConfigError, match=r"Line 2 of .* null character"):
        read_table(tmp_path / "t.csv")
