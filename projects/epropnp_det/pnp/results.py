"""What the layer returns, by name."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PnPResult(NamedTuple):
    """Solved poses; the leading axes ``(...)`` are those of the input.

    Attributes:
        pose: ``[x, y, z, yaw]`` or ``[x, y, z, qw, qx, qy, qz]``, object to camera, (..., dim).
            Carries no gradient.
        cost: Robust cost at ``pose``, (...).
        pose_cov: Covariance ``(J^T J + eps I)^-1`` of the tangent space at ``pose``,
            (..., dof, dof).
        pose_plus: ``pose`` moved by one Gauss-Newton step through which gradient flows to the
            correspondences (derivative regularisation), (..., dim); None unless asked for.
        converged: Whether the optimum is within 0.1 posterior standard deviations, (...).
        valid: Whether the object could be solved, (...). The others have a defined pose (the
            identity one metre before the camera), zero cost, unit covariance and no gradient.
    """

    pose: Tensor
    cost: Tensor
    pose_cov: Tensor
    pose_plus: Tensor | None
    converged: Tensor
    valid: Tensor


class MonteCarloResult(NamedTuple):
    """Solved poses and weighted samples of their posterior.

    Attributes:
        pose: As in `PnPResult`.
        cost: As in `PnPResult`.
        pose_cov: As in `PnPResult`.
        pose_plus: As in `PnPResult`.
        samples: Poses, (S, ..., dim), constant.
        log_weights: ``-cost - log qbar - log S``, (S, ...), differentiable by the correspondences;
            their logsumexp over samples estimates the log-normaliser of the posterior.
        cost_target: Robust cost at ``pose_init``, differentiable, (...); None without
            ``pose_init``.
        ess: Effective sample size in [1, S], (...). Near 1 the estimate has collapsed.
        converged: As in `PnPResult`.
        valid: As in `PnPResult`; the others have equal log-weights that sum to one, zero cost and
            no gradient, hence zero Monte Carlo loss.
    """

    pose: Tensor
    cost: Tensor
    pose_cov: Tensor
    pose_plus: Tensor | None
    samples: Tensor
    log_weights: Tensor
    cost_target: Tensor | None
    ess: Tensor
    converged: Tensor
    valid: Tensor
