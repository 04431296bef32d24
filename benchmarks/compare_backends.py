r"""Train a network with each backend of the layer on a CPU: do the losses follow the same curve?

All runs start with the same weights and see the same batches. Runs of seed 0 draw the same random
numbers on every backend, so what parts their curves is rounding, which training amplifies; the
first backend also runs with other seeds, which parts its curves by sampling. Prints the mean losses
and how far apart the curves are, and draws them where a file is named.

Example (needs the data of `make demo-train`; minutes on one core):
    python benchmarks/compare_backends.py configs/epropnp_det/epropnp_det_r18_synthetic_cpu.py \
        --steps 60 --picture work_dirs/backends.png
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate
from mmcv.runner import build_optimizer
from mmcv.utils import get_logger
from mmdet.apis import set_random_seed
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model
from torch import nn

from epropnp_det.apis import load_config, with_data_root
from epropnp_det.engine import to_device
from epropnp_det.pnp.backend import SUITED, SWITCH, Backend, load

WINDOW = 10
"""Steps over which curves are smoothed: a batch is hard or easy for everybody."""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('--data-root', help='instead of the data_root of the config')
    parser.add_argument('--backends', nargs='+', default=['numba', 'planar', 'reference'])
    parser.add_argument('--seeds', type=int, default=2, help='of the first backend')
    parser.add_argument('--steps', type=int, default=60)
    parser.add_argument('--images', type=int, default=2, help='per step')
    parser.add_argument('--picture', help='file to draw the curves to')
    args = parser.parse_args()
    if args.steps < 2 * WINDOW or args.seeds < 2:
        parser.error(f'needs {2 * WINDOW} steps and two seeds at least')
    for name in args.backends:
        if name not in SUITED['cpu'] or not isinstance(load(name), Backend):
            parser.error(f'backend {name} does not load here; leave it out')
    return args


def draw_batches(cfg: Config, steps: int, images: int) -> list[dict]:
    """Batches of images in random order, the same for every run."""
    set_random_seed(0)
    dataset = build_dataset(cfg.data.train)
    order = np.random.default_rng(0)
    batches = []
    for _ in range(steps):
        items = [dataset[index] for index in order.choice(len(dataset), images, replace=False)]
        batches.append(to_device(collate(items, samples_per_gpu=images), torch.device('cpu')))
    return batches


def train(cfg: Config, batches: list[dict], backend: str, seed: int) -> np.ndarray:
    """Total loss of every step, (steps,)."""
    os.environ[SWITCH] = backend
    set_random_seed(0)
    model = build_model(cfg.model)
    model.init_weights()
    model.train()
    optimizer = build_optimizer(model, cfg.optimizer)
    rates = [group['lr'] for group in optimizer.param_groups]
    losses, start = [], time.process_time()
    for step, batch in enumerate(batches):
        torch.manual_seed(1000 * seed + step)
        for group, rate in zip(optimizer.param_groups, rates):
            group['lr'] = rate * min(1.0, (step + 1) / WINDOW)
        found = model(return_loss=True, **batch)
        loss = sum(value for name, value in found.items() if 'loss' in name)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), **cfg.optimizer_config.grad_clip)
        optimizer.step()
        losses.append(float(loss))
    elapsed = time.process_time() - start
    print(f'{backend}, seed {seed}: {elapsed:.0f} s of processor time', flush=True)
    return np.array(losses)


def smooth(losses: np.ndarray) -> np.ndarray:
    """Means over `WINDOW` steps."""
    return np.convolve(losses, np.full(WINDOW, 1 / WINDOW), mode='valid')


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square of the difference of two smoothed curves, by their mean."""
    one, other = smooth(one), smooth(other)
    return float(np.sqrt(np.mean((one - other) ** 2)) / np.mean((one + other) / 2))


def draw(curves: dict[str, np.ndarray], path: str) -> None:
    """All curves in one picture."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.5), constrained_layout=True)
    for name, losses in curves.items():
        steps = np.arange(len(losses) - WINDOW + 1) + WINDOW
        axes.plot(steps, smooth(losses), '--' if 'seed 0' not in name else '-', label=name)
    axes.set(xlabel='step', ylabel=f'loss, mean of {WINDOW} steps')
    axes.legend(frameon=False)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Trains, prints and draws."""
    args = parse_args()
    torch.set_num_threads(1)
    get_logger('mmcv', log_level=logging.WARNING)  # or it lists every parameter
    try:
        cfg = load_config(args.config)
        cfg = cfg if args.data_root is None else with_data_root(cfg, args.data_root)
        batches = draw_batches(cfg, args.steps, args.images)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    runs = [(args.backends[0], seed) for seed in range(args.seeds)]
    runs += [(backend, 0) for backend in args.backends[1:]]
    curves = {f'{name}, seed {seed}': train(cfg, batches, name, seed) for name, seed in runs}
    first, last = next(iter(curves.values())), args.steps // 2
    print(f'{"":22}{"first step":>12}{"second half":>12}{"apart from the first":>22}')
    for name, losses in curves.items():
        apart = f'{100 * distance(first, losses):.2f} %'
        print(f'{name:22}{losses[0]:12.5f}{losses[last:].mean():12.4f}{apart:>22}')
    if args.picture is not None:
        draw(curves, args.picture)


if __name__ == '__main__':
    main()
