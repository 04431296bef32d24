"""What detectors cost beside each other: processor time of an iteration and of an image."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate, scatter
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

from epropnp_det.engine import load_weights


def costs(trained: Mapping[str, tuple[Config, Path]], repeats: int) -> str:
    """Processor time of an iteration and of an image, in turns, and parameters, as a table.

    Args:
        trained: Config and weights of each detector.
        repeats: Iterations that count, of which the medians are shown.
    """
    works = {name: _work(cfg, weights) for name, (cfg, weights) in trained.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(repeats + 1):
        for name, (_, train, test) in works.items():
            times[name].append((_seconds(train), _seconds(test)))
    lines = ['| detector | iteration, ms | image, ms | parameters |', '|---|---|---|---|']
    for name, (parameters, _, _) in works.items():
        iteration, image = np.median(times[name][1:], axis=0) * 1e3  # the first one warms up
        lines.append(f'| {name} | {iteration:.0f} | {image:.0f} | {parameters / 1e6:.2f} M |')
    return '\n'.join(lines) + '\n'


def _seconds(work: Callable[[], None]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _work(cfg: Config, weights: Path) -> tuple[int, Callable[[], None], Callable[[], None]]:
    """Number of parameters, one training iteration, and one inference."""
    model = build_model(cfg.model)
    load_weights(model, weights)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    dataset, tested = build_dataset(cfg.data.train), build_dataset(cfg.data.test)
    size = cfg.data.samples_per_gpu
    batch = scatter(collate([dataset[i] for i in range(size)], size), [-1])[0]
    images = cycle([scatter(collate([tested[i]], 1), [-1])[0] for i in range(size)])

    def train() -> None:
        model.train()
        loss = model.train_step(copy.deepcopy(batch), optimizer)['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def test() -> None:
        model.eval()
        model(return_loss=False, rescale=True, **next(images))

    return sum(p.numel() for p in model.parameters()), train, test
