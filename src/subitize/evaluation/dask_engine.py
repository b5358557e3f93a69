"""How do the workers of a dask cluster count the parts of one count?

This process keeps OUT for itself, hands out the parts, hears how far they are, and joins their tables. A
worker that dies leaves the rows that it wrote, and dask gives its part to another, which goes on after them.
"""

import contextlib
import dataclasses
import math
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

import distributed

from subitize.core.errors import SubitizeError, UsageError, printable
from subitize.core.files import alone, unfinished
from subitize.core.image_io import Page
from subitize.core.picture_files import COUNTS_TABLE
from subitize.evaluation.count_folder import Tell, totals_of
from subitize.evaluation.count_request import check_new
from subitize.evaluation.dask_cluster import slots, workers
from subitize.evaluation.dask_worker import News, RunSource, count_in_worker
from subitize.evaluation.job import Job, Part
from subitize.evaluation.parts import begin_parts, check_parts, is_finished, joined, number_of_parts
from subitize.evaluation.tables import Totals

PART = 1000  # pictures in a part at the most
PARTS_PER_WORKER = 2  # at least, so that a quick one may do more
MOMENT = 5.0  # seconds to wait for OUT: workers of a count that was stopped look whether it is free
GRACE = 20.0  # seconds in which workers may end a picture when a count is stopped


class ClusterError(SubitizeError):
    """A cluster that cannot go on; what was counted is kept."""


def count_by_dask(job: Job, source: RunSource, address: str | None, tell: Tell, *, resume: bool) -> Totals:
    """Count by the workers of a cluster; returns what all of it comes to.

    Args:
        job: the whole count.
        source: of its run.
        address: of the scheduler of a cluster that shares the file system; None for one on this machine.
        tell: is told how many files are done.
        resume: go on with a count that was stopped; one that never began begins.

    Raises:
        UsageError: the folder holds something else, another process counts into it, or no scheduler answers.
        ClusterError: workers died as often as dask allows, or the scheduler did.
    """
    check_begun(job, resume=resume)
    job = dataclasses.replace(job, files=[(absolute(file), name) for file, name in job.files])
    with workers(address, len(job.files)) as client:
        of = number_of_parts(job.out) or parts_for(len(job.files), slots(client))
        parts = [job.part(Part(number, of)) for number in range(1, of + 1)]
        running: set[distributed.Future] = set()
        with ended_in_order(parts, running, tell), alone(job.out, "counting into", MOMENT):
            check_begun(job, resume=resume)  # nobody has come in between
            begin_parts(job, of, resume=resume)
            map_parts(client, parts, source, tell, running)
            totals = joined(job, of)
    assert totals is not None, "all parts are finished"
    return totals


def check_begun(job: Job, *, resume: bool) -> None:
    """Refuse a folder in which this count may not begin, nor go on in the parts that it has."""
    begun = number_of_parts(job.out)
    if begun is not None and not resume:
        check_new(job.out, resume=False)
    check_parts(job, begun or 1, resume=resume)


def parts_for(files: int, workers: int) -> int:
    """In how many parts so many workers count so many files."""
    return max(math.ceil(files / PART), min(files, PARTS_PER_WORKER * max(workers, 1)))


def map_parts(
    client: distributed.Client,
    parts: Sequence[Job],
    source: RunSource,
    tell: Tell,
    running: set[distributed.Future],
) -> None:
    """Have workers count parts; `running` always holds those that have begun and not ended."""
    heard: SimpleQueue[News | distributed.Future] = SimpleQueue()
    topic = f"subitize-{uuid.uuid4().hex}"
    client.subscribe_topic(topic, lambda event: heard.put(News(*event[1])))
    done = list(map(rows_of, parts))
    futures = {
        number: client.submit(worker_task, part, source, number, topic, key=f"{topic}-{number}")
        for number, part in enumerate(parts)
        if not is_finished(part)
    }
    numbers = {future.key: number for number, future in futures.items()}
    for future in futures.values():
        future.add_done_callback(heard.put)
    tell(sum(done), [])
    left = len(futures)
    while left:
        said = heard.get()
        if isinstance(said, distributed.Future):
            left -= 1
            running.discard(said)
            said = last_news(said, parts[numbers[said.key]])
        else:
            running.add(futures[said.part])
        done[said.part] = max(done[said.part], said.done)
        tell(sum(done), said.sentences)


def worker_task(own: Job, source: RunSource, number: int, topic: str) -> News:
    """Count a part in a worker, whose news go to all who listen to a topic."""
    worker = distributed.get_worker()
    return count_in_worker(own, source, number, lambda news: worker.log_event(topic, news))


def last_news(future: distributed.Future, own: Job) -> News:
    """What became of a part.

    Raises:
        ClusterError: it cannot be counted by this cluster.
        UsageError: a worker does not see the lock of this process.
    """
    try:
        news = future.result()
    except distributed.KilledWorker as error:
        _, name = own.files[min(rows_of(own), len(own.files) - 1)]
        raise ClusterError(
            f"{error.allowed_failures + 1} workers died over one part, the last at {printable(name)} or soon "
            "after it; their memory may be too small. Take fewer or larger workers, and go on with --resume."
        ) from None
    except distributed.CancelledError:
        raise ClusterError("The scheduler is gone. Start it again, and go on with --resume.") from None
    if news.done < len(own.files):
        raise UsageError(
            f"Who counts into {printable(own.out)} locks it, and a worker does not see the lock: the file "
            "system does not share locks between machines. Choose an --out on one that does."
        )
    return news


@contextlib.contextmanager
def ended_in_order(parts: Sequence[Job], running: set[distributed.Future], tell: Tell) -> Iterator[None]:
    """If a count is ended, give workers, whom nobody hears any more, the time to end their pictures."""
    try:
        yield
    except BaseException:
        if running:
            with contextlib.suppress(TimeoutError, distributed.CancelledError):
                distributed.wait(list(running), timeout=GRACE)
            tell(sum(map(rows_of, parts)), [])
        raise


def rows_of(part: Job) -> int:
    """How many files of a part have their rows."""
    return len(part.files) if is_finished(part) else totals_of(unfinished(part.tables / COUNTS_TABLE)).done


def absolute(file: Path | Page) -> Path | Page:
    """The same file, from the root of the file system."""
    return Page(file.file.absolute(), file.number) if isinstance(file, Page) else file.absolute()
