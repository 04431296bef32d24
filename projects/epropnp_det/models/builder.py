"""Registry of the probabilistic PnP layer; ``epropnp_det.pnp`` itself stays free of mm*.

Configs name the layer and its parts by type, and nested parts are built first::

    pnp=dict(
        type='EProPnP4DoF',
        mc_samples=128,
        solver=dict(type='LMSolver', num_iter=10),
        init_solver=dict(type='RSLMSolver', num_points=16, num_proposals=64, num_iter=3),
        cost=dict(type='AdaptiveHuberCost', relative_delta=0.5))
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from mmcv.utils import Registry, build_from_cfg
from mmdet3d.models.builder import LOSSES
from torch import Tensor

from epropnp_det.pnp import (
    AdaptiveHuberCost,
    EProPnP4DoF,
    EProPnP6DoF,
    LMSolver,
    MonteCarloPoseLoss,
    PerspectiveCamera,
    RSLMSolver,
)

__all__ = ['PNP', 'build_pnp']

CameraFactory = Callable[[Tensor, Tensor], PerspectiveCamera]


def _build_nested(cfg: dict, registry: Registry, default_args: dict | None = None) -> Any:
    """Builds ``cfg`` after every value of it that is itself a config."""
    parts = {
        key: _build_nested(value, registry)
        if isinstance(value, dict) and 'type' in value
        else value
        for key, value in cfg.items()
    }
    return build_from_cfg(parts, registry, default_args)


PNP = Registry('epropnp', build_func=_build_nested)

for _layer in (EProPnP4DoF, EProPnP6DoF, LMSolver, RSLMSolver, AdaptiveHuberCost):
    PNP.register_module(module=_layer)
LOSSES.register_module(module=MonteCarloPoseLoss)


@PNP.register_module(name='PerspectiveCamera')
def camera_factory(
    border: float = 200.0, pixel_center: float = 0.5, z_min: float = 0.1
) -> CameraFactory:
    """Camera settings of a config; the cameras themselves come with the images.

    Args:
        border: How far beyond the original image a projection may lie, in pixels.
        pixel_center: Coordinate of the centre of the first pixel: 0.5 (v2) or 0.0 (v1, v1b).
        z_min: Smallest depth of a projected point, in metres.

    Returns:
        A function of ``cam2img (B, 3, 3)`` and ``img_size (B, 2)`` that makes the camera.
    """
    return partial(
        PerspectiveCamera.from_image_size, border=border, pixel_center=pixel_center, z_min=z_min
    )


def build_pnp(cfg: dict) -> Any:
    """Builds a part of the PnP layer from its config.

    Raises:
        KeyError: If ``cfg['type']`` is not registered in :data:`PNP`.
    """
    return PNP.build(cfg)
