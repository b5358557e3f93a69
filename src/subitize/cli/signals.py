"""A process that is asked to end raises, so that what it has is put in order and it says how to go on."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. No `Exception`, so that nothing takes it for a damaged file."""


def signal_of(stop: KeyboardInterrupt) -> signal.Signals:
    """The signal that was behind it."""
    return signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT


@contextlib.contextmanager
def termination_raises() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM, as Python raises `KeyboardInterrupt` on SIGINT."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: leave signals to whoever runs it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
