"""A wait that never ends is ended, in the test itself and in its children."""

import os
import queue
import signal
import time

import pytest

from support.engine_runs import start, wait
from support.limits import TestHangs, TimeLimit


def test_a_wait_is_interrupted_and_the_clock_around_goes_on():
    with TimeLimit(60):
        with pytest.raises(TestHangs, match='not done after'), TimeLimit(0.05):
            queue.Queue().get()
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 60  # the limit of every test


def test_a_child_that_hangs_is_killed():
    assert wait(start(time.sleep, 1000), seconds=0.2) == [-signal.SIGKILL]
    assert wait(start(os.getpid)) == [0]
