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


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int = 0,
    weigh: Callable[[Item], int] = lambda item: 0,
    most: int = 0,
) -> Iterator[Result]:
    """The function of each item, in the order of the items, worked out in threads.

    The first is worked out alone, so that what it compiles or reads for all others is done once. After an
    error, or when nobody asks for more, what has begun is ended and nothing else begins.

    Args:
        function: of one item; several threads call it at once.
        items: any number; taken one by one, in the caller's thread, at most one before its turn.
        threads: how many items are worked at; one for each core that this process may use if 0.
        weigh: what an item weighs, such as its size in memory.
        most: that the items which are worked at may weigh together, unless it is only one.
    """
    rest = iter(items)
    yield from map(function, itertools.islice(rest, 1))
    threads = threads or cores()
    executor, begun = ThreadPoolExecutor(threads), deque()
    try:
        for item in rest:
            weight = weigh(item)
            while begun and (len(begun) == threads or weight + sum(own for _, own in begun) > most):
                yield begun.popleft()[0].result()
            begun.append((executor.submit(function, item), weight))
        while begun:
            yield begun.popleft()[0].result()
    finally:
        executor.shutdown(cancel_futures=True)
