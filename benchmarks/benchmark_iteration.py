r"""Training iteration and inference of our detector beside mmdet3d's FCOS3D, in one run.

Both have the same backbone, pyramid, images, boxes and batch; heads are as wide and as deep. They
take turns, and the table shows medians and the ratio of the two. Inference gets a score threshold
that lets exactly as many candidates through, whatever the (random) weights. The last rows count
operations, about as many kernels as a GPU would be asked for, and waits of the host for the device.

Example:
    python benchmarks/benchmark_iteration.py                  # small network, 4 x 384 x 160
    python benchmarks/benchmark_iteration.py --network full --repeats 1   # v2, ResNet-101-DCN
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import mmcv
import numpy as np
import torch
from compared_detectors import BUILDERS, NETWORKS, make_batch, recompute_backbone
from kernel_counts import Counts, count
from terminaltables import AsciiTable
from torch import nn

from epropnp_det.engine import select_device
from epropnp_det.models.heads import epropnp_head


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--network', choices=list(NETWORKS), default='small')
    parser.add_argument('--batch', type=int, help='images per iteration')
    parser.add_argument('--objects', type=int, default=8, help='objects per image')
    parser.add_argument('--candidates', type=int, default=64, help='per image of inference')
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--warmup', type=int, default=1, help='rounds that do not count')
    parser.add_argument(
        '--detectors', nargs='+', choices=list(BUILDERS), default=list(BUILDERS), help='all'
    )
    parser.add_argument(
        '--works', nargs='+', choices=list(COUNTED), default=list(COUNTED), help='both'
    )
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', help='cpu, cuda')
    parser.add_argument('--checkpoint', action='store_true', help='recompute the backbone')
    return parser.parse_args()


COUNTED = {'train': 'learn', 'test': 'test'}
"""The work whose operations are counted, for each that is timed."""


# ---- time by part


class Clock:
    """Seconds of processor and wall time by part; parts may lie within others."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.times: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def now(self) -> tuple[float, float]:
        """Processor and wall time; on a GPU after all work is done."""
        if self.device != 'cpu':
            torch.cuda.synchronize()
        return time.process_time(), time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Adds the time of a block to a part."""
        begin = self.now()
        try:
            yield
        finally:
            for index, (first, last) in enumerate(zip(begin, self.now())):
                self.times[name][index] += last - first

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Counts the calls of a method as a part."""
        original = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return original(*args, **kwargs)

        object.__setattr__(owner, method, timed)


def watch_parts(model: nn.Module, clock: Clock) -> None:
    """Splits the forward pass; the PnP layer is part of the object losses."""
    clock.watch(model, 'extract_feat', 'backbone, neck')
    head = model.bbox_head
    if not hasattr(head, 'correspondence'):
        clock.watch(head, 'forward', 'dense head')
        clock.watch(head, 'loss', 'losses, targets')
        clock.watch(head, 'get_bboxes', 'decoding')
        return
    clock.watch(head.detector, 'forward', 'dense head')
    for method in ('get_targets', 'loss'):
        clock.watch(head.detector, method, 'losses, targets')
    for method in ('encode', 'sample', 'predict'):
        clock.watch(head.correspondence, method, 'correspondences')
    for method in ('initialize', 'monte_carlo_forward', 'forward'):
        clock.watch(head.pnp, method, 'PnP')
    clock.watch(head.pnp_test, 'forward', 'PnP')
    for function in ('find_candidates', 'decode_detections'):
        clock.watch(epropnp_head, function, 'decoding')
    if head.auxiliary is not None:
        clock.watch(head.auxiliary, 'forward', 'auxiliary')


def gradients(model: nn.Module, batch: dict, optimizer: Any, clock: Clock) -> None:
    """Forward and backward."""
    with clock.part('forward'):
        loss = model.train_step(batch, optimizer)['loss']
    with clock.part('backward'):
        optimizer.zero_grad()
        loss.backward()


def iteration(model: nn.Module, batch: dict, optimizer: Any, clock: Clock) -> None:
    """Forward, backward and step."""
    with clock.part('iteration'):
        gradients(model, batch, optimizer, clock)
        with clock.part('clipping, step'):
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()


def inference(model: nn.Module, batch: dict, clock: Clock) -> int:
    """One image; returns the number of detections."""
    with torch.no_grad(), clock.part('whole image'):
        metas = [batch['img_metas'][:1]]
        result = model(return_loss=False, rescale=True, img=[batch['img'][:1]], img_metas=metas)
    return len(result[0]['img_bbox']['scores_3d'])


def set_threshold(model: nn.Module, batch: dict, candidates: int) -> None:
    """Lets so many pairs of point and class pass the score threshold."""
    with torch.no_grad():
        feats = model.extract_feat(batch['img'][:1])
        head = model.bbox_head
        if hasattr(head, 'correspondence'):
            output = head.detector(feats[head.first_level :])
            maps = zip(output.cls_logits, output.centerness)
        else:
            outputs = head(feats)
            maps = zip(outputs[0], outputs[4])
        scores = torch.cat([(cls.sigmoid() * c.sigmoid()).flatten() for cls, c in maps])
    head.test_cfg['score_thr'] = float(scores.topk(candidates + 1).values[-1])


# ---- measurement


class Works(NamedTuple):
    """Functions that do one training iteration and one inference, and say what they took.

    ``learn`` is the iteration without the step, which takes other operations on each device.
    """

    train: Callable[[], dict]
    test: Callable[[], dict]
    learn: Callable[[], dict]


def prepare(name: str, args: argparse.Namespace, device: str) -> Works:
    """Builds a network, its batch and its optimiser."""
    network = NETWORKS[args.network]
    torch.manual_seed(0)
    batch = make_batch(network, args.batch or network.batch, args.objects, device)
    model = BUILDERS[name](network).to(device)
    if args.checkpoint:
        recompute_backbone(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    clock = Clock(device)
    watch_parts(model, clock)

    def once(work: Callable[[], Any], prefix: str = '') -> dict:
        clock.times.clear()
        work()
        return {prefix + name: tuple(times) for name, times in clock.times.items()}

    def train(work: Callable = iteration) -> dict:
        model.train()
        return once(lambda: work(model, batch, optimizer, clock))

    def test() -> dict:
        model.eval()
        set_threshold(model, batch, args.candidates)
        return once(lambda: inference(model, batch, clock), 'inference, ')

    return Works(train, test, lambda: train(gradients))


def serve(name: str, args: argparse.Namespace, device: str, connection: Any) -> None:
    """Works on demand; answers with times or counts, and the peak memory so far in MiB."""
    torch.set_num_threads(args.threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    works = prepare(name, args, device)
    while True:
        try:
            work, counting = connection.recv()
        except EOFError:  # nobody asks any more
            return
        function = getattr(works, work)
        found = count(function) if counting else function()
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
        if device != 'cpu':
            peak = torch.cuda.max_memory_allocated() / 2**20
        connection.send((found, peak))


class Worker:
    """A network in a process of its own, so that its memory is its own, too."""

    def __init__(self, name: str, args: argparse.Namespace, device: str) -> None:
        context = multiprocessing.get_context('fork' if device == 'cpu' else 'spawn')
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(name, args, device, other), daemon=True)
        self.process.start()
        other.close()

    def ask(self, work: str, counting: bool = False) -> tuple[Any, float]:
        """Does one piece of work, timed or counted.

        The process ends where nobody listens any more.

        Raises:
            RuntimeError: If the process has ended, for example for want of memory.
        """
        try:
            self.connection.send((work, counting))
            return self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(60)
            code = self.process.exitcode
            raise RuntimeError(f'the measurement ended with code {code} (-9: memory)') from error


PARTS = (
    'backbone, neck',
    'dense head',
    'losses, targets',
    'correspondences',
    'PnP',
    'auxiliary',
    'forward',
    'backward',
    'clipping, step',
    'iteration',
    'inference, backbone, neck',
    'inference, dense head',
    'inference, correspondences',
    'inference, PnP',
    'inference, decoding',
    'inference, whole image',
)


def table(
    samples: dict[str, list[dict]],
    memory: dict[str, float],
    counts: dict[str, dict[str, Counts]],
    by_wall: bool,
) -> str:
    """Medians of each part in ms of processor (wall) time, and a ratio of the one or the other."""
    rows = [['', *samples, 'ratio']]
    for part in PARTS:
        medians = {
            name: np.median([run[part] for run in runs if part in run], axis=0)
            for name, runs in samples.items()
            if any(part in run for run in runs)
        }
        cells = [
            f'{1e3 * medians[name][0]:.0f} ({1e3 * medians[name][1]:.0f})'
            if name in medians
            else '-'
            for name in samples
        ]
        ratio = '-'
        if len(medians) == 2:
            first, second = (medians[name][int(by_wall)] for name in samples)
            ratio = f'{first / max(second, 1e-9):.2f}'
        if medians:
            rows.append([part, *cells, ratio])
    rows.append(['peak memory, MiB', *(f'{m:.0f}' for m in memory.values()), _ratio(memory)])
    for work, found in counts.items():
        cells = [f'{c.kernels} ({c.waits})' for c in found.values()]
        numbers = {name: c.kernels for name, c in found.items()}
        rows.append([f'operations (waits), {work}', *cells, _ratio(numbers)])
    kind = 'wall' if by_wall else 'processor'
    return AsciiTable(rows, f'ms of processor (wall) time, medians; ratio of {kind} times').table


def _ratio(numbers: dict[str, float]) -> str:
    first, *others = numbers.values()
    return f'{first / others[0]:.2f}' if others else '-'


def main() -> None:
    """Measures both by turns and prints the table."""
    args = parse_args()
    device = select_device(args.device)
    workers = {name: Worker(name, args, device) for name in args.detectors}
    samples: dict[str, list[dict]] = {name: [] for name in workers}
    memory: dict[str, float] = {}
    bar = mmcv.ProgressBar((args.warmup + args.repeats) * len(workers))
    for repeat in range(args.warmup + args.repeats):
        for name, worker in workers.items():
            times = {}
            for work in args.works:
                found, memory[name] = worker.ask(work)
                times.update(found)
            if repeat >= args.warmup:
                samples[name].append(times)
            bar.update()
    counts = {
        work: {
            name: worker.ask(COUNTED[work], counting=True)[0] for name, worker in workers.items()
        }
        for work in args.works
    }
    network = NETWORKS[args.network]
    width, height = network.size
    print(
        f'\n{args.network} network, batch {args.batch or network.batch}, {width} x {height}, '
        f'{args.objects} objects per image, {device}, {args.threads} threads, '
        f'{args.repeats} repeats'
    )
    print(table(samples, memory, counts, by_wall=device != 'cpu'))


if __name__ == '__main__':
    main()
