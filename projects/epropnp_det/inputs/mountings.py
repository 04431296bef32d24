"""How cameras are mounted above the ground: what people know of it, and the plane that follows.

A mounting is ``cam2ego``: camera (x right, y down, z forward) -> the frame of the vehicle or of
whoever carries the camera (x forward, y left, z up, z = 0 on the ground), as nuScenes has it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .orientation import AXES
from .paths import printable
from .rotations import quaternion_to_matrix

LOOKING_AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Camera axes -> ego axes of a level camera that looks ahead."""
HEIGHTS = (0.2, 100.0)
"""Metres. Lower ones stand for a mounting that is not known, higher ones are of another unit."""
LEAST_DOWN = 0.1
"""Share of the camera's y axis that must point down; below, the image shows no ground beneath."""
OF_HEIGHT = 'mounting_from_height(1.5) makes one of the height of the camera in metres'


def mounting_from_height(height: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Mounting of a camera of which its height above the ground is known.

    Args:
        height: Of the camera above the road, in metres: about 1.2 behind the windscreen of a car,
            1.5 to 1.7 on its roof.
        pitch: Degrees by which it looks down; negative: up.
        roll: Degrees by which it is turned clockwise, seen from behind, so that its right side is
            lower.

    Returns:
        ``cam2ego``, float64 (4, 4), looking ahead above the origin.

    Raises:
        ValueError: If the numbers make no mounting.
    """
    try:
        height, pitch, roll = (float(value) for value in (height, pitch, roll))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'height in metres, pitch and roll in degrees must be numbers ({error})'
        ) from error
    if not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise ValueError(
            f'the height of the camera above the ground must be {HEIGHTS[0]:g} to {HEIGHTS[1]:g} '
            f'metres, got {height:g}; leave it out where nobody knows it'
        )
    (sin_p, sin_r), (cos_p, cos_r) = (f(np.radians([pitch, roll])) for f in (np.sin, np.cos))
    pitched = np.array([[cos_p, 0, sin_p], [0, 1, 0], [-sin_p, 0, cos_p]])
    rolled = np.array([[1, 0, 0], [0, cos_r, -sin_r], [0, sin_r, cos_r]])
    cam2ego = np.eye(4)
    cam2ego[:3, :3] = pitched @ rolled @ LOOKING_AHEAD
    cam2ego[2, 3] = height
    return check_mounting(cam2ego)


def recorded_mounting(
    record: Mapping, rotation: str = 'cam2ego_rotation', translation: str = 'cam2ego_translation'
) -> np.ndarray | None:
    """Mounting that a record of nuScenes or of an annotation file tells.

    Args:
        record: Of an image or of a sensor.
        rotation: Name of the quaternion w x y z, camera -> ego frame.
        translation: Name of the position of the camera in the ego frame, in metres.

    Returns:
        ``cam2ego``, float64 (4, 4); None where the record does not tell.
    """
    if rotation not in record or translation not in record:
        return None
    cam2ego = np.eye(4)
    cam2ego[:3, :3] = quaternion_to_matrix(record[rotation])
    cam2ego[:3, 3] = record[translation]
    return cam2ego


def ground_plane(cam2ego: np.ndarray) -> np.ndarray | None:
    """The ground under a level vehicle in the frame of its camera.

    Args:
        cam2ego: How the camera is mounted, (4, 4).

    Returns:
        The vector ``n`` with ``n @ p = 1`` for the points p of the ground in the camera frame, in
        1 / m, float32 (3,); None if the camera lies on the ground, as where nobody knows its
        height, or the ground is not on the lower side of its image.
    """
    up, height = cam2ego[2, :3], float(cam2ego[2, 3])
    if height < HEIGHTS[0] or up[1] > -LEAST_DOWN:
        return None
    return (-up / height).astype(np.float32)


def turn_mounting(cam2ego: np.ndarray, orientation: int) -> np.ndarray:
    """Mounting of the camera of an upright image, which turns as ``orient_intrinsics`` says.

    Args:
        cam2ego: Of the camera of the stored pixels, (4, 4).
        orientation: EXIF orientation, 1 to 8; of a mirrored image, which is that of a mirrored
            world, the result mirrors, too.
    """
    axes = np.eye(4)
    axes[:2, :2] = AXES[orientation]
    return cam2ego @ axes.T


def check_mounting(cam2ego: object) -> np.ndarray:
    """Mounting as float64 (4, 4), or what is wrong with it.

    Raises:
        ValueError: If it is not rigid, or the camera not above the ground.
    """
    try:
        matrix = np.array(cam2ego, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f'cam2ego must be four rows of four numbers ({error})') from error
    if matrix.shape != (4, 4):
        raise ValueError(f'cam2ego must be a 4 x 4 matrix, got shape {matrix.shape}; {OF_HEIGHT}')
    rotation, height = matrix[:3, :3], matrix[2, 3]
    if not np.isfinite(matrix).all():
        raise ValueError(f'cam2ego holds numbers that are not finite; {OF_HEIGHT}')
    if not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise ValueError(
            f'the last row of cam2ego must be 0 0 0 1, got {matrix[3].tolist()}; is it transposed?'
        )
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise ValueError(
            'cam2ego must be rigid: its first three rows and columns are no rotation (orthogonal, '
            'determinant 1); write its numbers out, and in metres without a scale'
        )
    if height < HEIGHTS[0]:
        raise ValueError(
            f'cam2ego has the camera {height:g} m above the ground, its row 2, column 3; it '
            f'must be at least {HEIGHTS[0]:g} m in a frame whose z axis points up from the ground; '
            'is it the inverse, ego2cam? Leave the mounting out where nobody knows the height'
        )
    if height > HEIGHTS[1]:
        raise ValueError(f'cam2ego has the camera {height:g} m above the ground; are these metres?')
    return matrix


def fitting_mounting(
    cam2ego: object, orientation: int = 1, path: object = 'the image'
) -> np.ndarray:
    """Mounting of the camera of loaded pixels, checked.

    Args:
        cam2ego: Mounting of the camera that the intrinsics are of, see ``check_mounting``.
        orientation: EXIF orientation by which the pixels and their camera are turned.
        path: Of the image, for messages.

    Returns:
        ``cam2ego``, float64 (4, 4).

    Raises:
        ValueError: If it is no mounting, or has the ground elsewhere than on the lower side of the
            image; the message names the image.
    """
    try:
        turned = turn_mounting(check_mounting(cam2ego), orientation)
    except ValueError as error:
        raise ValueError(f'{printable(path)}: {error}') from error
    if ground_plane(turned) is None:
        when = ' once EXIF has turned it; cam2ego is of the stored pixels, as its intrinsics are'
        raise ValueError(
            f'{printable(path)}: cam2ego has the camera upside down or on its side, so that the '
            f'ground is not on the lower side of the image{when if orientation != 1 else ""}; its '
            'axes must be x right, y down, z forward, and those of the vehicle z up'
        )
    return turned
