"""Where are the workers of a dask cluster: at an address, or processes on this machine?"""

import contextlib
import logging
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

from subitize.core.errors import UsageError
from subitize.core.stopping import stoppable

try:
    import dask.config
    import distributed
    from dask.system import CPU_COUNT
except ImportError:
    raise UsageError(
        'To count by --engine dask its workers are needed; `pip install "subitize[dask]"` brings them.'
    ) from None

CONNECT = 10.0  # seconds for a scheduler to answer
# Of workers on this machine. Dask's own also makes them give memory back after every picture, which takes a
# third of their time.
ENVIRONMENT = {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}


@contextlib.contextmanager
def workers(address: str | None, most: int) -> Iterator[distributed.Client]:
    """Reach a cluster, or start one on this machine.

    Args:
        address: of a scheduler; None for workers on this machine.
        most: workers to start.

    Raises:
        UsageError: no scheduler answers.
    """
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what becomes of a count is ours to tell
    if address is None:
        with local_workers(min(most, CPU_COUNT)) as cluster, distributed.Client(cluster) as client:
            yield client
        return
    try:
        client = distributed.Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--engine dask=ADDRESS needs the scheduler of a cluster, and at '{address}' none answers "
            f"({error}). Start one by `dask scheduler`, or write --engine dask for workers on this machine."
        ) from None
    with client:
        yield client


@contextlib.contextmanager
def local_workers(number: int) -> Iterator[distributed.LocalCluster]:
    """So many processes on this machine, each with one thread; they do not hear Ctrl-C, which is for us."""
    settings = {"distributed.nanny.pre-spawn-environ": ENVIRONMENT}
    with stoppable(lambda: None) as stops, deaf(), dask.config.set(settings):
        cluster = distributed.LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            memory_limit=0,  # none: what a picture may take is decided where it is read
            dashboard_address="127.0.0.1:0",  # any port that is free, for this machine alone
            silence_logs=logging.CRITICAL,  # what goes wrong in one is raised here
        )
    with cluster:
        for stop in stops:  # it came while the workers began, who would not have ended in order
            signal.raise_signal(stop)
        yield cluster


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Processes that begin meanwhile never hear Ctrl-C, nor do those that they begin."""
    if not hasattr(signal, "pthread_sigmask"):  # there is none on Windows
        yield
        return
    resource_tracker.ensure_running()  # a process that Python starts with the first, hearing again afterwards
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def slots(client: distributed.Client) -> int:
    """How many tasks the workers of a cluster do at a time."""
    threads: Any = client.nthreads()  # it is a coroutine in an asynchronous client alone
    return sum(threads.values())
