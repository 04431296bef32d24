"""Errors of poses, each for a stack of pose pairs of one object."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree


def transform(points: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Points (N, 3) under poses ``[R t]`` (n, 3, 4), giving (n, N, 3)."""
    return points @ poses[:, :, :3].transpose(0, 2, 1) + poses[:, None, :, 3]


def add(points: np.ndarray, estimates: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Mean distance of the model's points under both poses, metres, (n,).

    The points' difference is linear in the poses, so no point is moved twice.
    """
    return _mean_norm(transform(points, estimates - truths))


def adds(points: np.ndarray, estimates: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Mean over true points of the distance to the nearest estimated one, metres, (n,)."""
    tree = cKDTree(points)
    rotations = estimates[:, :, :3]
    seen = transform(points, truths) - estimates[:, None, :, 3]
    # In the frame of the estimate the model stands still, and one tree serves all pairs.
    return np.array([tree.query(p @ r)[0].mean() for p, r in zip(seen, rotations)])


def rotation_error(estimates: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Angle between the rotations in degrees, (n,); exact near 0 and 180 degrees."""
    relative = estimates[:, :, :3].transpose(0, 2, 1) @ truths[:, :, :3]
    skew = relative - relative.transpose(0, 2, 1)
    sine = np.sqrt((skew**2).sum((1, 2)) / 8)
    cosine = (np.trace(relative, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arctan2(sine, cosine))


def translation_error(estimates: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Distance of the origins in metres, (n,)."""
    return np.linalg.norm(estimates[:, :, 3] - truths[:, :, 3], axis=1)


def projection_error(
    points: np.ndarray, estimates: np.ndarray, truths: np.ndarray, cam2img: np.ndarray
) -> np.ndarray:
    """Mean distance of the projected points in pixels, (n,)."""
    return _mean_norm(project(points, estimates, cam2img) - project(points, truths, cam2img))


def project(points: np.ndarray, poses: np.ndarray, cam2img: np.ndarray) -> np.ndarray:
    """Pixels of the model's points, (n, N, 2); cameras (3, 3) or (n, 3, 3)."""
    seen = transform(points, poses) @ np.swapaxes(np.asarray(cam2img), -1, -2)
    return seen[..., :2] / seen[..., 2:]


def mssd(
    points: np.ndarray, estimates: np.ndarray, truths: np.ndarray, symmetries: np.ndarray
) -> np.ndarray:
    """Largest distance of corresponding points under the best symmetry, metres, (n,)."""
    return _best_symmetry(
        truths, symmetries, lambda t: np.linalg.norm(transform(points, estimates - t), axis=2)
    )


def mspd(
    points: np.ndarray,
    estimates: np.ndarray,
    truths: np.ndarray,
    cam2img: np.ndarray,
    symmetries: np.ndarray,
) -> np.ndarray:
    """Largest distance of projections under the best symmetry, pixels, (n,)."""
    seen = project(points, estimates, cam2img)
    return _best_symmetry(
        truths, symmetries, lambda t: np.linalg.norm(seen - project(points, t, cam2img), axis=2)
    )


def _best_symmetry(truths: np.ndarray, symmetries: np.ndarray, distances) -> np.ndarray:
    best = np.full(len(truths), np.inf)
    for symmetry in symmetries:
        rotation = truths[:, :, :3] @ symmetry[:3, :3]
        shift = truths[:, :, :3] @ symmetry[:3, 3] + truths[:, :, 3]
        equivalent = np.concatenate([rotation, shift[..., None]], 2)
        best = np.minimum(best, distances(equivalent).max(1))
    return best


def _mean_norm(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt((vectors**2).sum(-1)).mean(-1)
