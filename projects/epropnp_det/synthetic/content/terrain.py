"""The shape of the ground along the street, and how things stand on it.

The ground's height depends on x alone, the direction of the street. Over a level street everything
here is exact; over hills objects stand on the tangent plane at their centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...rendering.meshes import Mesh
from .materials import GROUND

_STRIP = 2.5  # metres of the ground between two edges of its mesh; it strays by millimetres
_FAR = 3000.0  # metres at which the mesh ends


class Frame(NamedTuple):
    """A position and orientation in space.

    Attributes:
        rotation: `(3, 3)`, from this frame to the one in which it is given.
        translation: `(3,)` metres.
    """

    rotation: np.ndarray
    translation: np.ndarray

    def compose(self, other: Frame) -> Frame:
        """The frame `other`, given in this frame, in the frame this one is given in."""
        return Frame(
            self.rotation @ other.rotation, self.rotation @ other.translation + self.translation
        )


class Terrain(NamedTuple):
    """A sum of waves along x; no wave makes a level street.

    Attributes:
        amplitudes: `(K,)` metres.
        wavenumbers: `(K,)` radians per metre.
        phases: `(K,)` radians.
    """

    amplitudes: np.ndarray = np.zeros(0)
    wavenumbers: np.ndarray = np.zeros(0)
    phases: np.ndarray = np.zeros(0)

    @property
    def level(self) -> bool:
        """Whether the ground is z = 0 everywhere."""
        return len(self.amplitudes) == 0

    def height(self, x: np.ndarray) -> np.ndarray:
        """Height of the ground in metres, shape of `x`."""
        angle = np.multiply.outer(x, self.wavenumbers) + self.phases
        return (self.amplitudes * np.sin(angle)).sum(-1)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Change of height with x, shape of `x`."""
        angle = np.multiply.outer(x, self.wavenumbers) + self.phases
        return (self.amplitudes * self.wavenumbers * np.cos(angle)).sum(-1)

    def stand(self, xy: np.ndarray, yaw: float) -> Frame:
        """Pose of something that stands on the ground with a heading.

        Args:
            xy: `(2,)` metres.
            yaw: heading, radians.

        Returns:
            Frame whose z axis is the ground's normal and whose x axis points along the heading.
        """
        c, s = np.cos(yaw), np.sin(yaw)
        if self.level:
            return Frame(
                np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]), np.array([xy[0], xy[1], 0.0])
            )
        slope = float(self.slope(xy[0]))
        up = np.array([-slope, 0.0, 1.0]) / np.hypot(slope, 1.0)
        forward = np.array([c, s, c * slope])
        forward /= np.linalg.norm(forward)
        rotation = np.stack([forward, np.cross(up, forward), up], 1)
        return Frame(rotation, np.array([xy[0], xy[1], float(self.height(xy[0]))]))

    def drop(self, points: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Slide points along a direction until they meet the ground.

        Args:
            points: `(..., 3)`.
            direction: `(3,)`, not level.

        Returns:
            `(..., 3)` points on the ground; exact where it is level.
        """
        ground = np.zeros_like(points[..., 2])
        for _ in range(0 if self.level else 4):
            landing = points[..., 0] - (points[..., 2] - ground) / direction[2] * direction[0]
            ground = self.height(landing)
        flat = points - direction * ((points[..., 2:] - ground[..., None]) / direction[2])
        flat[..., 2] = ground
        return flat

    def first_hit(self, origin: np.ndarray, rays: np.ndarray, reach: float) -> np.ndarray:
        """Distance along rays to the ground.

        Args:
            origin: `(3,)` above the ground.
            rays: `(..., 3)` unit vectors.
            reach: metres after which nothing is looked for.

        Returns:
            `(...)` metres, infinite where the ground is not met.
        """
        if self.level:
            with np.errstate(divide='ignore'):
                return np.where(rays[..., 2] < 0, -origin[2] / rays[..., 2], np.inf)

        def above(distance: np.ndarray) -> np.ndarray:
            x = origin[0] + distance * rays[..., 0]
            return origin[2] + distance * rays[..., 2] - self.height(x)

        low, found = np.zeros(rays.shape[:-1]), np.zeros(rays.shape[:-1], bool)
        for distance in np.arange(1.0, reach + 1):  # the first metre that ends below ground
            found |= above(np.where(found, low + 1, distance)) < 0
            low = np.where(found, low, distance)
        high = low + 1
        for _ in range(20):
            middle = (low + high) / 2
            below = above(middle) < 0
            low, high = np.where(below, low, middle), np.where(below, middle, high)
        return np.where(found, high, np.inf)

    def mesh(self, start: float, end: float) -> Mesh:
        """The ground as strips across the street; nothing where it is level.

        Args:
            start: lowest x of the fine strips, metres; beyond lies level ground.
            end: highest x.

        Returns:
            Triangles that face upward.
        """
        edges = np.arange(start, end + _STRIP, _STRIP)
        x = np.concatenate([[start - _FAR], edges, [edges[-1] + _FAR]])
        if self.level:
            x = x[:1]
        z = self.height(np.clip(x, start, edges[-1]))
        rows = np.stack([x, np.zeros_like(x), z], 1)  # (n, 3)
        right, left = rows - (0, _FAR, 0), rows + (0, _FAR, 0)
        near, far = slice(None, -1), slice(1, None)
        triangles = np.concatenate(
            [
                np.stack([right[near], right[far], left[far]], 1),
                np.stack([right[near], left[far], left[near]], 1),
            ]
        )
        count = len(triangles)
        return Mesh(
            triangles.astype(np.float32),
            np.full((count, 3), 0.3, np.float32),
            np.full(count, GROUND, np.int32),
        )


def make_hills(rng: np.random.Generator) -> Terrain:
    """Two waves: slopes reach 3 to 8 percent, and a crest may hide what comes behind it."""
    lengths = rng.uniform((90, 45), (160, 70))  # metres
    slopes = rng.uniform((0.03, 0.01), (0.06, 0.02))
    wavenumbers = 2 * np.pi / lengths
    return Terrain(slopes / wavenumbers, wavenumbers, rng.uniform(-np.pi, np.pi, 2))
