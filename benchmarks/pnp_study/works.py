"""The work that is timed: training step, inference, Monte Carlo term; ours and the stand-in's."""

from __future__ import annotations

from typing import NamedTuple

import reference_pnp as reference
import torch
from torch import Tensor

from epropnp_det.pnp import EProPnP4DoF, LMSolver, MonteCarloPoseLoss, PerspectiveCamera
from epropnp_det.pnp.backend import choose
from epropnp_det.pnp.correspondences import Correspondences, prepare
from epropnp_det.pnp.importance_sampling import adaptive_importance_sampling
from epropnp_det.pnp.proposals import draw_noise

SIZES = ((288, 128, 128), (144, 256, 512))
"""Objects, points, samples: v2 training, v1 training."""


class Objects(NamedTuple):
    """Correspondences, camera and true 4DoF poses."""

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    camera: PerspectiveCamera
    pose: Tensor


def synthetic_objects(num: int, points: int, device: str, seed: int = 0) -> Objects:
    """Car-sized boxes with noisy, softmax-weighted correspondences, float32."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    x3d = (rand(num, points, 3) - 0.5) * torch.tensor([4.5, 1.7, 1.9])
    pose = torch.stack((4 * randn(num), 1 + rand(num), 8 + 30 * rand(num), 6.28 * rand(num)), -1)
    cam2img = torch.tensor([[1266.0, 0, 816], [0, 1266, 491], [0, 0, 1]]).expand(num, 3, 3)
    size = torch.tensor([1600.0, 900.0]).expand(num, 2).to(device)
    camera = PerspectiveCamera.from_image_size(cam2img.contiguous().to(device), size)
    pose, x3d = pose.to(device), x3d.to(device)
    x2d = camera.project(x3d, pose) + 3 * randn(num, points, 2).to(device)
    w2d = randn(num, points, 2).softmax(1).to(device) * points / 8
    return Objects(x3d, x2d, w2d, camera, pose)


def plain_camera(camera: PerspectiveCamera) -> reference.Camera:
    """The camera of the reference."""
    return reference.Camera(camera.cam2img, camera.lower, camera.upper, camera.z_min)


def leaves(objects: Objects) -> list[Tensor]:
    """Correspondences that ask for gradients."""
    return [tensor.clone().requires_grad_() for tensor in objects[:3]]


def train_ours(objects: Objects, samples: int) -> None:
    """One training step of the layer."""
    pnp, loss = EProPnP4DoF(mc_samples=samples), MonteCarloPoseLoss()
    result = pnp.monte_carlo_forward(*leaves(objects), objects.camera, pose_init=objects.pose)
    loss(result.log_weights, result.cost_target, 1.0).backward()


def train_plain(objects: Objects, samples: int) -> None:
    """The same step of the reference."""
    inputs = leaves(objects)
    log_weights, cost = reference.monte_carlo_forward(
        *inputs, plain_camera(objects.camera), objects.pose, samples
    )
    reference.loss_of(log_weights, cost).backward()


@torch.no_grad()
def infer_ours(objects: Objects) -> None:
    """Random-sample start and five Gauss-Newton steps."""
    EProPnP4DoF(solver=LMSolver(num_iter=5))(*objects[:4], fast_mode=True)


def infer_plain(objects: Objects) -> None:
    """The same of the reference."""
    reference.infer(*objects[:3], plain_camera(objects.camera))


def sampling_ours(objects: Objects, samples: int) -> None:
    """The Monte Carlo term alone, forward and backward, from the true pose."""
    pnp = EProPnP4DoF(mc_samples=samples)
    inputs = prepare(pnp.pose_type, Correspondences(*leaves(objects), objects.camera), None)
    problem, _ = pnp.problem(inputs)
    with torch.no_grad():
        solution = pnp.solver.solve(pnp.pose_type, problem.detach(), objects.pose)
        covariance = pnp.solver.covariance(solution.linearization)
    rounds = (pnp.num_iter, len(objects.pose), samples // pnp.num_iter)
    drawn = adaptive_importance_sampling(
        choose(objects.x3d),
        pnp.pose_type,
        problem,
        solution.pose,
        covariance,
        draw_noise(pnp.pose_type, objects.pose, rounds),
        pnp.mc_tolerance,
    )
    drawn.log_weights.logsumexp(1).sum().backward()


def sampling_plain(objects: Objects, samples: int) -> None:
    """The same of the reference."""
    inputs = leaves(objects)
    delta = reference.adaptive_delta(*inputs[1:])
    problem = (*inputs, plain_camera(objects.camera), delta)
    pose, covariance, _ = reference.levenberg_marquardt(objects.pose, *problem)
    reference.importance_sampling(problem, pose, covariance, samples).logsumexp(0).sum().backward()
