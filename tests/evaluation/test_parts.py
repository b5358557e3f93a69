"""However a count is shared out, stopped and gone on with, it ends with the bytes of one that was not."""

import dataclasses
import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import distributed
import pytest
from answers import counted
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from subitize.core.errors import CheckpointError, UsageError
from subitize.core.files import alone, is_worked_in
from subitize.core.picture_files import find_pictures
from subitize.core.preprocess import Preprocessor
from subitize.evaluation import count_folder, dask_worker
from subitize.evaluation.count_folder import TABLES, open_job
from subitize.evaluation.dask_engine import ClusterError, check_begun, last_news, parts_for
from subitize.evaluation.dask_worker import News, RunSource, Told, count_in_worker, opened
from subitize.evaluation.job import Job, Part, part_of
from subitize.evaluation.parts import claimed, count_part, joined, number_of_parts
from subitize.evaluation.pictures import Counted
from subitize.evaluation.tables import Totals
from subitize.training.calibration import Calibration

# Names that need quotes, and those whose overlays would have one place if a part did not know the others.
NAMES = ("a", "a.png", "a.png.png", "b\nb.jpg", "bad.png", 'c"c.png', "d/=e.png", "d/bad.tif")
BAD = sum("bad" in name for name in NAMES)


class Stop(Exception):
    """What ends a process, here."""


def draw(found: Counted) -> Image.Image:
    return Image.new("L", (8, 8), len(found.file))


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """No model looks at what has no pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            count_folder, "count_files", lambda run, files, *_: (counted(name) for _, name in files)
        )
        yield


@pytest.fixture(scope="module")
def job(untrained, tmp_path_factory) -> Job:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(len(NAMES)):
        (folder / str(i)).write_bytes(b"?")
    files = [(folder / str(i), name) for i, name in enumerate(NAMES)]
    return Job.of(folder / "out", untrained, files, Preprocessor(24, 24), {"overlays": draw})


def into(job: Job, out: Path) -> Job:
    return dataclasses.replace(job, out=out, tables=out)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def whole(untrained, job, tmp_path_factory) -> dict[str, bytes]:
    """All bytes of a count by one process; the clock of these pictures is a function of them."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with open_job(into(job, out), untrained, resume=False) as counts:
        counts.count_rest(lambda done, sentences: None)
    assert set(TABLES) < set(contents(out))
    return contents(out)


def count(job: Job, part: Part, run, *, stop: int | None = None, resume: bool = True) -> Totals | None:
    """Count a part, or up to a file of it; returns what all of the count comes to, if it is all done."""

    def tell(done: int, sentences) -> None:
        if done == stop:
            raise Stop

    try:
        with claimed(job, part, resume=resume) as own:
            count_part(own, run, tell)
    except Stop:
        return None
    with alone(job.out):
        return joined(job, part.of)


@given(files=st.integers(1, 10**7), of=st.integers(1, 500))
def test_parts_are_ranges_that_hold_each_file_once_and_differ_by_one(files, of):
    of = min(of, files)
    ranges = [Part(number, of).range(files) for number in range(1, of + 1)]
    assert (ranges[0].start, ranges[-1].stop) == (0, files)
    assert all(before.stop == after.start for before, after in itertools.pairwise(ranges))
    lengths = {r.stop - r.start for r in ranges}
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) > 0


@pytest.mark.parametrize("word", ["0/8", "9/8", "2", "2/", "/8", "2/8/1", "-1/8", "2 / 8", "1/0", "a/b", ""])
def test_a_word_that_names_no_part(word):
    assert part_of("2/8") == Part(2, 8)
    assert str(Part(2, 8)) == "2/8"
    with pytest.raises(UsageError, match="such as 2/8"):
        part_of(word)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_in_any_order_stopped_anywhere_the_bytes_are_those_of_one_process(
    untrained, job, whole, tmp_path_factory, data
):
    job = into(job, tmp_path_factory.mktemp("parts") / "out")
    of = data.draw(st.integers(1, len(NAMES)))
    order = data.draw(st.permutations(range(1, of + 1)))
    stops = [data.draw(st.none() | st.integers(0, len(NAMES))) for _ in order]
    calls = [*zip(order, stops, strict=True), *((number, None) for number in order)]
    said = (count(job, Part(number, of), untrained, stop=stop) for number, stop in calls)
    assert next(totals for totals in said if totals).done == len(NAMES)
    assert contents(job.out) == whole
    assert not (job.out / "parts").exists()


def test_who_ends_the_last_part_knows_what_all_come_to(untrained, job, whole, tmp_path):
    job = into(job, tmp_path / "out")
    said = [count(job, Part(number, 3), untrained, resume=False) for number in (2, 3, 1)]
    objects = sum(counted(name).count for name in NAMES if "bad" not in name)
    assert said == [None, None, Totals(len(NAMES), objects, 0, Counter(empty=BAD))]
    assert contents(job.out) == whole
    with pytest.raises(UsageError, match="is finished"):
        count(job, Part(1, 3), untrained)
    assert contents(job.out) == whole


def test_one_process_works_on_a_part_and_others_on_others(untrained, job, whole, tmp_path):
    job = into(job, tmp_path / "out")
    with claimed(job, Part(1, 2), resume=False) as own:
        assert count(job, Part(2, 2), untrained, resume=False) is None
        with pytest.raises(UsageError, match=r"Another process is counting into .*1-of-2"):
            count(job, Part(1, 2), untrained)
        count_part(own, untrained, lambda done, sentences: None)
    with alone(job.out):
        assert joined(job, 2) is not None
    assert contents(job.out) == whole


def test_however_far_the_joining_came_it_is_done_again(untrained, job, whole, tmp_path, monkeypatch):
    """Each step of it writes, renames or removes; after any of them the process may be killed."""
    for steps in range(20):
        out = into(job, tmp_path / str(steps))
        count(out, Part(1, 2), untrained)
        with claimed(out, Part(2, 2), resume=True) as own:
            count_part(own, untrained, lambda done, sentences: None)
        left = itertools.count(steps, -1)
        with monkeypatch.context() as patch:
            for where, name in ((Path, "replace"), (shutil, "rmtree"), (shutil, "copyfileobj")):
                true = getattr(where, name)

                def killed(*args, true=true, left=left):
                    if next(left) <= 0:
                        raise Stop
                    return true(*args)

                patch.setattr(where, name, killed)
            try:
                with alone(out.out):
                    joined(out, 2)
            except Stop:
                ended = False
            else:
                ended = True
        if ended:
            break
        assert count(out, Part(1, 2), untrained).done == len(NAMES)
        assert contents(out.out) == whole
    assert steps == 10, "two parts of three tables are copied, three get their names, one folder goes"


def test_a_part_that_was_removed_halfway_is_not_counted_again(untrained, job, whole, tmp_path):
    """The tables are joined, and the process was killed as it removed the parts."""
    job = into(job, tmp_path / "out")
    count(job, Part(1, 2), untrained)
    shutil.copytree(job.out / "parts", tmp_path / "kept")
    count(job, Part(2, 2), untrained)
    shutil.copytree(tmp_path / "kept", job.out / "parts")
    with pytest.raises(UsageError, match="not empty"):
        count(job, Part(2, 2), untrained, resume=False)
    assert count(job, Part(2, 2), untrained, stop=0).done == len(NAMES)
    assert contents(job.out) == whole


def test_tables_that_somebody_changed_are_not_joined(untrained, job, tmp_path):
    job = into(job, tmp_path / "out")
    count(job, Part(1, 2), untrained)
    table = job.out / "parts" / "1-of-2" / "counts.csv"
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(UsageError, match=r"Each of 8 files has a row .* 5 are there"):
        count(job, Part(2, 2), untrained)
    assert not (job.out / "counts.csv").exists()
    assert (job.out / "parts").exists()


def test_what_does_not_belong_together_is_refused(untrained, job, tmp_path):
    parts, plain, mine = (into(job, tmp_path / name) for name in ("parts", "plain", "mine"))
    count(parts, Part(1, 3), untrained, stop=1)
    with open_job(plain, untrained, resume=False):
        pass
    mine.out.mkdir()
    (mine.out / "a.txt").write_text("mine")
    other = dataclasses.replace(parts, request={**job.request, "fit": "pad"})
    before = {folder: contents(tmp_path / folder) for folder in ("parts", "plain", "mine")}
    for asked, part, resume, message in (
        (parts, Part(1, 3), False, "Part 1/3 .* has begun; nothing is overwritten"),
        (parts, Part(1, 4), True, "has 3 parts for good; got 4"),
        (parts, Part(2, 4), False, "has 3 parts for good; got 4"),
        (other, Part(1, 3), True, r"began with other fit\."),
        (other, Part(2, 3), False, r"began with other fit\."),
        (plain, Part(1, 3), True, "not in parts"),
        (plain, Part(1, 3), False, "not empty"),
        (mine, Part(1, 3), True, "not empty"),
    ):
        with pytest.raises(UsageError, match=message):
            count(asked, part, untrained, resume=resume)
    with pytest.raises(UsageError, match="a count in parts"), open_job(parts, untrained, resume=True):
        pass
    with pytest.raises(UsageError, match="go on with the count in it by --resume"):
        check_begun(parts, resume=False)
    assert {folder: contents(tmp_path / folder) for folder in before} == before


def test_what_a_count_in_parts_has_drawn_is_no_picture(untrained, job, tmp_path):
    (tmp_path / "own.png").write_bytes(b"?")
    count(into(job, tmp_path / "out"), Part(1, 3), untrained)
    assert list((tmp_path / "out" / "overlays").iterdir())
    assert [name for _, name in find_pictures([tmp_path]).files] == ["own.png"]


def test_a_file_that_changes_between_two_sittings_of_a_worker_is_the_same_count(untrained, job, tmp_path):
    """Dask gives a part to another worker by itself: that a file has vanished is a row and ends nothing."""
    files = [(tmp_path / name, name) for name in ("a.png", "b.png")]
    for file, _ in files:
        file.write_bytes(b"?")
    own = Job.of(tmp_path / "out", untrained, files, None, {"overlays": draw}).part(Part(1, 1))
    own.tables.mkdir(parents=True)
    with pytest.raises(Stop):
        count_part(own, untrained, lambda done, sentences: (_ for _ in ()).throw(Stop) if done else None)
    files[1][0].unlink()
    assert count_part(own, untrained, lambda done, sentences: None).done == 2


@given(files=st.integers(1, 10**6), workers=st.integers(0, 100))
def test_parts_are_small_and_every_worker_has_two(files, workers):
    of = parts_for(files, workers)
    assert of <= files <= 1000 * of
    assert of >= min(files, 2 * workers)
    assert of <= max(files / 1000 + 1, 2 * workers, 2)


@pytest.mark.parametrize(("every", "times"), [(0.0, len(NAMES) - 2), (1e9, 1)])
def test_a_worker_counts_what_is_left_and_tells_of_it(
    untrained, job, whole, tmp_path, monkeypatch, every, times
):
    monkeypatch.setattr(dask_worker, "opened", lambda source: untrained)
    monkeypatch.setattr(dask_worker, "EVERY", every)
    job, heard = into(job, tmp_path / "out"), []
    count(job, Part(1, 1), untrained, stop=3)
    own = job.part(Part(1, 1))
    with alone(job.out):
        last = count_in_worker(own, source_of(tmp_path), 7, heard.append)
        assert joined(job, 1).done == len(NAMES)
    assert [(news.part, news.done) for news in heard] == [(7, 3 + i) for i in range(times)]
    assert (last.part, last.done) == (7, len(NAMES))
    assert [line for news in (*heard, last) for line in news.sentences] == [
        counted(name).sentence for name in NAMES[3:] if "bad" in name
    ]
    assert contents(job.out) == whole


def test_a_worker_stops_when_nobody_counts_any_more(untrained, job, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_worker, "opened", lambda source: untrained)
    monkeypatch.setattr(dask_worker, "EVERY", 0.0)
    job = into(job, tmp_path / "out")
    own, heard = job.part(Part(1, 1)), []
    with alone(job.out):
        pass
    assert count_in_worker(own, source_of(tmp_path), 0, heard.append) == News(0, 0, [])
    assert (heard, own.tables.exists()) == ([], False)

    lock = alone(job.out)
    lock.__enter__()

    def hear(news: News) -> None:
        heard.append(news.done)
        if news.done == 2:
            lock.__exit__(None, None, None)

    assert count_in_worker(own, source_of(tmp_path), 0, hear) == News(0, 0, [])
    assert heard == [0, 1, 2], "the third picture is the last one"
    assert not is_worked_in(own.tables)
    assert (own.tables / "counts.csv.partial").read_bytes().count(b"bad") == 0
    assert number_of_parts(job.out) == 1


def test_a_worker_says_little_and_forgets_nothing(tmp_path):
    heard = []
    with alone(tmp_path):
        told = Told(tmp_path, 0, heard.append)
        for done in range(4):
            told(done, [f"{done} is bad"])
    assert heard == [News(0, 0, ["0 is bad"])]
    assert told.sentences == ["1 is bad", "2 is bad", "3 is bad"]


def source_of(path: Path, digest: str = "0" * 64) -> RunSource:
    return RunSource(path, path, digest, None, 1, "", None)


def test_a_worker_does_not_take_other_weights(untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_worker, "open_run", lambda *_: untrained)
    assert opened(source_of(tmp_path)).path == tmp_path
    later = source_of(tmp_path)._replace(calibration=Calibration("0" * 64, 2.0, 19, ""))
    assert opened(later).calibration == later.calibration, "a worker that lives on corrects as who counts"
    with pytest.raises(CheckpointError, match="not those that the count began with"):
        opened(source_of(tmp_path, "1" * 64))


@pytest.mark.parametrize(
    ("ends", "error", "says"),
    [
        (
            {"side_effect": distributed.KilledWorker("x", Mock(), 3)},
            ClusterError,
            "4 workers died .* at a.png",
        ),
        ({"side_effect": distributed.CancelledError()}, ClusterError, "The scheduler is gone"),
        ({"side_effect": UsageError("as it is")}, UsageError, "as it is"),
        ({"return_value": News(0, 1, [])}, UsageError, "does not share locks"),
    ],
)
def test_what_ends_a_part_in_a_cluster_is_said(untrained, job, tmp_path, ends, error, says):
    job = into(job, tmp_path / "out")
    count(job, Part(1, 1), untrained, stop=1)
    future = Mock(spec=distributed.Future, result=Mock(**ends))
    with pytest.raises(error, match=says):
        last_news(future, job.part(Part(1, 1)))
