"""What a person counted, read, checked, and set against the counts."""

import dataclasses
import itertools

import pytest

from subitize.core.errors import NoInputError, UsageError
from subitize.evaluation.finished_count import CountRow, FinishedCount, read_count
from subitize.evaluation.to_verify import to_verify
from subitize.evaluation.truths import Truth, Truths, read_table, truths_of, write_table
from subitize.evaluation.verification import Agreement, verification, verified_rows
from subitize.evaluation.verification_report import as_json, remarks, told

ROWS = [("a.png", 10, 9, 11), ("=b.png", 20, 18, 22, True), ("'c.png", 30, 30, 30), ("d.png", None)]
EVERY = ["a.png", "=b.png", "'c.png", "d.png"]


@pytest.fixture
def counted(finished) -> FinishedCount:
    return read_count(finished(*ROWS))


@pytest.fixture
def truths(counted, tmp_path):
    """What a table of truths of that count says."""

    def read(text: str | bytes) -> Truths:
        path = tmp_path / "truth.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return truths_of(read_table(path), counted, path)

    return read


def test_a_finished_count_is_read_by_the_names_of_its_columns(counted):
    assert counted.rows == [
        CountRow("a.png", 10, (9, 11), (9, 11), 0.5, False),
        CountRow("'=b.png", 20, (18, 22), (18, 22), 0.5, True),
        CountRow("''c.png", 30, (30, 30), (30, 30), 0.5, False),
        CountRow("d.png"),
    ]
    table = counted.folder / "counts.csv"
    head, *lines = table.read_text().splitlines()
    table.write_text("\n".join([f"new,{head}", *(f"?,{line}" for line in lines)]))
    assert read_count(counted.folder) == counted


def test_a_count_from_before_there_were_corrections_is_read(finished):
    out = finished(*ROWS)
    before = read_count(out)
    (out / "counts.csv").write_text((out / "counts.csv").read_text().replace("uncorrected_", "other_"))
    assert read_count(out) == before


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("count_lo90", "low"), lambda text: text.replace(",10,", ",ten,", 1)]
)
def test_a_table_that_was_altered_is_refused(change, finished):
    out = finished(*ROWS)
    (out / "counts.csv").write_text(change((out / "counts.csv").read_text()))
    with pytest.raises(UsageError, match="a column or a number is missing"):
        read_count(out)


@pytest.mark.parametrize(
    "text",
    [
        "file,count\na.png,11\n=b.png,20\n",
        "file,count\na.png,11\n'=b.png,20\n",  # as it stands in counts.csv
        "\ufeffFile;Note;Count\r\na.png;x;11\r\n\r\n'=b.png;; 20 \r\n",  # as a spreadsheet saves it
        "count\tfile\n11\ta.png\n20\t=b.png\n20\t=b.png\n",
        "file,count\na.png,11\n\"=b.png\",20\n''c.png,\nd.png\n",
    ],
)
def test_a_table_is_understood_as_people_and_spreadsheets_write_it(text, truths):
    found = truths(text)
    assert found.known == {"a.png": Truth(11, "random"), "'=b.png": Truth(20, "random")}
    assert found.assumed


def test_a_column_says_which_are_random(truths):
    found = truths("file,chosen,count\na.png,doubtful,0\n=b.png, Random,\n")
    assert found.known == {"a.png": Truth(0, "doubtful")}
    assert (found.unknown, found.assumed) == (["'=b.png"], False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs the columns file and count"),
        ("name,count\na.png,1\n", "it lacks file"),
        ("file,cuont\na.png,1\n", "it lacks count. Did you mean 'cuont'?"),
        ("a.png,11\n", "a head that names them"),
        ("file,count\n", "has no rows"),
        ("file,count\n,\n", "has no rows"),
        ("file,count\na.pgn,1\n", "row 1: no picture of this count is called 'a.pgn'. Did you mean 'a.png'?"),
        ("file,count\na.png,1\n,2\n", "row 2: no picture of this count is called ''"),
        ("file,count\na.png,-1\n", "a whole number from 0 on; got '-1'"),
        ("file,count\na.png,1.5\n", "got '1.5'"),
        ("file,count\na.png,ten\n", "got 'ten'"),
        ("file,count\na.png,\u0661\n", "a whole number from 0 on"),
        ("file,count\na.png,9999999999\n", "a whole number from 0 on"),
        ("file,count\na.png,1\na.png,2\n", "row 2: a.png stands there twice, and not with the same count"),
        ("file,count\n=b.png,1\n'=b.png,2\n", "row 2: =b.png stands there twice"),
        ("file,chosen,count\na.png,rand,2\n", "random or doubtful; got 'rand'. Did you mean 'random'?"),
        ("file,count\na.png,1\nb\xff.png,2\n".encode("latin-1"), "no table in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no table in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused_in_a_sentence(text, said, truths):
    with pytest.raises(UsageError) as error:
        truths(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_that_is_not_there(tmp_path):
    (tmp_path / "truth.csv").touch()
    with pytest.raises(NoInputError, match=r"no file .*truht\.csv\. Did you mean 'truth\.csv'\?"):
        read_table(tmp_path / "truht.csv")


def test_what_is_written_is_read(tmp_path):
    table = [["file", "chosen", "count"], ["'=a,\n\"b", "random", ""], ["ö.png", "doubtful", "3"]]
    write_table(tmp_path / "t.csv", table)
    assert read_table(tmp_path / "t.csv") == table


def many(number: int) -> list[tuple]:
    """Pictures of which the first three are the most doubtful: one to review, and two of wide intervals."""
    usual = [(f"{i:03d}.png", 100, 90 - i % 5, 110) for i in range(3, number)]
    return [("0", 100, 99, 101, True), ("1", 100, 60, 140), ("2", 10, 8, 14), *usual, ("x", None)]


def test_the_most_doubtful_and_others_at_random_are_chosen(finished, tmp_path):
    first, again, more = (
        to_verify(read_count(finished(*many(n), folder=name)))
        for n, name in ((60, "a"), (60, "b"), (500, "c"))
    )
    assert first == again
    count = read_count(tmp_path / "a")
    corrected = [dataclasses.replace(row, interval=(0, 10**i)) for i, row in enumerate(count.rows)]
    assert to_verify(dataclasses.replace(count, rows=corrected)) == first
    for head, *rows in (first, more):
        assert head == ["file", "chosen", "count"]
        assert [row[0] for row in rows if row[1] == "doubtful"] == ["0", "1", "2"]
        drawn = [row[0] for row in rows if row[1] == "random"]
        assert len(set(drawn) - {"0", "1", "2", "x"}) == len(drawn) == 19
        assert drawn != sorted(drawn), "so that the first few are a random sample too"
        assert {row[2] for row in rows} == {""}
    assert max(row[0] for row in more[1:]) > "400.png", "they are drawn from all"


def test_a_small_folder_is_counted_whole_and_is_then_the_sample(finished):
    names = [row[0] for row in many(22)[:-1]]
    table = to_verify(read_count(finished(*many(22))))
    assert sorted(row[0] for row in table[1:]) == sorted(names)
    assert {row[1] for row in table[1:]} == {"random"}
    with pytest.raises(UsageError, match=r"No picture in .* has a count"):
        to_verify(read_count(finished(("a.png", None), folder="failed")))


def test_by_hand(counted, truths):
    """One random picture is 2 short, one doubtful 3 too many, one has no count, one nobody knows."""
    said = truths("file,chosen,count\na.png,random,12\n=b.png,doubtful,17\nd.png,random,5\n")
    found = verification(counted, said)
    assert found.random == Agreement(1, -2.0, 2.0, 0.0, 0.0)
    assert found.doubtful == Agreement(1, 3.0, 3.0, 0.0, 0.0)
    assert (found.uncounted, found.unknown, found.factor) == (1, 0, None)
    assert found.total[:2] == (60, 12 + 17 + 5 + 30 + 2)
    assert list(verified_rows(counted, said, None)) == [
        ["a.png", 10, 12, 12, 12],
        ["'=b.png", 20, 17, 17, 17],
        ["''c.png", 30, 30, 30, ""],
        ["d.png", "", 5, 5, 5],
    ]
    assert list(verified_rows(counted, said, 7.0))[2] == ["''c.png", 30, 27, 33, ""], "30 ± 3.5"
    assert list(told(found, counted, said)) == [
        "verified: 3 of 4 pictures, 2 random and 1 doubtful",
        "random: 0 of 1 counts right, off by 2.00 on average, bias -2.00; 90 % interval holds 0 of 1",
        "doubtful: 0 of 1 counts right, off by 3.00 on average, bias +3.00; 90 % interval holds 0 of 1",
        "total: 60 objects counted, 66 corrected, of unknown error",
    ]
    assert as_json(found, counted, said) | {"model_sha256": ""} == {
        "model_sha256": "",
        "pictures": 4,
        "verified": 3,
        "verified_without_count": 1,
        "neither_count_nor_truth": 0,
        "random_is_assumed": False,
        "random": dict(zip(Agreement._fields, found.random, strict=True)),
        "doubtful": dict(zip(Agreement._fields, found.doubtful, strict=True)),
        "total": {
            **{"counted": 60, "corrected": 66.0, "standard_error": None},
            **{"low": None, "high": None, "exact": False},
        },
        "factor": None,
    }


def test_what_is_not_as_people_may_think_is_said(counted, truths):
    said = truths("file,count\na.png,11\n''c.png,31\n=b.png,\n")
    found = list(remarks(verification(counted, said), said))
    for part, remark in itertools.zip_longest(
        (
            "all are taken for a random sample",
            "rows without a count by eye, which are left with the rest: 1",
            "pictures with neither a count nor a truth, which are in no total: 1",
            "takes 9 random pictures, and 2 are verified. Still needed: 7.",
            "all 2 random counts are off by the same number",
        ),
        found,
    ):
        assert part in remark


def test_of_pictures_that_are_all_verified_the_total_is_exact(counted, truths):
    said = truths("file,count\na.png,11\n''c.png,31\n=b.png,20\nd.png,4\n")
    found = verification(counted, said)
    assert (found.total.corrected, found.total.exact) == (66, True)
    assert "which is exact" in list(told(found, counted, said))[-1]
    assert not any("random sample" in remark for remark in remarks(found, said)), "nothing was chosen"


def test_enough_random_ones_give_a_factor_and_the_doubtful_have_no_say(finished, tmp_path):
    rows = [(f"{i}.png", 10 * i, 10 * i - 1, 10 * i + 1) for i in range(1, 13)]
    counted = read_count(finished(*rows))
    table = [["file", "chosen", "count"], *([f"{i}.png", "random", f"{10 * i + i}"] for i in range(1, 10))]
    found = verification(counted, truths_of(table, counted, tmp_path))
    assert found.factor == pytest.approx(9 / 1.5)
    worse = [*table, ["10.png", "doubtful", "900"]]
    again = verification(counted, truths_of(worse, counted, tmp_path))
    assert again.factor == found.factor
    assert again.doubtful.bias == -800
    assert again.total.corrected - found.total.corrected == 900 - (100 + 5), "5 is the mean difference"
    assert list(verified_rows(counted, truths_of(table, counted, tmp_path), found.factor))[9] == [
        *("10.png", 100, 91, 109, "")
    ]
