"""Run commands quietly, with their output in a log, and tell what helps when one fails."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from stacks import SetupError

# What the log says -> what helps. The first match wins.
CURES = (
    (
        r'No space left on device',
        'The disk is full: about 7 GB are needed. Free some and run again.',
    ),
    (
        r'Killed signal terminated|internal compiler error: Killed|cannot allocate memory',
        'The compiler ran out of memory: run `MAX_JOBS=1 make setup`.',
    ),
    (
        r'detected CUDA version .* mismatches|nvcc.*(fatal|error)|CUDA_HOME environment variable',
        'nvcc does not fit torch. `FORCE_CUDA=0 make setup` compiles for the CPU; docs/install.md '
        'says how to build for a GPU.',
    ),
    (
        r'Name or service not known|name resolution|NewConnectionError|ConnectTimeout'
        r'|Read timed out|ConnectionResetError|ProxyError',
        'The package index could not be reached: check the network (PIP_INDEX_URL and https_proxy '
        'are honoured) and run again.',
    ),
    (r'CERTIFICATE_VERIFY_FAILED', 'Set PIP_CERT to the certificates of your network, run again.'),
    (
        r'No matching distribution found|ResolutionImpossible',
        'The package index lacks one of the pinned versions named above: use an index that mirrors '
        'all of PyPI (PIP_INDEX_URL).',
    ),
    (
        r'Permission denied',
        'A file belongs to another user: check the owner of .venv and ~/.cache/pip.',
    ),
)


def clock(seconds: float) -> str:
    """Write seconds as `m:ss`."""
    return '{}:{:02d}'.format(*divmod(int(seconds), 60))


def cure_for(log_text: str) -> str:
    """Return what helps against the failure that a log shows."""
    for pattern, cure in CURES:
        if re.search(pattern, log_text, re.IGNORECASE):
            return cure
    return 'Run `make setup` again; if it fails in the same place, the log above says where.'


def child_environ(changes: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a command: no question asked, no other Python's paths."""
    environ = dict(os.environ)
    for key in ('PYTHONHOME', 'PYTHONPATH'):
        environ.pop(key, None)
    environ.update(PIP_NO_INPUT='1', PIP_USER='0', PIP_DISABLE_PIP_VERSION_CHECK='1', **changes)
    return environ


class QuietRunner:
    """Runs commands quietly: output goes to the log, a single line tells the time and the file."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.live = sys.stdout.isatty() and not os.environ.get('CI')
        self.period = 1.0 if self.live else 60.0

    def __call__(self, command: Sequence[str], environ: dict[str, str] | None = None) -> None:
        """Run one command to its end.

        Raises:
            SetupError: It failed; the message holds the end of the log and the cure.
        """
        with self.log.open('ab') as stream:
            stream.write('\n$ {}\n'.format(' '.join(command)).encode())
            stream.flush()
            begin = stream.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=child_environ(environ or {}),
                start_new_session=True,  # so that an interruption ends its compilers too
            )
            try:
                self._watch(process, begin)
            except BaseException:
                end_group(process)
                raise
        if process.returncode:
            text = self._output(begin)
            tail = '\n'.join('  | ' + line for line in text.splitlines()[-25:])
            raise SetupError(f'{tail}\n  (all of it: {self.log})\n{cure_for(text)}')

    def _watch(self, process: subprocess.Popen, begin: int) -> None:
        start = shown = time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
                break
            if time.monotonic() - shown >= self.period:
                shown = time.monotonic()
                state = re.findall(r'^\s*\[(\d+/\d+)\] ', self._output(begin), re.MULTILINE)
                progress = ', file ' + state[-1] if state else ''
                line = f'      {clock(shown - start)}{progress}'
                print('\r' + line if self.live else line, end='' if self.live else '\n', flush=True)
        if self.live:
            print('\r' + ' ' * 40 + '\r', end='', flush=True)

    def _output(self, begin: int) -> str:
        with self.log.open('rb') as stream:
            stream.seek(begin)
            return stream.read().decode(errors='replace')


def end_group(process: subprocess.Popen) -> None:
    """End a command and all it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return
