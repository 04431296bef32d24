"""Times and peak memory on a CPU beside the stand-in's, and counts of kernels."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable, NamedTuple

import kernel_counts
import torch

from epropnp_det.pnp.backend import SWITCH

from .works import (
    SIZES,
    infer_ours,
    infer_plain,
    sampling_ours,
    sampling_plain,
    synthetic_objects,
    train_ours,
    train_plain,
)

OFFICIAL = {
    (SIZES[0], 'training step'): 1479 / 1572,
    (SIZES[0], 'inference'): 387 / 492,
    (SIZES[1], 'training step'): 4907 / 5632,
    (SIZES[1], 'inference'): 287 / 373,
}
"""Processor time of the official v2 layer by that of the stand-in, measured once, one thread."""
PEAK = 3e10
"""Operations per second that one core could do at most: 8 lanes, about 4 GHz."""


class Pair(NamedTuple):
    """Medians of one implementation and the other, and of their ratio."""

    plain: float
    ours: float
    ratio: float


def side_by_side(
    plain: Callable[[], None], ours: Callable[[], None], repeats: int
) -> tuple[Pair, Pair]:
    """Processor seconds and wall seconds of both.

    The two take turns, so that whatever slows the machine down for a while slows down both. One
    warm-up each; every run draws the same numbers in every process.
    """
    times = []
    for seed in range(repeats + 1):
        torch.manual_seed(seed)
        times.append((seconds(plain), seconds(ours)))
    first, second = torch.tensor(times[1:], dtype=torch.float64).unbind(1)  # (repeats, 2)
    ratio = first / second
    processor, wall = (
        Pair(*(values[:, kind].median().item() for values in (first, second, ratio)))
        for kind in (0, 1)
    )
    return processor, wall


def seconds(function: Callable[[], None]) -> tuple[float, float]:
    """Processor and wall time of one call."""
    busy, start = time.process_time(), time.perf_counter()
    function()
    return time.process_time() - busy, time.perf_counter() - start


def _memory_worker(name: str, size: tuple[int, int, int], queue: object) -> None:
    """Runs in a fresh process: peak minus what was there before, in bytes."""
    function = {'ours': sampling_ours, 'plain': sampling_plain}[name]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    function(synthetic_objects(2, 16, 'cpu'), 8)  # load libraries
    objects = synthetic_objects(size[0], size[1], 'cpu')
    Path('/proc/self/clear_refs').write_text('5')  # resets the high-water mark
    before = _status('VmRSS')
    function(objects, size[2])
    queue.put(_status('VmHWM') - before)  # type: ignore[attr-defined]


def _status(field: str) -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f'/proc/self/status has no {field}')


def peak_memory(name: str, size: tuple[int, int, int]) -> float:
    """Peak memory of the Monte Carlo term in MB, NaN where it cannot be measured."""
    if not Path('/proc/self/clear_refs').exists():
        return float('nan')
    context = torch.multiprocessing.get_context('spawn')
    queue = context.SimpleQueue()
    process = context.Process(target=_memory_worker, args=(name, size, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f'the memory measurement of {name} ended with code {process.exitcode}')
    return queue.get() / 2**20


def speed_table(repeats: int) -> None:
    """Prints times and memory of both implementations."""
    print(f'\n{"processor time":34}{"plain":>10}{"ours":>10}{"ratio":>8}{"official":>10}', end='')
    print(f'{"official / ours":>17}{"ratio, wall":>13}{"x limit":>9}')
    for size in SIZES:
        num, points, samples = size
        objects = synthetic_objects(num, points, 'cpu')
        print(f'{num} objects x {points} points x {samples} samples')
        rows: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
            (
                'training step',
                lambda o=objects, s=samples: train_plain(o, s),
                lambda o=objects, s=samples: train_ours(o, s),
            ),
            (
                'inference',
                lambda o=objects: infer_plain(o),
                lambda o=objects: infer_ours(o),
            ),
        ]
        for label, plain, ours in rows:
            busy, wall = side_by_side(plain, ours, repeats)
            factor = OFFICIAL[size, label]
            limit = operations(size, label) / PEAK
            print(f'  {label:32}{busy.plain * 1e3:7.0f} ms{busy.ours * 1e3:7.0f} ms', end='')
            print(f'{busy.ratio:7.1f}x{busy.plain * factor * 1e3:7.0f} ms', end='')
            print(f'{busy.ratio * factor:16.1f}x{wall.ratio:12.1f}x{busy.ours / limit:9.1f}')
        one, other = (peak_memory(name, size) for name in ('plain', 'ours'))
        print(
            f'  {"peak memory, Monte Carlo term":32}{one:7.0f} MB{other:7.0f} MB{one / other:7.1f}x'
        )


def operations(size: tuple[int, int, int], label: str) -> float:
    """Floating-point operations that the work needs, counted from its loops.

    About 30 for the cost of a point under a pose, 60 for its gradient and 80 for its share of the
    normal equations.
    """
    num, points, samples = size
    search = 64 * (16 * 3 * 80 + points * 30)
    if label == 'inference':
        return num * (search + 6 * points * 80)
    return num * (search + 11 * points * 80 + samples * points * (30 + 60))


def count_table() -> None:
    """Prints kernels and waits per call of the path that a GPU takes, and of the stand-in."""
    os.environ[SWITCH] = 'reference'
    objects = synthetic_objects(6, 24, 'cpu')
    print(f'\n{"per call":34}{"kernels":>10}{"waits":>8}   (of the path that a GPU takes)')
    rows = {
        'ours, training step': lambda: train_ours(objects, 16),
        'ours, inference': lambda: infer_ours(objects),
        'stand-in, training step': lambda: train_plain(objects, 16),
        'stand-in, inference': lambda: infer_plain(objects),
    }
    for label, function in rows.items():
        found = kernel_counts.count(function)
        print(f'{label:34}{found.kernels:10}{found.waits:8}')
