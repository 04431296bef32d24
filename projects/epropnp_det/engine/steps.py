"""Runs a chain of commands that can be interrupted, and remembers which are done."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FREE = ('--workers',)
"""Options, each with a value, that say how fast a command is and never what it writes."""


class Step(NamedTuple):
    """One command of a chain.

    Attributes:
        name: Short name, also the key in the state file.
        title: What it does, for people.
        command: Program and arguments; a step that is done stays done with other :data:`FREE` ones.
        estimate: Seconds that it takes on two cores.
        outputs: Files or folders that it writes; removed before a run of another identity, but only
            if the chain wrote them.
        fingerprint: Of what else decides the result, such as the content of a config.
    """

    name: str
    title: str
    command: tuple[str, ...]
    estimate: float
    outputs: tuple[Path, ...]
    fingerprint: str = ''


class StepFailed(RuntimeError):
    """A command of the chain ended with an error."""


class StepChain:
    """Runs steps in order; a step that is done is skipped unless an earlier one ran again.

    Args:
        state_file: Where it is remembered what was done, with times.
        fresh: Do everything again.
    """

    def __init__(self, state_file: Path, fresh: bool = False) -> None:
        self.state_file = state_file
        self._state = self._read()
        self._fresh = fresh

    def run(self, steps: Sequence[Step]) -> dict[str, float]:
        """Runs what is not done yet.

        Args:
            steps: The chain.

        Returns:
            Seconds that each step took, now or when it ran.

        Raises:
            StepFailed: If a command ends with an error; run again to go on from there.
        """
        begin, dirty = time.time(), self._fresh
        for number, step in enumerate(steps, start=1):
            left = sum(later.estimate for later in steps[number - 1 :])
            head = f'[{number}/{len(steps)}] {step.title}'
            known = self._state.get(step.name, {})
            same = _same(known, step) and not dirty
            if same and known.get('seconds') is not None and _complete(step):
                print(f'{head}: done before in {_clock(known["seconds"])}', flush=True)
                continue
            dirty = True
            if not same:
                self._make_room(step)
            elapsed = _clock(time.time() - begin)
            print(
                f'\n{head}\n    about {_clock(step.estimate)} on 2 cores; so far {elapsed}, '
                f'left about {_clock(left)}\n    $ {shlex.join(step.command)}',
                flush=True,
            )
            self._remember(step, None)
            seconds = self._execute(step)
            self._remember(step, seconds)
            print(f'    took {_clock(seconds)}', flush=True)
        return {step.name: self._state[step.name]['seconds'] for step in steps}

    def _make_room(self, step: Step) -> None:
        for output in step.outputs:
            if output.exists() and step.name not in self._state:
                raise StepFailed(
                    f'{output} is there, but no run that {self.state_file} knows of made it. '
                    'Move it away, or choose another folder.'
                )
            if output.is_dir() and not output.is_symlink():
                shutil.rmtree(output)
            else:
                output.unlink(missing_ok=True)

    def _execute(self, step: Step) -> float:
        start = time.time()
        # mmcv 1.x announces its successor at every import.
        environment = {'PYTHONWARNINGS': 'ignore::UserWarning:mmcv', **os.environ}
        code = subprocess.call(step.command, env=environment)
        if code != 0:
            raise StepFailed(
                f'"{step.title}" ended with code {code}; the command above shows why. '
                'Run the same again to go on from there.'
            )
        if not _complete(step):
            names = ', '.join(str(output) for output in step.outputs)
            raise StepFailed(f'"{step.title}" did not write {names}')
        return time.time() - start

    def _read(self) -> dict[str, dict]:
        try:
            return json.loads(self.state_file.read_text(encoding='utf-8'))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def _remember(self, step: Step, seconds: float | None) -> None:
        identity = {'command': list(step.command), 'fingerprint': step.fingerprint}
        self._state[step.name] = {**identity, 'seconds': seconds}
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        self.state_file.write_text(json.dumps(self._state, indent=1) + '\n')


def _complete(step: Step) -> bool:
    return all(output.exists() for output in step.outputs)


def _same(known: dict, step: Step) -> bool:
    """Whether a step was done as it is now, wherever the repository and its Python lie.

    Else hours of work would be removed because a checkout has moved, or is on a machine with more
    processors.
    """
    done = _identity(known.get('command', ()), known.get('fingerprint', ''))
    return done == _identity(step.command, step.fingerprint)


def _identity(command: Sequence[str], fingerprint: str) -> tuple[list[str], list[str]]:
    """What decides the result; fingerprints may name the commands of other steps."""
    names = [Path(part).name for part in command[:2]]
    return names + _without_free(command[2:]), _without_free(fingerprint.split())


def _without_free(words: Sequence[str]) -> list[str]:
    before = ['', *words]
    return [word for last, word in zip(before, words) if word not in FREE and last not in FREE]


def python(script: Path, *arguments: object) -> tuple[str, ...]:
    """A command that runs a script with this interpreter."""
    return (sys.executable, str(script), *map(str, arguments))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest:02d} s' if minutes else f'{rest} s'
