"""Adaptive multiple importance sampling of the pose posterior (docs/method.md 1.7)."""

from __future__ import annotations

import math
from typing import Callable, NamedTuple

import torch
from torch import Tensor

from ..pose import Parametrization
from ..problem import Problem
from ..proposals import Proposal, RoundNoise, initial_proposal, refit_proposal
from .costs import pose_costs


class PosteriorSamples(NamedTuple):
    """Poses drawn from proposals, with what weights them.

    Attributes:
        poses: (B, S, dim).
        cost: Robust cost, (B, S).
        log_density: Of the mixture of all proposals, (B, S).
    """

    poses: Tensor
    cost: Tensor
    log_density: Tensor


@torch.no_grad()
def sample_posterior(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    covariance: Tensor,
    noise: RoundNoise,
    costs: Callable[..., Tensor] = pose_costs,
) -> PosteriorSamples:
    """Draws poses, round by round, from proposals fitted to all poses before.

    All poses are weighted by the mixture of the proposals so far ("deterministic mixture").

    Args:
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: Solution around which the first proposal lies, (B, dim).
        covariance: Its covariance, (B, dof, dof).
        noise: Of all rounds, (rounds, B, ...).
        costs: Computes them, as `pose_costs` does.

    Returns:
        Rounds times draws of a round poses per object.
    """
    proposals = [initial_proposal(pose_type, pose, covariance)]
    drawn: list[Tensor] = []
    cost_drawn: list[Tensor] = []
    for numbers in zip(*noise):
        drawn.append(proposals[-1].transform(RoundNoise(*numbers)))  # (B, n, dim)
        cost_drawn.append(costs(pose_type, problem, drawn[-1]))
        poses, cost = torch.cat(drawn, dim=1), torch.cat(cost_drawn, dim=1)
        by_proposal = Proposal.stack(proposals).log_prob(poses[:, None])  # (B, rounds so far, S)
        log_density = by_proposal.logsumexp(1)  # and log(rounds so far), which no weight feels
        if len(drawn) < len(noise.normal):
            weights = torch.softmax(-cost - log_density, dim=1)
            proposals.append(refit_proposal(pose_type, poses, weights))
    return PosteriorSamples(poses, cost, log_density - math.log(len(proposals)))
