"""Nothing in the suite may wait for ever: not for a child, not for a queue, not for itself."""

import signal
import threading

CHILD_SECONDS = 600
"""For one child; generous, because machines that test do other things besides."""

TEST_SECONDS = 1800
"""For one test, with all its children."""


class TestHangs(BaseException):
    """Not an ``Exception``, so that no test and no code under test takes it for its own."""

    __test__ = False


class TimeLimit:
    """Interrupts what runs inside it after so many seconds; children do not inherit the clock.

    A wait in Python (queue, pool, child, socket) ends; where the main thread hangs in foreign code
    `faulthandler_timeout` still says where.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.active = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self.active:
            self.before = signal.signal(signal.SIGALRM, self._stop)
            self.outer = signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *error: object) -> None:
        if self.active:
            signal.signal(signal.SIGALRM, self.before)
            signal.setitimer(signal.ITIMER_REAL, *self.outer)

    def _stop(self, number: int, frame: object) -> None:
        raise TestHangs(f'not done after {self.seconds:g} s')
