"""How does work go on in several threads and yet come out in its order?"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int = 0) -> Iterator[Result]:
    """The function of each item, in the order of the items, worked out in threads.

    The first is worked out alone, so that what it compiles or reads for all others is done once. No more
    items than threads are begun before their turn, so memory stays bounded. After an error, or when nobody
    asks for more, what has begun is ended and nothing else begins.

    Args:
        function: of one item; several threads call it at once.
        items: any number; taken one by one, in the caller's thread.
        threads: how many; one for each core that this process may use if 0.
    """
    rest = iter(items)
    yield from map(function, itertools.islice(rest, 1))
    threads = threads or cores()
    executor, begun = ThreadPoolExecutor(threads), deque()
    try:
        begun.extend(executor.submit(function, item) for item in itertools.islice(rest, threads))
        while begun:
            result = begun.popleft().result()
            begun.extend(executor.submit(function, item) for item in itertools.islice(rest, 1))
            yield result
    finally:
        executor.shutdown(cancel_futures=True)
