"""EPro-PnP 4DoF written the straightforward way: the yardstick of ``benchmarks/benchmark_pnp.py``.

A stand-in for the official layer, made from its description (docs/method.md 1, docs/differences.md
W38 to W53), not from its code. It does the same work with the same numbers of points, samples and
iterations, in the usual style: coordinates on the last axis, one autograd graph over all samples,
boolean-mask updates of accepted objects, library solves, Cholesky with a loop over failures,
`torch.multinomial`, von Mises draws by NumPy. ``tests/benchmarks`` checks that it computes what
`epropnp_det.pnp` does.

Where the description leaves a choice, the cheaper one is taken: clipped Jacobian rows by
`masked_fill` (the description counts 16 boolean-mask accesses per iteration, and the updates of
accepted objects are that many), no covariance of the random subsets. Normalisation is left out,
here as in the benchmark's calls of the layer; 4DoF only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

EPS = 1e-5


class Camera(NamedTuple):
    """Intrinsics (B, 3, 3) and image bounds (B, 2)."""

    cam2img: Tensor
    lower: Tensor
    upper: Tensor
    z_min: float = 0.1


def rotation(yaw: Tensor) -> Tensor:
    """(...) -> (..., 3, 3)."""
    result = yaw.new_zeros(*yaw.shape, 3, 3)
    result[..., 0, 0] = result[..., 2, 2] = torch.cos(yaw)
    result[..., 0, 2] = torch.sin(yaw)
    result[..., 2, 0] = -torch.sin(yaw)
    result[..., 1, 1] = 1
    return result


def project(x3d: Tensor, pose: Tensor, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Clamped pixels (..., N, 2), clamped depth (..., N, 1) and rotated points (..., N, 3)."""
    rotated = x3d @ rotation(pose[..., 3]).mT
    points = (rotated + pose[..., None, :3]) @ camera.cam2img.mT
    depth = points[..., 2:].clamp(min=camera.z_min)
    pixels = points[..., :2] / depth
    pixels = torch.max(pixels, camera.lower[:, None])
    return torch.min(pixels, camera.upper[:, None]), depth, rotated


def adaptive_delta(x2d: Tensor, w2d: Tensor, relative: float = 0.5) -> Tensor:
    """(B,)."""
    return w2d.mean((-1, -2)) * x2d.var(-2).sum(-1).sqrt() * relative


def cost_of(
    pose: Tensor, x3d: Tensor, x2d: Tensor, w2d: Tensor, camera: Camera, delta: Tensor
) -> Tensor:
    """Huber cost of poses (..., B, 4), (..., B)."""
    residual = (project(x3d, pose, camera)[0] - x2d) * w2d
    norm = residual.norm(dim=-1)
    delta = delta[:, None]
    return torch.where(norm <= delta, 0.5 * norm.square(), delta * norm - 0.5 * delta.square()).sum(
        -1
    )


def evaluate(
    pose: Tensor,
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    camera: Camera,
    delta: Tensor,
    clip_jac: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Rescaled Jacobian (B, 2N, 4), residual (B, 2N) and cost (B,)."""
    pixels, depth, rotated = project(x3d, pose, camera)
    inverse = 1 / depth
    by_point = torch.cat(
        (
            camera.cam2img[:, None, :2, :2].expand(*pixels.shape[:-1], 2, 2) * inverse[..., None],
            ((camera.cam2img[:, None, :2, 2] - pixels) * inverse)[..., None],
        ),
        dim=-1,
    )  # (B, N, 2, 3)
    turn = torch.stack((rotated[..., 2], -rotated[..., 0]), -1)[..., None]
    jacobian = torch.cat((by_point, by_point[..., ::2] @ turn), dim=-1)  # (B, N, 2, 4)
    if clip_jac:
        clipped = (pixels == camera.lower[:, None]) | (pixels == camera.upper[:, None])
        clipped = clipped | (depth == camera.z_min)
        jacobian = jacobian.masked_fill(clipped[..., None], 0)
    residual = (pixels - x2d) * w2d
    norm = residual.norm(dim=-1)
    delta = delta[:, None]
    cost = torch.where(norm <= delta, 0.5 * norm.square(), delta * norm - 0.5 * delta.square())
    rescale = (delta / norm.clamp(min=1e-10)).clamp(max=1).sqrt()[..., None]
    jacobian = jacobian * (w2d * rescale)[..., None]
    return jacobian.flatten(1, 2), (residual * rescale).flatten(1, 2), cost.sum(-1)


def identity(size: int, like: Tensor) -> Tensor:
    """On the device of a tensor, (size, size)."""
    return torch.eye(size, dtype=like.dtype, device=like.device)


def solve(matrix: Tensor, rhs: Tensor) -> Tensor:
    """`torch.linalg.solve` with its check of the result, but zero where a matrix is singular.

    Without damping a subset of points can be singular in float32; the plain call then raises for
    the whole batch.
    """
    solution, info = torch.linalg.solve_ex(matrix, rhs)
    if (info != 0).any():
        solution[info != 0] = 0
    return solution


def invert(matrix: Tensor) -> Tensor:
    """`torch.linalg.inv` in the same way."""
    return solve(matrix, identity(matrix.size(-1), matrix).expand_as(matrix))


@torch.no_grad()
def levenberg_marquardt(
    pose: Tensor,
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    camera: Camera,
    delta: Tensor,
    num_iter: int = 10,
    with_covariance: bool = True,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Pose (B, 4), covariance (B, 4, 4), cost (B,); accepted objects are updated by masks."""
    pose = pose.clone()
    problem = (x3d, x2d, w2d, camera, delta)
    jacobian, residual, cost = evaluate(pose, *problem)
    radius = torch.full_like(cost, 30.0)
    factor = torch.full_like(cost, 2.0)
    for _ in range(num_iter):
        hessian = jacobian.mT @ jacobian
        gradient = jacobian.mT @ residual[..., None]
        damping = hessian.diagonal(dim1=1, dim2=2).clamp(1e-6, 1e32) / radius[:, None] + EPS
        step = -solve(hessian + torch.diag_embed(damping), gradient)[..., 0]
        new_pose = pose + step
        new_jacobian, new_residual, new_cost = evaluate(new_pose, *problem)
        decrease = -(step * ((hessian @ step[..., None]) / 2 + gradient)[..., 0]).sum(-1)
        ratio = (cost - new_cost) / decrease
        accept = (ratio >= 1e-3) & (decrease > 0)
        radius[accept] /= (1 - (2 * ratio[accept] - 1) ** 3).clamp(min=1 / 3)
        radius.clamp_(EPS, 1e16)
        factor[accept] = 2.0
        radius[~accept] /= factor[~accept]
        factor[~accept] *= 2.0
        pose[accept] = new_pose[accept]
        jacobian[accept] = new_jacobian[accept]
        residual[accept] = new_residual[accept]
        cost[accept] = new_cost[accept]
    covariance = None
    if with_covariance:
        covariance = invert(jacobian.mT @ jacobian + EPS * identity(4, pose))
    return pose, covariance, cost


@torch.no_grad()
def gauss_newton(
    pose: Tensor,
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    camera: Camera,
    delta: Tensor,
    num_iter: int = 5,
    with_covariance: bool = True,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Plain steps; covariance and cost are those before the last one."""
    for _ in range(num_iter):
        jacobian, residual, cost = evaluate(pose, x3d, x2d, w2d, camera, delta, clip_jac=False)
        hessian = jacobian.mT @ jacobian + EPS * identity(4, pose)
        pose = pose - solve(hessian, jacobian.mT @ residual[..., None])[..., 0]
    return pose, invert(hessian) if with_covariance else None, cost


@torch.no_grad()
def random_sample_start(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    camera: Camera,
    delta: Tensor,
    fast_mode: bool = False,
    num_proposals: int = 64,
    num_points: int = 16,
    num_iter: int = 3,
) -> tuple[Tensor, Tensor]:
    """Best of many subset solutions, pose (B, 4) and cost (B,)."""
    batch = x3d.size(0)
    rays = torch.cat((x2d, torch.ones_like(x2d[..., :1])), -1) @ torch.linalg.inv(camera.cam2img).mT
    rays = rays[..., :2] / rays[..., 2:]
    depth = x3d[..., 1].std(-1) / rays[..., 1].std(-1).clamp(min=1e-6)
    mean = rays.mean(1)
    position = torch.cat((mean, torch.ones_like(mean[:, :1])), -1) * depth[:, None]
    weight = w2d.mean(-1).expand(num_proposals, -1, -1).flatten(0, 1)
    index = torch.multinomial(weight, num_points)[..., None]  # (P B, n, 1)

    def pick(tensor: Tensor) -> Tensor:
        tensor = tensor.expand(num_proposals, *tensor.shape).flatten(0, 1)
        return tensor.gather(1, index.expand(-1, -1, tensor.size(-1)))

    subset_camera = Camera(
        *(field.repeat(num_proposals, *[1] * (field.dim() - 1)) for field in camera[:3]),
        camera.z_min,
    )
    yaw = torch.rand(num_proposals, batch, 1, dtype=x3d.dtype, device=x3d.device) * 2 * math.pi
    start = torch.cat((position.expand(num_proposals, -1, -1), yaw), -1).flatten(0, 1)
    solver = gauss_newton if fast_mode else levenberg_marquardt
    points, threshold = (pick(x3d), pick(x2d), pick(w2d)), delta.repeat(num_proposals)
    pose = solver(start, *points, subset_camera, threshold, num_iter, with_covariance=False)[0]
    pose = pose.view(num_proposals, batch, 4)
    cost = cost_of(pose, x3d, x2d, w2d, camera, delta).nan_to_num(nan=math.inf)
    cost, best = cost.min(0)
    return pose[best, torch.arange(batch)], cost


def cholesky(matrix: Tensor, fallback: Tensor) -> Tensor:
    """Factor by factor where the batch raises."""
    try:
        return torch.linalg.cholesky(matrix)
    except RuntimeError:
        factors = []
        for one in matrix:
            try:
                factors.append(torch.linalg.cholesky(one))
            except RuntimeError:
                factors.append(fallback)
        return torch.stack(factors)


class Proposal:
    """Student-t position and von Mises-uniform yaw, built on torch.distributions and NumPy."""

    def __init__(self, loc: Tensor, scale_tril: Tensor, mode: Tensor, kappa: Tensor) -> None:
        self.loc, self.scale_tril, self.mode, self.kappa = loc, scale_tril, mode, kappa
        self.chi2 = torch.distributions.Chi2(torch.tensor(3.0).to(loc))
        self.von_mises = torch.distributions.VonMises(mode, kappa)

    def sample(self, num: int) -> Tensor:
        """(num, B, 4)."""
        normal = torch.randn_like(self.loc.expand(num, -1, -1))
        scale = (self.chi2.sample((num, len(self.loc), 1)) / 3).rsqrt()
        position = self.loc + (self.scale_tril @ (normal * scale)[..., None])[..., 0]
        uniform = round(num / 4)
        draws = np.random.default_rng(int(torch.randint(2**31, ()))).vonmises(
            self.mode.cpu().numpy(), self.kappa.cpu().numpy(), (num - uniform, len(self.mode))
        )
        yaw = torch.cat(
            (
                (torch.rand_like(self.mode.expand(uniform, -1)) * 2 - 1) * math.pi,
                torch.from_numpy(draws).to(self.mode),
            )
        )
        return torch.cat((position, yaw[..., None]), -1)

    def log_prob(self, pose: Tensor) -> Tensor:
        """(n, B, 4) -> (n, B)."""
        white = torch.linalg.solve_triangular(
            self.scale_tril, (pose[..., :3] - self.loc)[..., None], upper=False
        )[..., 0]
        log_det = self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = math.lgamma(3.0) - math.lgamma(1.5) - 1.5 * math.log(3 * math.pi)
        position = constant - log_det - 3 * torch.log1p(white.square().sum(-1) / 3)
        yaw = self.von_mises.log_prob(pose[..., 3]) + math.log(0.75)
        return position + torch.logaddexp(yaw, torch.full_like(yaw, math.log(0.25 / 2 / math.pi)))


def monte_carlo_forward(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    camera: Camera,
    pose_gt: Tensor,
    mc_samples: int = 512,
    num_iter: int = 4,
) -> tuple[Tensor, Tensor]:
    """Log-weights (S, B), without ``- log S``, and cost at the true pose (B,)."""
    delta = adaptive_delta(x2d, w2d)
    problem = (x3d, x2d, w2d, camera, delta)
    cost_gt = cost_of(pose_gt, *problem)
    start, start_cost = random_sample_start(*problem)
    better = cost_gt.detach() < start_cost
    start[better] = pose_gt[better]
    pose, covariance, _ = levenberg_marquardt(start, *problem)
    return importance_sampling(problem, pose, covariance, mc_samples, num_iter), cost_gt


def importance_sampling(
    problem: tuple, pose: Tensor, covariance: Tensor, mc_samples: int = 512, num_iter: int = 4
) -> Tensor:
    """Log-weights (S, B), without ``- log S``; autograd keeps everything."""
    batch, num = len(pose), mc_samples // num_iter
    fallback = torch.diag(torch.tensor([1.0, 1.0, 4.0])).to(pose)
    samples = pose.new_zeros(num_iter, num, batch, 4)
    costs = pose.new_zeros(num_iter, num, batch)
    densities = pose.new_zeros(num_iter, num_iter, num, batch)  # (proposal, round, n, B)
    proposals = [
        Proposal(
            pose[:, :3],
            cholesky(covariance[:, :3, :3], fallback),
            pose[:, 3],
            0.33 / covariance[:, 3, 3].clamp(min=EPS),
        )
    ]
    for i in range(num_iter):
        with torch.no_grad():
            samples[i] = proposals[i].sample(num)
        costs[i] = cost_of(samples[i], *problem)
        with torch.no_grad():
            densities[i, : i + 1] = proposals[i].log_prob(samples[: i + 1])
            for j in range(i):
                densities[j, i] = proposals[j].log_prob(samples[i])
            mixture = densities[: i + 1, : i + 1].logsumexp(0) - math.log(i + 1)
        log_weights = -costs[: i + 1] - mixture
        if i + 1 < num_iter:
            with torch.no_grad():
                proposals.append(refit(samples[: i + 1], log_weights, fallback))
    return log_weights.flatten(0, 1)


def refit(samples: Tensor, log_weights: Tensor, fallback: Tensor) -> Proposal:
    """Moment matching over all samples so far."""
    weights = log_weights.flatten(0, 1).softmax(0)[..., None]
    flat = samples.flatten(0, 1)
    mean = (weights * flat[..., :3]).sum(0)
    centered = flat[..., :3] - mean
    covariance = (weights[..., None] * centered[..., None] * centered[..., None, :]).sum(0)
    sine = (weights[..., 0] * flat[..., 3].sin()).sum(0)
    cosine = (weights[..., 0] * flat[..., 3].cos()).sum(0)
    square = sine.square() + cosine.square()
    kappa = 0.33 * square.sqrt().clamp(min=EPS) * (2 - square) / (1 - square).clamp(min=EPS)
    return Proposal(mean, cholesky(covariance, fallback), torch.atan2(sine, cosine), kappa)


def loss_of(log_weights: Tensor, cost_gt: Tensor) -> Tensor:
    """Mean Monte Carlo pose loss."""
    return (cost_gt + log_weights.logsumexp(0)).mean()


@torch.no_grad()
def infer(x3d: Tensor, x2d: Tensor, w2d: Tensor, camera: Camera) -> Tensor:
    """Random-sample start and five Gauss-Newton steps, (B, 4)."""
    delta = adaptive_delta(x2d, w2d)
    start, _ = random_sample_start(x3d, x2d, w2d, camera, delta, fast_mode=True)
    return gauss_newton(start, x3d, x2d, w2d, camera, delta)[0]
