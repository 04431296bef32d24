"""Poses as matrices, as numbers of the layer, and with all that an estimate comes with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ..crops import AnyCrop


class ObjectPose(NamedTuple):
    """The pose of one object.

    Attributes:
        obj_id: Number of the object.
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        covariance: Of translation (m) and rotation vector (rad), (6, 6).
        cost: Robust cost at the pose.
        converged: Whether the solver reached the optimum.
        valid: Whether there is a pose at all.
        ess: Effective number of the samples drawn; NaN without samples.
        samples: Poses ``[x, y, z, qw, qx, qy, qz]`` of the posterior, (S, 7); S may be 0. Of a
            symmetric object, the images under all its symmetries of what was drawn.
        sample_weights: Their shares, sum 1, (S,).
        crop: The window that the network saw.
        noc: Normalised object coordinates, (3, h, w).
        weights: Of each cell along image x and y, (2, h, w).
    """

    obj_id: int
    rotation: np.ndarray
    translation: np.ndarray
    covariance: np.ndarray
    cost: float
    converged: bool
    valid: bool
    ess: float
    samples: np.ndarray
    sample_weights: np.ndarray
    crop: AnyCrop
    noc: np.ndarray
    weights: np.ndarray


def pose_matrices(poses: np.ndarray) -> np.ndarray:
    """``[x, y, z, qw, qx, qy, qz]`` (n, 7) to ``[R t]`` (n, 3, 4)."""
    poses = np.asarray(poses, np.float64)
    rotations = Rotation.from_quat(poses[:, [4, 5, 6, 3]]).as_matrix()
    return np.concatenate([rotations, poses[:, :3, None]], 2)


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion (w, x, y, z) of a rotation matrix, w not negative."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    return np.array([w, x, y, z]) * (1 if w >= 0 else -1)


def equivalent_poses(poses: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """Poses of a symmetric object that look like given ones.

    Args:
        poses: ``[x, y, z, qw, qx, qy, qz]``, (n, 7).
        symmetries: Transforms that leave the object alike, (M, 4, 4).

    Returns:
        (M, n, 7), the numbers of each transform's.
    """
    matrices = pose_matrices(poses)
    moved = matrices[:, :, :3] @ symmetries[:, None, :3]  # (M, n, 3, 4)
    translations = moved[..., 3] + matrices[:, :, 3]
    quaternions = Rotation.from_matrix(moved[..., :3].reshape(-1, 3, 3)).as_quat()
    quaternions = quaternions[:, [3, 0, 1, 2]].reshape(*translations.shape[:2], 4)
    return np.concatenate([translations, quaternions], 2)
