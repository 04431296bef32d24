"""Draws training samples for the correspondence head from positive points (docs/method.md 3.1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..structures import DenseOutput, GroundTruth, ObjectQueries, ObjectSamples
from .fcos_targets import DenseTargets
from .point_grid import gather_centers, gather_points


class Draw(NamedTuple):
    """Indices drawn from a population and their importance weights.

    Attributes:
        inds: (n,).
        weights: Target probability over sampling probability, (n,).
    """

    inds: Tensor
    weights: Tensor


def draw_points(
    centerness: Tensor,
    num_samples: int,
    uniform_ratio: float = 0.5,
    generator: torch.Generator | None = None,
) -> Draw:
    """Draws points, some uniformly without, the rest by centerness with replacement.

    The weights make the mean over the samples an estimate of the centerness-weighted mean over all
    points.

    Args:
        centerness: Centerness targets of the positive points, > 0, (F,).
        num_samples: Number of samples n; none are drawn where there are no points.
        uniform_ratio: Share of the uniform draw.
        generator: Source of randomness; draws happen on its device.
    """
    total = centerness.shape[0]
    if total == 0 or num_samples == 0:
        return Draw(torch.zeros_like(centerness[:0], dtype=torch.long), centerness[:0])
    device = centerness.device if generator is None else generator.device
    num_uniform = min(round(uniform_ratio * num_samples), total)
    share = num_uniform / num_samples
    uniform = torch.randperm(total, generator=generator, device=device)[:num_uniform]
    probs = centerness / centerness.sum()  # (F,)
    inds = uniform
    if num_uniform < num_samples:
        weighted = torch.multinomial(
            probs.to(device), num_samples - num_uniform, replacement=True, generator=generator
        )
        inds = torch.cat([uniform, weighted])
    inds = inds.to(centerness.device)
    probs = probs[inds]  # (n,)
    return Draw(inds, probs / (share / total + (1 - share) * probs))


def balance(weights: Tensor, gt_inds: Tensor, num_gts: int) -> Tensor:
    """Scales weights such that every object has the same total and the mean is 1.

    Args:
        weights: > 0, (n,).
        gt_inds: Object of each sample, (n,).
        num_gts: Number of objects; not all need have a sample.
    """
    if weights.shape[0] == 0:
        return weights
    totals = weights.new_zeros(num_gts).index_add(0, gt_inds, weights)
    shares = weights / totals[gt_inds]
    return shares / shares.mean()


def gather_queries(
    output: DenseOutput, img_inds: Tensor, point_inds: Tensor, labels: Tensor, strides: Tensor
) -> ObjectQueries:
    """Reads embedding and centre of some points; class-aware centres are those of ``labels``.

    Args:
        output: Output of the dense head.
        img_inds: Image of each object, (n,).
        point_inds: Point of each object in the order of ``PointGrid``, (n,).
        labels: Class of each object, (n,).
        strides: Stride of each object's level, (n,).
    """
    return ObjectQueries(
        embeddings=gather_points(output.embeddings, img_inds, point_inds),
        centers=gather_centers(output.centers, img_inds, point_inds, labels),
        strides=strides,
        img_inds=img_inds,
        labels=labels,
    )


def sample_objects(
    output: DenseOutput,
    targets: DenseTargets,
    gt: GroundTruth,
    num_samples: int,
    generator: torch.Generator | None = None,
    uniform_ratio: float = 0.5,
) -> ObjectSamples:
    """Draws object samples from the positive points of the whole batch.

    Args:
        output: Output of the dense head; embeddings and centres keep their graph.
        targets: Targets of the same batch.
        gt: Ground truth that ``targets`` were made of.
        num_samples: Number of samples, in the paper 48 per image. Without a positive point there
            are none.
        generator: Source of randomness.
        uniform_ratio: Share of samples drawn uniformly.
    """
    draw = draw_points(targets.centerness, num_samples, uniform_ratio, generator)
    gt_inds = targets.gt_inds[draw.inds]
    num_gts = gt.labels.shape[0]
    return ObjectSamples(
        queries=gather_queries(
            output,
            targets.img_inds[draw.inds],
            targets.point_inds[draw.inds],
            targets.pos_labels[draw.inds],
            targets.strides[draw.inds],
        ),
        gt_inds=gt_inds,
        weights=balance(draw.weights, gt_inds, num_gts),
        uniform_weights=balance(torch.ones_like(draw.weights), gt_inds, num_gts),
    )
