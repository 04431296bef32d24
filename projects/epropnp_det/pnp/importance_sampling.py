"""Adaptive multiple importance sampling of the pose posterior (docs/method.md 1.7)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .monte_carlo_cost import monte_carlo_cost, sample_cost
from .pose import Parametrization
from .problem import Problem
from .proposals import Proposal, initial_proposal, refit_proposal


class WeightedSamples(NamedTuple):
    """Samples of the pose posterior.

    Attributes:
        poses: (B, S, dim), constant.
        log_weights: ``-cost - log qbar - log S``, (B, S), where ``qbar`` is the mixture of all
            proposals: their logsumexp estimates the log-normaliser of ``exp(-cost)``. The cost is
            differentiable, the rest constant.
    """

    poses: Tensor
    log_weights: Tensor


def adaptive_importance_sampling(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    covariance: Tensor,
    num_samples: int,
    num_iter: int,
    generator: torch.Generator | None = None,
    tolerance: float = 0.0,
) -> WeightedSamples:
    """Draws weighted poses from the posterior ``p(y) ~ exp(-cost(y))``.

    Each round draws from a proposal fitted to all samples before it, and all samples are weighted
    by the mixture of the proposals so far ("deterministic mixture").

    Args:
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: Solution around which the first proposal lies, (B, dim).
        covariance: Its covariance, (B, dof, dof).
        num_samples: Samples per object, a multiple of ``num_iter``.
        num_iter: Rounds.
        generator: Source of randomness.
        tolerance: Share of the gradient that may be left out; see `monte_carlo_cost`.

    Returns:
        ``num_samples`` poses per object.
    """
    constant = problem.detach()
    with torch.no_grad():
        proposal = initial_proposal(pose_type, pose, covariance)
        proposals: list[Proposal] = []
        blocks: list[Tensor] = []
        costs: list[Tensor] = []
        mixture = pose.new_zeros(0)
        for index in range(num_iter):
            if index > 0:
                log_weights = -torch.cat(costs, 1) - mixture
                weights = torch.softmax(log_weights, dim=1)
                proposal = refit_proposal(pose_type, torch.cat(blocks, 1), weights)
            drawn = proposal.sample(num_samples // num_iter, generator)  # (B, n, dim)
            proposals.append(proposal)
            blocks.append(drawn)
            costs.append(sample_cost(pose_type, constant, drawn))
            # logsumexp over proposals of the density of every sample so far
            newest = proposal.log_prob(torch.cat(blocks, 1))  # (B, n (index + 1))
            if index == 0:
                total = newest
            else:
                drawn_before = torch.stack([old.log_prob(drawn) for old in proposals[:-1]])
                older = torch.cat((total, torch.logsumexp(drawn_before, dim=0)), dim=1)
                total = torch.logaddexp(older, newest)
            mixture = total - math.log(index + 1)
        poses = torch.cat(blocks, 1)
        cost = torch.cat(costs, 1)
    if any(field.requires_grad for field in problem[:4]):
        cost = monte_carlo_cost(pose_type, problem, poses, cost, tolerance=tolerance)
    return WeightedSamples(poses, -cost - mixture - math.log(max(num_samples, 1)))


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """``(sum w)^2 / sum w^2`` over the samples, (B, S) -> (B,)."""
    weights = torch.softmax(log_weights.detach(), dim=1)
    return 1 / weights.square().sum(1)
