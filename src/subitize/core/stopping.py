"""Stopping: a process that is asked to stop says so at once, and stops when it can.

Python looks at signals between two of its own instructions, and a program that is compiled is one of them,
for a minute. So a thread listens, which hears of a signal as soon as it arrives.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable(tell: Callable[[], None]) -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT instead of dying of them; a second one kills at once.

    Args:
        tell: called as soon as the first arrives, in a thread of its own.

    Yields:
        The signals so far.
    """
    stops: list[int] = []

    def stop(number, frame):
        stops.append(number)
        signal.signal(number, signal.SIG_DFL)

    if not in_main_thread():
        yield stops
        return
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        with heard(tell):
            yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def heard(tell: Callable[[], None]) -> Iterator[None]:
    """Listen for signals that have a handler, whatever the main thread is doing.

    Args:
        tell: called as soon as the first arrives, in a thread of its own; a second ends the process.
    """
    if not in_main_thread():
        yield
        return
    ear, mouth = socket.socketpair()
    mouth.settimeout(0)  # as `set_wakeup_fd` asks
    before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=listen, args=(ear, tell), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        mouth.close()
        thread.join()
        ear.close()


def in_main_thread() -> bool:
    """Whether signals are ours: in any other thread they are left to whoever runs it."""
    return threading.current_thread() is threading.main_thread()


def listen(ear: socket.socket, tell: Callable[[], None]) -> None:
    """Tell of the first signal; at the second, which the main thread cannot look at, end the process."""
    count = 0
    while byte := ear.recv(1):  # the number of a signal; empty once the other end is closed
        if byte[0] in SIGNALS:
            count += 1
            if count > 1:
                os._exit(128 + byte[0])
            tell()
