import signal
import threading
import time

import pytest

from pellucid.errors import RestoreError
from pellucid.files.deadline import time_limit


def wait_for_long() -> None:
    for _ in range(1000):
        time.sleep(0.01)


def test_what_takes_too_long_is_stopped_wherever_it_is() -> None:
    with pytest.raises(RestoreError, match=r"longer than 0\.05 s"), time_limit(0.05):
        try:
            wait_for_long()
        except Exception:  # as a decoder's caller would
            pytest.fail("swallowed")


def test_no_alarm_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(0.02):
        pass
    time.sleep(0.04)
    assert signal.getsignal(signal.SIGALRM) == before


def test_without_a_limit_nothing_is_stopped() -> None:
    with time_limit(0) as check:
        check()


def test_in_another_thread_it_stops_when_asked() -> None:
    stopped: list[str] = []

    def work() -> None:
        try:
            with time_limit(0.02) as check:
                while True:
                    time.sleep(0.01)
                    check()
        except RestoreError as error:
            stopped.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert len(stopped) == 1
