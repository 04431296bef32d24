"""A network that learns, and its average over the steps."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
from collections.abc import Iterator

import torch
from mmcv import Config
from mmdet.models import build_detector
from torch import Tensor, nn

from epropnp_6dof.models.correspondence import draw_cells
from epropnp_6dof.models.layer import Z_MIN, training_bounds
from epropnp_6dof.models.structures import Crops, Targets
from epropnp_det.engine.config import plain_config
from epropnp_det.pnp import PerspectiveCamera

from .jobs import Job

AVERAGED_STEPS = 500
"""Steps that the average reaches back, about."""
CLIP = 5.0
WEIGHT_DECAY = 0.02


class Learner:
    """A network, its average, its optimiser.

    Args:
        name: Of the network.
        cfg: Its config.
        job: Learning rate and schedule of the losses.
        device: Where it learns.
    """

    def __init__(self, name: str, cfg: Config, job: Job, device: str) -> None:
        self.name, self.cfg, self.job = name, cfg, job
        torch.manual_seed(0)
        self.network = build_detector(cfg.model)
        with _quiet():
            self.network.init_weights()
        self.network.to(device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        parameters = list(self.network.parameters())
        groups = [
            {'params': [p for p in parameters if p.ndim > 1], 'weight_decay': WEIGHT_DECAY},
            {'params': [p for p in parameters if p.ndim <= 1], 'weight_decay': 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, job.lr, fused=device != 'cpu')
        self.steps = self.skipped = 0
        self.log: dict[str, float] = {}

    def losses(self, images: Tensor, crops: Crops, targets: Targets) -> dict[str, Tensor]:
        """As `ObjectPoseEstimator.forward_train`, but cells are drawn on the device."""
        network = self.network
        maps = network.maps(images)
        count, cells = network.train_cfg['num_points'], maps.logits[0, 0].numel()
        indices = draw_cells(len(images), cells, count, images.device)
        points = network.correspondences(maps, crops, indices)
        camera = PerspectiveCamera(crops.cam2img, Z_MIN, *training_bounds(crops))
        return network.losses(network.pnp, camera, points, maps, targets)

    def step(self, batch: tuple[Tensor, Crops, Targets], progress: float) -> None:
        """One step, skipped where a number is not finite.

        Args:
            batch: Of `make_batch`.
            progress: Share of the training that is over, in 0..1.
        """
        losses = self.losses(*batch)
        factors = loss_factors(progress, self.job.fade)
        self.optimizer.zero_grad()
        sum(factors[n] * value for n, value in losses.items() if n in factors).backward()
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), CLIP))
        if math.isfinite(norm):
            for group in self.optimizer.param_groups:
                group['lr'] = self.job.lr * rate_at(progress)
            self.optimizer.step()
            self.steps += 1
            self._follow()
        else:
            self.skipped += 1
        self.log = {**{n: value.detach() for n, value in losses.items()}, 'norm': norm}

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average."""
        kept = min(1 - 1 / AVERAGED_STEPS, (1 + self.steps) / (10 + self.steps))
        new, old = self.network.state_dict(), self.average.state_dict()
        floats = [name for name, value in old.items() if value.is_floating_point()]
        torch._foreach_lerp_([old[n] for n in floats], [new[n] for n in floats], 1 - kept)

    def checkpoint(self) -> dict:
        """The average in half precision, as `init_estimator` reads it."""
        state = {
            name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
            for name, value in self.average.state_dict().items()
        }
        classes = tuple(f'obj_{i:06d}' for i in self.cfg.obj_ids)
        meta = {'config_dict': plain_config(self.cfg), 'CLASSES': classes, 'iter': self.steps}
        return {'meta': meta, 'state_dict': state}


def loss_factors(progress: float, fade: bool) -> dict[str, float]:
    """Coordinates lead: pose losses grow over the first tenth; coordinates may fade out."""
    pose = 0.2 + 0.8 * min(progress / 0.1, 1)
    coordinate = max(1 - progress / 0.4, 0.0) if fade else 1.0
    names = ('loss_pose', 'loss_translation', 'loss_rotation')
    return {'loss_coordinate': coordinate, **dict.fromkeys(names, pose)}


def rate_at(progress: float) -> float:
    """Learning rate in 0..1: a short rise, then half a cosine."""
    rise = min(progress / 0.03, 1)
    return max(rise * 0.5 * (1 + math.cos(math.pi * min(progress, 1))), 1e-3)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Mmcv reports every parameter that it initialises."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)
