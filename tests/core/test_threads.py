import threading
import time

import pytest

from subitize.core.threads import in_order


def test_results_come_in_the_order_of_the_items_whatever_takes_longest():
    def slow(n):
        time.sleep(0.02 * (n % 3))
        return n

    assert list(in_order(slow, range(20), threads=4)) == list(range(20))
    assert list(in_order(slow, [], threads=4)) == []


def test_threads_work_at_once_but_not_on_the_first():
    met, alone = threading.Barrier(3, timeout=20), []

    def meet(n):
        if n == 0:
            alone.append(threading.current_thread() is threading.main_thread())
        else:
            met.wait()  # ends only if three come together
        return n

    assert list(in_order(meet, range(7), threads=3)) == list(range(7))
    assert alone == [True]


def test_no_more_is_begun_than_there_are_threads():
    begun, taken = [], []
    items = (taken.append(n) or n for n in range(100))
    results = in_order(begun.append, items, threads=2)
    for _ in range(5):
        next(results)
    results.close()
    assert len(taken) <= 7
    assert len(begun) <= 7


def test_an_error_is_raised_at_its_turn_and_nothing_more_begins():
    begun = []

    def fail(n):
        begun.append(n)
        if n == 3:
            raise ValueError("three")
        return n

    results = in_order(fail, range(100), threads=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) <= 6
