"""The course of a training: for a given time, with a log, tests and checkpoints on the way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch

from .learner import Learner
from .material import Material

LOG_SECONDS, SAVE_SECONDS = 4.0, 25.0
SHOWN = ('ADD 0.02d', 'ADD 0.05d', 'ADD 0.1d', 'rotation median (deg)', 'translation median (mm)')


class Course:
    """Networks that learn from the same batches, step by step together.

    Args:
        name: Of the job.
        material: What batches are made of.
        learners: The networks.
        out: Folder of log, curve and checkpoints.
    """

    def __init__(self, name: str, material: Material, learners: list[Learner], out: Path) -> None:
        self.name, self.material, self.learners, self.out = name, material, learners, out
        self.curve: list[dict] = []
        self.begin = time.time()
        self.logged = self.saved = self.begin
        self.steps = 0

    def run(self, seconds: float) -> None:
        """Trains until the time is over; the learning rate follows the clock."""
        marks = list(self.material.job.marks)
        while (progress := (time.time() - self.begin) / seconds) < 1:
            self.material.views.renew(self.material.job.renew)
            batch = self.material.batch()
            for learner in self.learners:
                learner.step(batch, progress)
            self.steps += 1
            if time.time() - self.logged > LOG_SECONDS:
                self.log(progress)
            if marks and progress > marks[0]:
                marks.pop(0)
                self.test(progress)
            if time.time() - self.saved > SAVE_SECONDS:
                self.save()
        self.save()
        self.test(1.0, last=True)

    def log(self, progress: float) -> None:
        """Losses of the last step."""
        self.logged = time.time()
        rate = self.steps / (self.logged - self.begin)
        for learner in self.learners:
            losses = {name: round(float(value), 4) for name, value in learner.log.items()}
            counts = {'net': learner.name, 'step': learner.steps, 'skipped': learner.skipped}
            self.say(**counts, progress=round(progress, 4), rate=round(rate, 2), **losses)

    def test(self, progress: float, last: bool = False) -> None:
        """Accuracies of the averages and, at the end, of the networks themselves."""
        if self.material.test is None:
            return
        for learner in self.learners:
            kinds = {'average': learner.average, **({'last': learner.network} if last else {})}
            for kind, network in kinds.items():
                found = self.material.test.accuracy(network)
                entry = {'net': learner.name, 'kind': kind, 'step': learner.steps}
                self.curve.append({**entry, 'progress': progress, **found})
                self.say(test=entry, **{name: round(found[name], 2) for name in SHOWN})
        (self.out / f'{self.name}_curve.json').write_text(json.dumps(self.curve, indent=1) + '\n')

    def save(self) -> None:
        """Writes the checkpoints of all networks, each whole or not at all."""
        self.saved = time.time()
        for learner in self.learners:
            temporary = self.out / f'{learner.name}.part'
            torch.save(learner.checkpoint(), temporary)
            os.replace(temporary, self.out / f'{learner.name}.pth')

    def say(self, **values: object) -> None:
        """Prints a line, and adds it to the log."""
        line = json.dumps(values)
        print(self.name, line, flush=True)
        with open(self.out / f'{self.name}.log', 'a', encoding='utf-8') as file:
            file.write(line + '\n')
