"""Throws degenerate objects at the layer and checks what it promises about them.

Example:
    python benchmarks/fuzz_pnp.py [--objects 100000] [--seed 0] [--backend triton]

Batches mix healthy with degenerate objects, over 4DoF and 6DoF, float32 and float64, few and many
points, both solver modes; some batches are empty. Each goes through a training step
(`monte_carlo_forward`, loss, backward) and through `forward` with a backward pass. It is checked
that nothing raises; that results and gradients are finite, and zero gradients and zero loss where
``valid`` is false; that objects nobody could solve are flagged, and healthy ones are not; and that
the healthy ones come out bit for bit as they do in a batch of healthy objects only. Ends with a
table, and with status 1 if a promise broke. Triton's kernels run in its interpreter.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

from pnp_study.degenerate import KINDS, Objects

from epropnp_det.pnp import (
    EProPnP4DoF,
    EProPnP6DoF,
    LMSolver,
    MonteCarloPoseLoss,
    PerspectiveCamera,
    RSLMSolver,
)
from epropnp_det.pnp.backend import SUITED, SWITCH, choose
from epropnp_det.pnp.layer import EProPnP


class Setting(NamedTuple):
    """What a batch runs."""

    dof: int
    dtype: torch.dtype
    points: int
    fast_mode: bool
    normalize: bool
    bounded: bool


SETTINGS = [
    Setting(dof, dtype, points, fast, normalize, bounded)
    for (dof, dtype, points), (fast, normalize, bounded) in zip(
        itertools.product((4, 6), (torch.float32, torch.float64), (3, 16, 40)),
        itertools.cycle(itertools.product((False, True), repeat=3)),
    )
]


def healthy_objects(num: int, setting: Setting, generator: torch.Generator) -> Objects:
    """Well posed objects."""

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    x3d = (rand(num, setting.points, 3) - 0.5) * torch.tensor([4.5, 1.7, 1.9])
    position = torch.stack((rand(num) * 6 - 3, 1 + rand(num), 8 + 20 * rand(num)), -1)
    yaw = rand(num, 1) * 6 - 3
    zero = torch.zeros_like(yaw)
    quaternion = torch.cat(((yaw / 2).cos(), zero, (yaw / 2).sin(), zero), 1)
    pose = torch.cat((position, yaw if setting.dof == 4 else quaternion), 1)
    cam2img = torch.tensor([[1260.0, 0, 800], [0, 1250, 450], [0, 0, 1]], dtype=torch.float64)
    cam2img = cam2img.repeat(num, 1, 1)
    x2d = PerspectiveCamera(cam2img).project(x3d, pose)
    x2d = x2d + torch.randn(x2d.shape, generator=generator, dtype=torch.float64)
    w2d = 0.1 + rand(num, setting.points, 2) / 4
    return Objects(*(tensor.to(setting.dtype) for tensor in (x3d, x2d, w2d, cam2img, pose)))


class Outcome(NamedTuple):
    """Everything that a call returned, by object first, and gradients."""

    call: str
    results: dict[str, Tensor]
    losses: Tensor
    gradients: list[Tensor]


def make_layer(setting: Setting) -> EProPnP:
    """A layer that is quick to run."""
    layer = EProPnP4DoF if setting.dof == 4 else EProPnP6DoF
    return layer(
        mc_samples=16,
        normalize=setting.normalize,
        solver=LMSolver(num_iter=4),
        init_solver=RSLMSolver(num_proposals=8),
    )


def make_camera(objects: Objects, setting: Setting) -> PerspectiveCamera:
    """With or without image bounds."""
    if setting.bounded:
        return PerspectiveCamera.from_image_size(objects.cam2img, torch.tensor([1600.0, 900.0]))
    return PerspectiveCamera(objects.cam2img)


def run_step(objects: Objects, setting: Setting, seed: int) -> Outcome:
    """One training step."""
    inputs = [tensor.clone().requires_grad_() for tensor in objects[:3]]
    result = make_layer(setting).monte_carlo_forward(
        *inputs,
        make_camera(objects, setting),
        pose_init=objects.pose,
        with_pose_plus=True,
        fast_mode=setting.fast_mode,
        generator=torch.Generator().manual_seed(seed),
    )
    fields = result._asdict()
    for name in ('samples', 'log_weights'):
        fields[name] = fields[name].movedim(0, 1)
    assert result.cost_target is not None and result.pose_plus is not None
    losses = (result.cost_target + result.log_weights.logsumexp(0)).detach()
    loss = MonteCarloPoseLoss().eval()(result.log_weights, result.cost_target, 1.0)
    (loss + 0.1 * result.pose_plus.sum()).backward()
    return outcome('monte_carlo_forward', fields, losses, inputs)


def run_forward(objects: Objects, setting: Setting, seed: int) -> Outcome:
    """Plain pose estimation, and a loss on the derivative step."""
    inputs = [tensor.clone().requires_grad_() for tensor in objects[:3]]
    result = make_layer(setting)(
        *inputs,
        make_camera(objects, setting),
        pose_init=objects.pose,
        with_pose_plus=True,
        fast_mode=setting.fast_mode,
        generator=torch.Generator().manual_seed(seed),
        force_init_solve=True,
    )
    assert result.pose_plus is not None
    result.pose_plus.sum().backward()
    return outcome('forward', result._asdict(), result.cost.detach(), inputs)


def outcome(call: str, fields: dict[str, Tensor], losses: Tensor, inputs: list[Tensor]) -> Outcome:
    """Collects what a call left behind."""
    gradients = [tensor.grad for tensor in inputs if tensor.grad is not None]
    assert len(gradients) == len(inputs), 'an input got no gradient'
    return Outcome(call, {k: v.detach() for k, v in fields.items()}, losses, gradients)


def _per_object(tensor: Tensor) -> Tensor:
    return tensor.flatten(1).all(1) if tensor.dim() > 1 else tensor


def check_batch(setting: Setting, num: int, seed: int) -> tuple[Counter, list[str]]:
    """Runs one batch; returns the kinds that were in it and the promises that broke."""
    generator = torch.Generator().manual_seed(seed)
    clean = healthy_objects(num, setting, generator)
    spoiled = Objects(*(tensor.clone() for tensor in clean))
    names = list(KINDS)
    picks = torch.randint(len(names), (num,), generator=generator).tolist()
    sick = torch.rand(num, generator=generator) < 0.8
    for index in range(num):
        if sick[index]:
            one = Objects(*(tensor[index] for tensor in spoiled))
            KINDS[names[picks[index]]].spoil(one, generator)
    must = torch.tensor([KINDS[names[pick]].must_be_invalid is True for pick in picks]).bool()
    reasons: list[str] = []
    kinds = Counter(names[pick] for index, pick in enumerate(picks) if sick[index])
    for call in (run_step, run_forward):
        found, expected = (call(objects, setting, seed) for objects in (spoiled, clean))
        for bad, reason in broken_promises(found, expected, sick, must):
            for index in bad.nonzero()[:, 0].tolist():
                kind = names[picks[index]] if sick[index] else 'healthy'
                where = f'{found.call}, {setting}, seed {seed}, object {index}'
                reasons.append(f'{kind}: {reason} ({where})')
        if call is run_step:
            kinds['(flagged invalid)'] = int((sick & ~found.results['valid']).sum())
    return kinds, reasons


def broken_promises(
    found: Outcome, expected: Outcome, sick: Tensor, must_be_invalid: Tensor
) -> Iterator[tuple[Tensor, str]]:
    """Yields which objects (B,) break a promise, and what it is.

    Args:
        found: Of the batch with degenerate objects.
        expected: Of the same batch before some were spoiled.
        sick: Objects that were spoiled, (B,).
        must_be_invalid: Objects that must be flagged where they are sick, (B,).
    """
    valid = found.results['valid']
    for name, value in found.results.items():
        yield ~_per_object(torch.isfinite(value)), f'{name} is not finite'
        same = _per_object(value == expected.results[name])
        yield ~sick & ~same, f'{name} of a healthy neighbour changed'
    for name, value, other in zip(('x3d', 'x2d', 'w2d'), found.gradients, expected.gradients):
        yield ~_per_object(torch.isfinite(value)), f'gradient of {name} is not finite'
        yield ~valid & ~_per_object(value == 0), f'gradient of {name} of an invalid object'
        yield ~sick & ~_per_object(value == other), f'gradient of {name} of a neighbour changed'
    yield ~valid & (found.losses.abs() > 1e-5), 'an invalid object has a loss'
    yield ~sick & ~valid, 'a healthy object is called invalid'
    yield sick & must_be_invalid & valid, 'is called valid'


def run(num_objects: int, seed: int = 0, batch: int = 512, progress: bool = False) -> tuple:
    """Runs batches until ``num_objects`` degenerate objects were seen."""
    total: Counter = Counter()
    broken: list[str] = []
    seen, start = 0, time.time()
    for setting in SETTINGS:
        broken.extend(check_batch(setting, 0, seed)[1])
    for index in itertools.count():
        if seen >= num_objects:
            break
        kinds, reasons = check_batch(SETTINGS[index % len(SETTINGS)], batch, seed + index)
        total.update(kinds)
        broken.extend(reasons)
        seen = sum(total.values()) - total['(flagged invalid)']
        if progress:
            share = min(1.0, seen / num_objects)
            left = (time.time() - start) / share * (1 - share)
            print(f'\r{seen} objects, {len(broken)} broken promises, {left:.0f} s left ', end='')
    return total, broken


def main() -> None:
    """Parses the command line, prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--objects', type=int, default=100_000, help='degenerate objects')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--backend', choices=SUITED['cpu'], help='default: as the layer chooses')
    args = parser.parse_args()
    if args.backend == 'triton':
        if os.environ.get('TRITON_INTERPRET') != '1':  # torch has imported triton, so once more
            os.environ['TRITON_INTERPRET'] = '1'
            os.execv(sys.executable, [sys.executable, *sys.argv])
        warnings.filterwarnings('ignore', category=RuntimeWarning)  # numpy's, of what is spoiled
    if args.backend is not None:
        os.environ[SWITCH] = args.backend
    try:
        print(f'backend {choose(torch.zeros(1)).name}')
    except ValueError as error:
        sys.exit(f'error: {error}')
    start = time.time()
    total, broken = run(args.objects, args.seed, progress=True)
    print()
    invalid = total.pop('(flagged invalid)')
    for name in KINDS:
        print(f'{name:24}{total[name]:8}')
    print(f'{"all":24}{sum(total.values()):8}, {invalid} of them flagged invalid')
    print(f'and {len(SETTINGS)} batches of no objects')
    print(f'{len(broken)} broken promises in {time.time() - start:.0f} s')
    for reason in broken[:20]:
        print(' ', reason)
    sys.exit(bool(broken))


if __name__ == '__main__':
    main()
