"""Weighted samples of the pose posterior, differentiable by the problem (docs/method.md 1.7)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .backend import Backend, is_transforming
from .pose import Parametrization
from .problem import Problem
from .proposals import RoundNoise
from .random_sample import InitialPose
from .reference.costs import differentiable_costs, pose_costs_gradient


class WeightedSamples(NamedTuple):
    """Samples of the pose posterior.

    Attributes:
        poses: (B, S, dim), constant.
        log_weights: ``-cost - log qbar - log S``, (B, S), where ``qbar`` is the mixture of all
            proposals: their logsumexp estimates the log-normaliser of ``exp(-cost)``. The cost is
            differentiable, the rest constant.
        cost_given: Cost of one more pose of every object, differentiable, (B,), if there is one.
    """

    poses: Tensor
    log_weights: Tensor
    cost_given: Tensor | None


def adaptive_importance_sampling(
    backend: Backend,
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    covariance: Tensor,
    noise: RoundNoise,
    tolerance: float = 0.0,
    given: InitialPose | None = None,
) -> WeightedSamples:
    """Draws weighted poses from the posterior ``p(y) ~ exp(-cost(y))``.

    Args:
        backend: Computes.
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: Solution around which the first proposal lies, (B, dim).
        covariance: Its covariance, (B, dof, dof).
        noise: Random numbers of all rounds, see `draw_noise`.
        tolerance: Share of the gradient that may be left out; see `sample_costs`.
        given: Poses whose gradient is asked for besides, so that all are projected at once.

    Returns:
        As many poses per object as the rounds draw together.
    """
    drawn = backend.sample_posterior(pose_type, problem.detach(), pose, covariance, noise)
    num_samples, poses, cost = drawn.cost.size(1), drawn.poses, drawn.cost
    if given is not None:
        poses = torch.cat((poses, given.pose[:, None]), dim=1)
        cost = torch.cat((cost, given.cost[:, None]), dim=1)
    cost = sample_costs(backend, pose_type, problem, poses, cost, tolerance)
    sampled, others = cost.split((num_samples, cost.size(1) - num_samples), dim=1)
    return WeightedSamples(
        drawn.poses,
        (-math.log(max(num_samples, 1)) - drawn.log_density) - sampled,
        None if given is None else others[:, 0],
    )


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """``(sum w)^2 / sum w^2`` over the samples, (B, S) -> (B,)."""
    weights = torch.softmax(log_weights.detach(), dim=1)
    return torch.linalg.vector_norm(weights, dim=1).pow(-2)


def sample_costs(
    backend: Backend,
    pose_type: Parametrization,
    problem: Problem,
    poses: Tensor,
    cost: Tensor | None = None,
    tolerance: float = 0.0,
) -> Tensor:
    """Robust cost of several constant poses per object, differentiable by the problem.

    Equal to `differentiable_costs`, without its memory: the backward pass projects again.

    Args:
        backend: Computes.
        pose_type: Parametrisation of ``poses``.
        problem: ``B`` objects.
        poses: (B, S, dim).
        cost: Where it is known already, (B, S).
        tolerance: Share of the incoming gradient that may be left out, per object: poses whose
            absolute gradient is at most this share of the object's mean are, which together is at
            most this share of the object's sum. Only by backends that gain by it.

    Returns:
        (B, S).
    """
    poses = poses.detach()
    if is_transforming():  # compilers and function transforms see through plain operations only
        return differentiable_costs(pose_type, problem, poses)
    if cost is None:
        cost = backend.pose_costs(pose_type, problem.detach(), poses)
    if not any(field.requires_grad for field in problem.tensors):
        return cost
    context = (backend, pose_type, problem.z_min, tolerance)
    return _SampleCosts.apply(context, poses, cost, *problem.tensors)


class _SampleCosts(torch.autograd.Function):
    """Passes a known cost through and computes its gradient in the backward pass."""

    @staticmethod
    def forward(ctx: Any, context: tuple, poses: Tensor, cost: Tensor, *tensors: Tensor) -> Tensor:
        ctx.context = context
        ctx.save_for_backward(poses, *tensors)
        return cost.view_as(cost)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        backend, pose_type, z_min, tolerance = ctx.context
        poses, *tensors = ctx.saved_tensors
        problem = Problem.of(tensors, z_min).detach()
        wanted = ctx.needs_input_grad[3:]
        if any(wanted[4:]) or is_transforming(grad):  # the camera, or several gradients at once
            gradients = pose_costs_gradient(pose_type, problem, poses, grad, with_camera=True)
        else:
            gradients = backend.pose_costs_gradient(pose_type, problem, poses, grad, tolerance)
        padded = (*gradients, *[None] * (len(wanted) - len(gradients)))
        kept = (piece if need else None for piece, need in zip(padded, wanted))
        return (None, None, None, *kept)
