"""A limit to the seconds that one picture may take."""

import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from pellucid.errors import RestoreError

CheckTime = Callable[[], None]


class _Expired(BaseException):
    """Time is up: no ``Exception``, so that no decoder's caller takes it for a damaged file."""


@contextmanager
def time_limit(seconds: float) -> Generator[CheckTime]:
    """Stop the block when its time is up; gives a function that does so too, for the block to call now and then.

    In the main thread of a POSIX system a signal stops it wherever it is, as soon as a call into a library returns;
    elsewhere only the function does.

    Args:
        seconds: 0 is no limit.

    Raises:
        RestoreError: the block took longer.
    """
    end = time.monotonic() + seconds

    def check() -> None:
        if seconds and time.monotonic() > end:
            raise _Expired

    try:
        with _alarm(seconds):
            yield check
    except _Expired:
        raise RestoreError(f"took longer than {seconds:g} s and was given up; a longer `timeout` allows more") from None


@contextmanager
def _alarm(seconds: float) -> Generator[None]:
    """Raise in the block after so many seconds, where signals can."""
    if not seconds or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _Expired

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
