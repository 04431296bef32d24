"""Commands say nothing before they have something to say."""

import subprocess
import sys
import warnings

from epropnp_det.inputs import InputWarning
from epropnp_det.quiet import plain_warnings
from support.limits import CHILD_SECONDS


def test_a_command_starts_in_silence(repository):
    """Neither mmcv's announcement of its successor nor torch's remark on a missing GPU."""
    command = [sys.executable, str(repository / 'tools' / 'test.py'), '--help']
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=repository, timeout=CHILD_SECONDS
    )
    assert done.returncode == 0 and done.stdout.startswith('usage')
    assert done.stderr == ''


def test_warnings_are_one_line(monkeypatch):
    monkeypatch.setattr(warnings, 'formatwarning', warnings.formatwarning)
    plain_warnings()
    text = warnings.formatwarning(InputWarning('a K.csv'), InputWarning, 'file.py', 3)
    assert text == 'warning: a K.csv\n'
