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

import copy
from collections.abc import Mapping
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

__all__ = ['PNP', 'build_pnp', 'merged']

CameraFactory = Callable[[Tensor, Tensor], PerspectiveCamera]


def _build_nested(
    cfg: dict, registry: Registry, default_args: dict | None = None, option: str = 'cfg'
) -> Any:
    """Builds ``cfg`` after every value of it that is itself a config."""
    if 'type' not in cfg:
        raise ValueError(
            f'{option} has no type, only {", ".join(map(str, cfg)) or "nothing"}: it is one of '
            f'{", ".join(sorted(registry.module_dict))}'
        )
    parts = {
        key: _build_nested(value, registry, option=f'{option}.{key}')
        if isinstance(value, dict)
        else value
        for key, value in cfg.items()
    }
    try:
        return build_from_cfg(parts, registry, default_args)
    except TypeError as error:  # of an argument that the class does not have
        raise ValueError(f'{option}: {error}') from error


def merged(base: Mapping, changes: Mapping) -> dict:
    """A config with changes: parts keep what the changes do not name.

    As in mmcv's inheritance, ``_delete_=True`` in a part of the changes replaces the whole part; so
    does another ``type``.

    Args:
        base: The config, which stays as it is.
        changes: Values by name, nested as in ``base``.
    """
    result = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(value, Mapping):
            value = dict(value)
            replaces = value.pop('_delete_', False) or not isinstance(old, Mapping)
            if replaces or value.get('type', old.get('type')) != old.get('type'):
                result[key] = copy.deepcopy(value)
            else:
                result[key] = merged(old, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


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


def build_pnp(cfg: dict, option: str = 'pnp') -> Any:
    """Builds a part of the PnP layer from its config.

    Args:
        cfg: The config.
        option: Its name, for messages.

    Raises:
        KeyError: If ``cfg['type']`` is not registered in :data:`PNP`.
        ValueError: If a part has no type, or arguments that its class does not have; the message
            names the option.
    """
    return PNP.build(cfg, option=option)
