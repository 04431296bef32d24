"""One set of correspondences from those of several views (docs/method.md 4.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..structures import Correspondences

__all__ = ['head_by_head', 'merge_views']


def merge_views(views: Sequence[Correspondences], normalize: bool = True) -> Correspondences:
    """Joins the points of all views and averages everything else.

    All points are in original pixels and all object coordinates in one object frame, whichever view
    they come from, so one PnP on the union is consistent.

    Args:
        views: Correspondences of the same ``n`` objects with ``N`` points, one per view.
        normalize: Whether the cost of the union is the mean of the views' costs instead of their
            sum. Views of one image are not independent: a view that is seen twice must not make the
            posterior narrower (docs/differences.md W26). Costs are quadratic in the weights, hence
            the square root.

    Returns:
        Correspondences with as many times ``N`` points as there are views.
    """
    if len(views) == 1:
        return views[0]

    def mean(name: str) -> Tensor:
        return torch.stack([getattr(view, name) for view in views]).mean(0)

    scale = mean('scale')
    weights = torch.cat([view.w2d for view in views], dim=1) / scale[:, None]
    if normalize:
        weights = weights / math.sqrt(len(views))
    scores = torch.stack([view.score_logits.sigmoid() for view in views]).mean(0)
    return Correspondences(
        noc=torch.cat([view.noc for view in views], dim=1),
        x2d=torch.cat([view.x2d for view in views], dim=1),
        weights=weights,
        scale=scale,
        dims=mean('dims'),
        encoded_dims=mean('encoded_dims'),
        score_logits=scores.logit(),
        velocities=mean('velocities'),
        attr_logits=mean('attr_logits'),
    )


def head_by_head(points: Tensor, num_views: int) -> Tensor:
    """Brings the points of merged views into the order of one view, each point beside its twins.

    Args:
        points: View by view as :func:`merge_views` joins them, head by head within each,
            (n, num_views * N, d).
        num_views: How many views were merged.

    Returns:
        The same points, head by head, (n, num_views * N, d).
    """
    views = points.unflatten(1, (num_views, points.shape[1] // num_views))
    return views.transpose(1, 2).flatten(1, 2)
