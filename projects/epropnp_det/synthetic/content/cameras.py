"""The camera and LiDAR rig of the synthetic vehicle: nuScenes-like geometry.

Frames (nuScenes): ego x forward, y left, z up, origin on the ground under the rear axle; camera
x right, y down, z forward; LiDAR x right, y forward, z up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CANVAS = (1600, 900)  # pixels, width and height at scale 1

# name: (x, y, z of the camera in the ego frame, heading in degrees, focal length in pixels)
_NOMINAL = {
    'CAM_FRONT': ((1.70, 0.0, 1.51), 0.0, 1266.0),
    'CAM_FRONT_RIGHT': ((1.55, -0.49, 1.50), -55.0, 1261.0),
    'CAM_FRONT_LEFT': ((1.52, 0.49, 1.51), 55.0, 1273.0),
    'CAM_BACK': ((0.03, 0.0, 1.58), 180.0, 809.0),
    'CAM_BACK_LEFT': ((1.03, 0.48, 1.59), 110.0, 1257.0),
    'CAM_BACK_RIGHT': ((1.01, -0.48, 1.56), -110.0, 1260.0),
}
CAMERA_NAMES = tuple(_NOMINAL)
LIDAR_NAME = 'LIDAR_TOP'
LIDAR_TRANSLATION = (0.94, 0.0, 1.84)
LIDAR_YAW = -np.pi / 2
_PRINCIPAL_POINT = (810.0, 490.0)
# Columns: camera axes (right, down, forward) in an ego frame that the camera looks along.
_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


class Camera(NamedTuple):
    """One camera of the rig.

    Attributes:
        name: nuScenes channel, e.g. `CAM_FRONT`.
        rotation: `(3, 3)` camera to ego.
        translation: `(3,)` camera centre in the ego frame, metres.
        cam2img: `(3, 3)` intrinsics in pixels, edge convention.
        size: `(width, height)` in pixels.
    """

    name: str
    rotation: np.ndarray
    translation: np.ndarray
    cam2img: np.ndarray
    size: tuple


def image_size(scale: float) -> tuple:
    """Width and height of the images at a scale.

    Args:
        scale: factor on 1600 x 900.

    Returns:
        `(width, height)`, whole pixels.

    Raises:
        ValueError: the scale is not positive or does not give whole pixels.
    """
    size = tuple(round(side * scale) for side in CANVAS)
    if min(size) < 1 or any(abs(s - c * scale) > 1e-6 for s, c in zip(size, CANVAS)):
        raise ValueError(
            f'scale {scale} does not give whole pixels on {CANVAS}; use a multiple of 0.01, '
            'such as 0.25 (400 x 225)'
        )
    return size


def _euler(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation about z (yaw), then y (pitch), then x (roll); radians; `(3, 3)`."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x


def remount(rig: tuple, rng: np.random.Generator) -> tuple:
    """The cameras of another vehicle: higher or lower, pitched, with other lenses.

    Args:
        rig: `Camera`s of the usual vehicle.
        rng: source of the height of all cameras (0.8 to 2.5 m, instead of 1.5 m), and of the pitch
            (up to 4 degrees), the focal length (0.75 to 1.33 times) and the principal point (up to
            5 % of the image's sides from where it was) of each.

    Returns:
        As many `Camera`s; sizes, headings and places on the vehicle stay.
    """
    lift = rng.uniform(0.8, 2.5) - 1.5
    cameras = []
    for camera in rig:
        pitch = np.deg2rad(rng.uniform(-4, 4))
        cam2img = camera.cam2img.copy()
        cam2img[[0, 1], [0, 1]] *= np.exp(rng.uniform(np.log(0.75), np.log(1.33)))
        cam2img[:2, 2] += rng.uniform(-0.05, 0.05, 2) * camera.size
        cameras.append(
            camera._replace(
                rotation=camera.rotation @ _euler(0.0, 0.0, pitch),  # about its own x axis
                translation=camera.translation + np.array([0, 0, lift]),
                cam2img=cam2img,
            )
        )
    return tuple(cameras)


def make_rig(scale: float, rng: np.random.Generator) -> tuple:
    """The six cameras of one vehicle, each calibrated a little differently.

    Args:
        scale: factor on image size; the first two rows of the intrinsics are multiplied by it.
        rng: source of the mounting errors (a third of a degree, half a percent of focal length).

    Returns:
        Six `Camera`s, in the order of `CAMERA_NAMES`.
    """
    size = image_size(scale)
    rig = []
    for name, (position, heading, focal) in _NOMINAL.items():
        angles = np.deg2rad(rng.normal(0.0, 0.3, 3).clip(-0.8, 0.8))
        rotation = _euler(np.deg2rad(heading) + angles[0], angles[1], angles[2]) @ _AXES
        focal = focal * (1 + 0.005 * rng.uniform(-1, 1))
        cx, cy = _PRINCIPAL_POINT + rng.uniform(-8, 8, 2)
        cam2img = np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1.0]])
        cam2img[:2] *= scale
        translation = np.array(position) + rng.normal(0.0, 0.01, 3).clip(-0.03, 0.03)
        rig.append(Camera(name, rotation, translation, cam2img, size))
    return tuple(rig)
