"""A record is read whole, or it is said where it is damaged."""

import pytest

from subitize.core.errors import CheckpointError
from subitize.training.records import RECORDS, TIMINGS, Records, read_rows, training_seconds


@pytest.fixture
def folder(tmp_path):
    records = Records(tmp_path, watch=lambda row: None)
    for step in (1, 2, 3):
        records.write({"step": step, "loss": 0.5}, seconds=2.0)
    return tmp_path


def test_what_was_written_is_read(folder):
    assert [row["step"] for row in read_rows(folder)] == [1, 2, 3]
    assert training_seconds(folder) == 6.0


@pytest.mark.parametrize("name", [RECORDS, TIMINGS])
@pytest.mark.parametrize(
    "damage", [b'{"step": 2', b"[]", b"7", b"\xff{}", b"", b"[" * 5000], ids=lambda data: repr(data[:12])
)
def test_where_it_is_damaged_is_said(folder, name, damage):
    first, _, third = (folder / name).read_bytes().splitlines()
    (folder / name).write_bytes(b"\n".join([first, damage, third]))
    with pytest.raises(CheckpointError, match=f"{name}, line 2"):
        read_rows(folder) if name == RECORDS else training_seconds(folder)


@pytest.mark.parametrize("seconds", ['"2"', "null", "[]", "true"])
def test_times_are_numbers(folder, seconds):
    (folder / TIMINGS).write_text(f'{{"seconds": {seconds}}}\n')
    with pytest.raises(CheckpointError, match="`seconds`"):
        training_seconds(folder)


@pytest.mark.parametrize("read", [read_rows, training_seconds])
def test_one_that_is_gone_is_missed(read, tmp_path):
    with pytest.raises(CheckpointError, match="is gone"):
        read(tmp_path)
