"""Whatever ends a count, its finished rows are there, and it ends as if nothing had happened."""

import dataclasses
import os
import shutil
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import pytest
from answers import counted
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from subitize.core.errors import UsageError
from subitize.core.preprocess import Preprocessor
from subitize.evaluation import count_folder
from subitize.evaluation.count_folder import TABLES, open_job
from subitize.evaluation.images import image_places, save_image
from subitize.evaluation.job import Job
from subitize.evaluation.pictures import Counted, options_of, spelled
from subitize.evaluation.tables import Totals
from subitize.training.calibration import Calibration

PREPROCESSOR = Preprocessor(24, 24)
NAMES = ("=a.png", "b\nb.jpg", 'c"c.png', "d/e.png", "d/bad.png", "f.tif", "g\r.png")
SAME = [name for name in TABLES if name != "timings.csv"]


def draw(found: Counted) -> Image.Image:
    return Image.new("L", (8, 8), found.count)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(len(NAMES)):
        (folder / str(i)).write_bytes(b"?")
    return [(folder / str(i), name) for i, name in enumerate(NAMES)]


def job(folder: Path, run, files) -> Job:
    return Job.of(folder, run, files, PREPROCESSOR, {"overlays": draw})


def count(folder: Path, run, files, *, to: int = len(NAMES), resume: bool = False) -> int:
    """Count up to a picture; returns how many were done before."""
    with open_job(job(folder, run, files), run, resume=resume) as counts:
        before = counts.done
        for name in NAMES[before:to]:
            counts.write(counted(name))
        if to == len(NAMES):
            every = [counted(name) for name in NAMES]
            objects = sum(x.count for x in every if not x.failed)
            assert counts.totals == Totals(len(NAMES), objects, 0, Counter(empty=1))
            counts.finish()
    return before


def contents(folder: Path) -> dict[str, bytes]:
    """All files but those that hold a clock, by name."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "timings.csv")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def whole(untrained, files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert count(folder, untrained, files) == 0
    return folder


def test_a_finished_count_has_its_tables_and_an_unfinished_one_says_so(untrained, files, whole, tmp_path):
    assert {path.name for path in whole.iterdir()} == {*TABLES, "overlays", "count.json", ".lock"}
    count(tmp_path / "out", untrained, files, to=3)
    tables = {f"{name}.partial" for name in TABLES}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *tables,
        "overlays",
        "count.json",
        ".lock",
    }
    for name in SAME:
        assert (whole / name).read_bytes().startswith((tmp_path / "out" / f"{name}.partial").read_bytes())


@pytest.mark.parametrize("stopped", range(len(NAMES) + 1))
def test_a_count_that_was_stopped_ends_as_if_it_had_not_been(untrained, files, whole, tmp_path, stopped):
    count(tmp_path / "out", untrained, files, to=min(stopped, len(NAMES) - 1))
    assert count(tmp_path / "out", untrained, files, resume=True) == min(stopped, len(NAMES) - 1)
    assert contents(tmp_path / "out") == contents(whole)
    timings = (tmp_path / "out" / "timings.csv").read_bytes()
    assert timings == (whole / "timings.csv").read_bytes(), (
        "the clock of these pictures is a function of them"
    )


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_is_left_of_the_tables_it_goes_on_to_the_same_end(
    untrained, files, whole, tmp_path_factory, data
):
    """As a failing power leaves them: each cut anywhere, filled with rubbish, or lost; overlays as well."""
    out = tmp_path_factory.mktemp("cut") / "out"
    shutil.copytree(whole, out)
    for name in TABLES:
        left = (out / name).read_bytes()
        left = left[: data.draw(st.integers(0, len(left)))] + data.draw(
            st.sampled_from([b"", b"\0" * 9, b"\0\n"])
        )
        (out / f"{name}.partial").write_bytes(left)
        (out / name).unlink()
        if data.draw(st.integers(0, 9)) == 0:
            (out / f"{name}.partial").unlink()
    for overlay in sorted((out / "overlays").rglob("*.png")):
        how = data.draw(st.sampled_from(["whole", "whole", "whole", "empty", "gone"]))
        if how == "empty":
            overlay.write_bytes(b"")
        elif how == "gone":
            overlay.unlink()
    count(out, untrained, files, resume=True)
    assert contents(out) == contents(whole)


def test_a_row_without_its_objects_is_done_again(untrained, files, whole, tmp_path):
    """A failing power may keep the table that was written last, and lose the end of another."""
    count(tmp_path / "out", untrained, files, to=5)
    objects = tmp_path / "out" / "objects.csv.partial"
    lines = objects.read_bytes().splitlines(keepends=True)
    objects.write_bytes(b"".join(lines[:-1]))
    assert count(tmp_path / "out", untrained, files, resume=True) == 3, "d/e.png has lost its object"
    assert contents(tmp_path / "out") == contents(whole)


def test_a_count_cut_short_while_it_named_its_tables_goes_on(untrained, files, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out" / "counts.csv").rename(tmp_path / "out" / "counts.csv.partial")
    assert count(tmp_path / "out", untrained, files, resume=True) == len(NAMES)
    assert contents(tmp_path / "out") == contents(whole)


def test_what_never_began_begins(untrained, files, whole, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").touch()
    count(tmp_path / "out", untrained, files, resume=True)
    assert contents(tmp_path / "out") == contents(whole)


def test_a_count_only_goes_on_with_all_as_it_was(untrained, files, tmp_path):
    out = tmp_path / "out"
    count(out, untrained, files, to=2)
    before = contents(out)
    model = untrained.model
    calibration = Calibration("0" * 64, 1.5, 19, spelled(options_of(untrained, PREPROCESSOR)))
    others = {
        "model_sha256": {"run": dataclasses.replace(untrained, digest="1" * 64)},
        "model": {"run": dataclasses.replace(untrained, path=tmp_path / "other")},
        "calibration": {"run": dataclasses.replace(untrained, calibration=calibration)},
        "fit": {"preprocessor": Preprocessor(24, 24, fit="pad")},
        "invert": {"preprocessor": Preprocessor(24, 24, invert="always")},
        "files, files_sha256": {"files": files[1:]},
        "files_sha256": {"files": [*files[1:], files[0]]},
    }
    assert model.settings.max_objects == 2
    for changed, other in others.items():
        asked = {
            "run": untrained,
            "files": files,
            "preprocessor": PREPROCESSOR,
            "draw": {"overlays": draw},
        } | other
        with (
            pytest.raises(UsageError, match=f"began with other {changed}\\."),
            open_job(Job.of(out, **asked), asked["run"], resume=True),
        ):
            pass
    assert contents(out) == before


def test_a_picture_that_changed_meanwhile_is_noticed(untrained, files, tmp_path):
    own = [(tmp_path / name, name) for name in ("a.png", "b.png")]
    for file, _ in own:
        file.write_bytes(b"?")
    then = own[0][0].stat().st_mtime_ns
    with open_job(job(tmp_path / "out", untrained, own), untrained, resume=False) as counts:
        counts.write(counted("a.png"))
    own[0][0].write_bytes(b"!")
    os.utime(own[0][0], ns=(then, then + 1_000_000_000))
    with (
        pytest.raises(UsageError, match="other files_sha256"),
        open_job(job(tmp_path / "out", untrained, own), untrained, resume=True),
    ):
        pass


def test_what_else_is_there_is_never_written_to(untrained, files, whole, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.txt").write_text("mine")
    begun = tmp_path / "begun"
    count(begun, untrained, files, to=2)
    for folder, resume, message in (
        (mine, False, "not empty; nothing is overwritten. Use --out .*mine-2\\.$"),
        (mine, True, "not empty"),
        (begun, False, "or go on with the count in it by --resume"),
        (whole, False, "not empty"),
        (whole, True, "is finished"),
    ):
        before = contents(folder)
        with pytest.raises(UsageError, match=message):
            count(folder, untrained, files, resume=resume)
        assert contents(folder) == before


def test_two_do_not_count_into_one_folder(untrained, files, tmp_path):
    with open_job(job(tmp_path / "out", untrained, files), untrained, resume=False) as counts:
        counts.write(counted(NAMES[0]))
        with pytest.raises(UsageError, match="Another process is counting into"):
            count(tmp_path / "out", untrained, files, resume=True)
    assert count(tmp_path / "out", untrained, files, resume=True) == 1


def test_every_overlay_has_a_place_of_its_own_that_a_file_system_takes(tmp_path):
    names = ["a.png", "a.PNG", "a", "b.jpg", "b.jpg.png", "c.png/d.png", "c.png", "c.png.png"]
    names += [f"{'ä' * 125}{i}.jpg" for i in range(2)] + [f"deep/{'x' * 251}.jpg"]
    places = image_places(names, ".png")
    assert len(set(places)) == len(names)
    assert places[:5] == ["a.png", "a.PNG", "a.png.png", "b.jpg.png", "b.jpg.png.png"]
    for path in (tmp_path / place for place in places):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_images_may_be_saved_at_the_same_time_in_one_folder(tmp_path):
    """Another process saves one while this one writes."""

    def save(path: Path, kind: str, **options: int) -> None:
        path.write_bytes(b"first")
        save_image(draw(counted("a")), tmp_path / "second.png")

    save_image(Mock(spec=Image.Image, save=save), tmp_path / "first.png")
    assert (tmp_path / "first.png").read_bytes() == b"first"
    assert {path.name for path in tmp_path.iterdir()} == {"first.png", "second.png"}


@pytest.mark.parametrize("stopped", [False, True])
def test_a_file_that_was_out_of_reach_is_counted_when_it_is_back(untrained, tmp_path, monkeypatch, stopped):
    names, pictures = ("a.png", "b.png", "c.png", "d.png"), tmp_path / "pictures"
    pictures.mkdir()
    for i, name in enumerate(names):
        Image.new("L", (24, 24), 60 + i).save(pictures / name)
    own = [(pictures / name, name) for name in names]

    def done(out: Path, job: Job | None = None, *, resume: bool = False) -> None:
        job = job or Job.of(out, untrained, own, PREPROCESSOR, {"overlays": draw})
        with open_job(job, untrained, resume=resume) as counts:
            counts.count_rest(lambda n, sentences: None)

    done(tmp_path / "whole")
    out = tmp_path / "out"
    job = Job.of(out, untrained, own, PREPROCESSOR, {"overlays": draw})  # before they go
    for name in ("b.png", "d.png"):
        (pictures / name).rename(tmp_path / name)
    done(out, job)
    assert (out / "counts.csv").read_bytes().count(b",failed,") == 2
    with pytest.raises(UsageError, match="is finished"):  # they are still away
        done(out, job, resume=True)
    for name in ("b.png", "d.png"):
        shutil.move(tmp_path / name, pictures / name)
    others = [line for line in (out / "timings.csv").read_text().splitlines() if line[0] in "ac"]
    if stopped:  # after some tables, before others
        monkeypatch.setattr(count_folder, "COUNTS_TABLE", "no.csv")
        with pytest.raises(Exception, match="no"):
            done(out, resume=True)
        monkeypatch.undo()
    done(out, resume=True)
    assert contents(out) == contents(tmp_path / "whole")
    assert [line for line in (out / "timings.csv").read_text().splitlines() if line[0] in "ac"] == others
    with pytest.raises(UsageError, match="is finished"):
        done(out, resume=True)
