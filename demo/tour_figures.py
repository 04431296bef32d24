"""Figures of the tour that show numbers, not pixels: points, cost, sampling, posterior, from above.

`demo/tour.py` calls them with arrays; nothing here knows of networks.
"""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

TRUTH, FOUND, INK = '#2ca02c', '#d62728', '#222222'
Extent = tuple[float, float, float, float]
"""Left, right, near and far end of what is shown, metres."""


def box_outline(box: np.ndarray) -> np.ndarray:
    """A box from above, closed: (x, z) in metres, (5, 2).

    Args:
        box: ``[l, h, w, x, y, z, yaw]``, camera frame, (7,).
    """
    length, _, width, x, _, z, yaw = box
    forward, left = np.array([np.cos(yaw), -np.sin(yaw)]), np.array([np.sin(yaw), np.cos(yaw)])
    signs = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1)]) / 2
    return np.array([x, z]) + signs * [length, width] @ np.stack((forward, left))


def new_figure(panels: int, width: float, height: float) -> tuple[Figure, list]:
    """A figure with a row of panels, that touches neither pyplot nor a display."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def points_figure(x3d: np.ndarray, w2d: np.ndarray, dims: np.ndarray, name: str) -> Figure:
    """Where the points lie on the object: from above and from its left side.

    Args:
        x3d: Object-frame points, metres, (N, 3).
        w2d: Their weights, (N, 2).
        dims: Length, height, width, metres, (3,).
        name: The object's class.
    """
    figure, (above, side) = new_figure(2, 9, 3.4)
    head = np.arange(len(x3d)) * 8 // len(x3d)
    size = 90 * w2d.mean(1) / w2d.mean(1).max() + 3
    for axes, axis, extent, text in ((above, 2, dims[2], 'left'), (side, 1, dims[1], 'down')):
        axes.scatter(
            x3d[:, 0], x3d[:, axis], s=size, c=head, cmap='tab10', alpha=0.75, vmin=0, vmax=9
        )
        axes.add_patch(
            Rectangle((-dims[0] / 2, -extent / 2), dims[0], extent, fill=False, ec=INK, lw=1.5)
        )
        axes.set_xlabel('x forward (m)')
        axes.set_ylabel(f'{"xyz"[axis]} {text} (m)')
        axes.set_aspect('equal')
        axes.margins(0.1)
    side.invert_yaxis()
    above.set_title(f'{name} from above; box as predicted', fontsize=10)
    side.set_title('from its side', fontsize=10)
    return figure


def cost_figure(
    cost: np.ndarray, extent: Extent, outlines: tuple[np.ndarray, np.ndarray]
) -> Figure:
    """The cost landscape from above, and the posterior that it stands for.

    Args:
        cost: Robust cost of each place, its cheapest heading, (rows from near to far, columns).
        extent: What the cells cover.
        outlines: Of the found and the true box, (5, 2) each.
    """
    figure, (left, right) = new_figure(2, 10, 4.4)
    above_best = cost - cost.min()
    shown = dict(extent=extent, origin='lower', aspect='auto')
    picture = left.imshow(np.log10(1 + above_best), cmap='viridis_r', **shown)
    x, z = (np.linspace(*extent[i : i + 2], n) for i, n in ((0, cost.shape[1]), (2, cost.shape[0])))
    lines = left.contour(x, z, above_best, [0.5, 2, 4.5], colors=INK, linewidths=0.8)
    left.clabel(lines, fontsize=7)
    figure.colorbar(picture, ax=left, label='log10(1 + cost - lowest cost)')
    right.imshow(np.exp(-above_best), cmap='magma', **shown)
    left.set_title('cost; lines at 1, 2, 3 standard deviations', fontsize=10)
    right.set_title('exp(-cost)', fontsize=10)
    for axes in (left, right):
        decorate(axes, extent, outlines)
    return figure


def rounds_figure(
    samples: np.ndarray,
    shares: np.ndarray,
    rounds: int,
    extent: Extent,
    outlines: tuple[np.ndarray, np.ndarray],
) -> Figure:
    """Adaptive importance sampling: the samples of each round over those before.

    Args:
        samples: Poses ``[x, y, z, yaw]`` in the order in which they were drawn, (S, 4).
        shares: Their normalised weights at the end, (S,).
        rounds: Rounds that they were drawn in.
        extent: What is shown.
        outlines: Of the found and the true box, (5, 2) each.
    """
    figure, panels = new_figure(rounds, 13, 3.6)
    each = len(samples) // rounds
    color = np.log10(np.maximum(shares * len(shares), 1e-3))
    for number, axes in enumerate(panels):
        before, now = slice(0, number * each), slice(number * each, (number + 1) * each)
        axes.scatter(*samples[before][:, [0, 2]].T, s=3, c='#cccccc')
        drawn = axes.scatter(
            *samples[now][:, [0, 2]].T, s=7, c=color[now], cmap='plasma', vmin=-3, vmax=0.7
        )
        decorate(axes, extent, outlines)
        weight = 100 * shares[now].sum()
        axes.set_title(f'round {number + 1}: {weight:.0f} % of the weight', fontsize=10)
    figure.colorbar(drawn, ax=panels[-1], label='log10(final weight x S)')
    return figure


def posterior_figure(
    samples: np.ndarray,
    shares: np.ndarray,
    pose: np.ndarray,
    covariance: np.ndarray,
    truth: np.ndarray,
    ess: float,
) -> Figure:
    """The posterior: position from above, distance, heading.

    Args:
        samples: Poses ``[x, y, z, yaw]``, (S, 4).
        shares: Their normalised weights, (S,).
        pose: The solution, (4,).
        covariance: Its covariance, (4, 4).
        truth: The true pose, (4,).
        ess: Effective sample size.
    """
    figure, (place, depth, heading) = new_figure(3, 12, 3.8)
    size = 400 * shares / max(shares.max(), 1e-12)
    place.scatter(samples[:, 0], samples[:, 2], s=size, c='#1f77b4', alpha=0.25, lw=0)
    spread = covariance[np.ix_([0, 2], [0, 2])]
    values, vectors = np.linalg.eigh(spread)
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    width, height = 4 * np.sqrt(values[::-1])
    ellipse = Ellipse(tuple(pose[[0, 2]]), width, height, angle=angle, fill=False, ec=FOUND, lw=1.5)
    place.add_patch(ellipse)
    place.plot(*truth[[0, 2]], '*', color=TRUTH, ms=11)
    reach = 4 * np.sqrt(spread.diagonal()) + 0.2
    for limits, middle, margin in zip((place.set_xlim, place.set_ylim), pose[[0, 2]], reach):
        limits(middle - margin, middle + margin)
    place.set_title(f'place; ellipse: 2 deviations; ESS {ess:.0f} of {len(samples)}', fontsize=10)
    place.set_xlabel('x (m)')
    place.set_ylabel('z (m)')
    near, far = pose[2] - reach[1], pose[2] + reach[1]
    depth.hist(samples[:, 2], bins=np.linspace(near, far, 41), weights=shares, color='#1f77b4')
    depth.set_xlabel('distance z (m)')
    turn = (samples[:, 3] + np.pi) % (2 * np.pi) - np.pi
    heading.hist(turn, bins=np.linspace(-np.pi, np.pi, 73), weights=shares, color='#1f77b4')
    heading.set_xlabel('yaw (rad)')
    for axes, found, true, title in (
        (depth, pose[2], truth[2], 'distance'),
        (heading, pose[3], truth[3], 'heading'),
    ):
        axes.axvline(found, color=FOUND, lw=1.5)
        axes.axvline(true, color=TRUTH, lw=1.5, ls='--')
        axes.set_title(f'{title}: found red, true green', fontsize=10)
        axes.set_yticks([])
    return figure


def decorate(axes, extent: Extent, outlines: tuple[np.ndarray, np.ndarray]) -> None:
    """Boxes, limits and names of axes of a view from above."""
    for outline, color in zip(outlines, (FOUND, TRUTH)):
        axes.plot(*outline.T, color=color, lw=1.6)
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    axes.set_xlabel('x (m)')
    axes.set_ylabel('z (m)')
