"""What is trained: networks, losses, batches."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mmcv import Config

BASE = Path(__file__).parents[2] / 'configs/epropnp_6dof/epropnp_6dof_r18_linemod_cat_cpu.py'


class Net(NamedTuple):
    """Widths of a network, points and samples of its training."""

    base: int = 32
    channels: tuple[int, ...] = (128, 96, 64)
    num_convs: int = 1
    points: int = 128
    samples: int = 128


class Job(NamedTuple):
    """Networks that learn from the same batches, step by step together.

    Attributes:
        nets: By name, each with its changes of the loss weights.
        real: Real crops per batch; zero for made-up objects.
        views: Drawn crops per batch.
        pool: Drawn views kept.
        renew: Views drawn anew per step.
        lr: Peak learning rate.
        fade: Whether the loss of coordinates fades out over the first two fifths.
        marks: Shares of the time at which it is tested.
    """

    nets: dict[str, tuple[Net, dict]]
    real: int
    views: int
    pool: int = 6144
    renew: int = 8
    lr: float = 1.5e-3
    fade: bool = False
    marks: tuple[float, ...] = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


MAIN = Net(48, (160, 128, 96), 1, 256, 256)
SMALL = Net()
TINY = Net(16, (64, 48, 32))

JOBS = {
    'main': Job({'main': (MAIN, {})}, 72, 120, pool=12288, renew=16, lr=2e-3),
    'ablation': Job(
        {
            'full': (SMALL, {}),
            'no_model': (SMALL, {'coordinate': 0.0}),
            'no_monte_carlo': (SMALL, {'monte_carlo': 0.0}),
            'no_derivative': (SMALL, {'translation': 0.0, 'rotation': 0.0}),
        },
        36,
        60,
        renew=24,
        marks=(0.35, 0.7),
    ),
    'can': Job({'can': (TINY, {})}, 0, 64, pool=4096, fade=True),
    'brick': Job({'brick': (TINY, {})}, 0, 64, pool=4096, fade=True),
}


def network_config(net: Net, losses: dict, objects: dict | None = None) -> Config:
    """The config of the shipped network with other widths and losses."""
    cfg = Config.fromfile(BASE)
    b = net.base
    cfg.merge_from_dict(
        {
            'model.backbone.base_channels': b,
            'model.backbone.stem_channels': b,
            'model.head.in_channels': 8 * b,
            'model.head.channels': net.channels,
            'model.head.num_convs': net.num_convs,
            'model.head.lateral_channels': (4 * b, 2 * b, b),
            'model.pnp.mc_samples': net.samples,
            'model.train_cfg.num_points': net.points,
            'model.test_cfg.num_train_points': net.points,
            'num_points': net.points,
            **{f'model.losses.{name}': value for name, value in losses.items()},
        }
    )
    if objects:
        cfg.objects = objects
        cfg.obj_ids = list(objects)
        for part in (cfg.data.train[0], cfg.data.train[1], cfg.data.val, cfg.data.test):
            part.obj_ids = list(objects)
    return cfg
