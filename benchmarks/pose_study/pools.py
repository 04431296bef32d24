"""Pictures with pose and surface, on the device: real ones, and new views that are drawn there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from .raster import draw, gather_corners
from .turns import about, ray_turn

SIDE = 160
"""Of the pictures of new views."""


class Pool(NamedTuple):
    """N pictures.

    Attributes:
        image: BGR and the object's share, (N, 4, h, w) uint8.
        points: Object frame, metres, zero where there is nothing, (N, 3, h, w) float16.
        rotation: (N, 3, 3).
        translation: (N, 3).
        cam2img: (N, 3, 3).
        box: x, y, w, h, (N, 4).
    """

    image: Tensor
    points: Tensor
    rotation: Tensor
    translation: Tensor
    cam2img: Tensor
    box: Tensor


class Shape(NamedTuple):
    """Triangles: vertices in metres (V, 3), faces (F, 3)."""

    vertices: Tensor
    faces: Tensor


class Truth(NamedTuple):
    """Poses, cameras and colours (n, V, 3) of views to draw."""

    rotation: Tensor
    translation: Tensor
    cam2img: Tensor
    colors: Tensor


def real_pool(folder: Path, data: dict, device: str) -> Pool:
    """The real training images."""
    count = len(data['box'])
    image = np.zeros((count, 480, 640, 4), np.uint8)
    points = np.zeros((count, 480, 640, 3), np.float16)
    for k in range(count):
        image[k, ..., :3] = cv2.imread(str(folder / 'real' / f'{k:03d}.jpg'))
        image[k, ..., 3] = np.unpackbits(data['masks'][k]).reshape(480, 640) * 255
        left, top = data['corners'][k]
        side = data['maps'].shape[1]
        target = points[k, top : top + side, left : left + side]
        target[:] = data['maps'][k, : target.shape[0], : target.shape[1]]
    fields = [torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).to(device) for a in (image, points)]
    poses = [
        torch.from_numpy(data[n]).float().to(device)
        for n in ('rotation', 'translation', 'cam2img', 'box')
    ]
    return Pool(*fields, *poses)


def nearby_views(
    pool: Pool, textures: Tensor, max_angle: float = 0.6, other_light: float = 0.25
) -> Callable[[int], Truth]:
    """Poses near those of real images, with colours of the same or of another image."""

    def give(count: int) -> Truth:
        device = textures.device
        source = torch.randint(len(textures), (count,), device=device)
        angle = max_angle * torch.rand(count, device=device).sqrt()
        turn = about(torch.randn(count, 3, device=device), angle)
        start = pool.translation[source]
        end = start * (0.8 + 0.4 * torch.rand(count, 1, device=device))
        end[:, :2] += 0.06 * torch.randn(count, 2, device=device) * end[:, 2:]
        rotation = ray_turn(start, end) @ turn @ pool.rotation[source]
        other = torch.randint(len(textures), (count,), device=device)
        light = torch.where(torch.rand(count, device=device) < other_light, other, source)
        return Truth(rotation, end, pool.cam2img[source], textures[light].float())

    return give


def lit_views(
    normals: Tensor, colors: Tensor, cam2img: Tensor, diameter: float
) -> Callable[[int], Truth]:
    """Any pose, painted vertices in random light; as ``synthetic.scenes`` of the package."""

    def give(count: int) -> Truth:
        device = colors.device
        q = torch.nn.functional.normalize(torch.randn(count, 4, device=device), dim=-1)
        rotation = about(q[:, 1:], 2 * torch.atan2(q[:, 1:].norm(dim=1), q[:, 0]))
        depth = diameter * (5 + 4 * torch.rand(count, 1, device=device))
        low, high = torch.tensor([[160.0, 120.0], [480.0, 360.0]], device=device)
        pixel = low + (high - low) * torch.rand(count, 2, device=device)
        rays = torch.cat([pixel, torch.ones_like(depth)], 1) @ cam2img.inverse().T
        light = torch.randn(count, 3, device=device) + torch.tensor([0, -0.5, -1.5], device=device)
        light = torch.nn.functional.normalize(light, dim=-1)
        lit = torch.einsum('vj,nij,ni->nv', normals, rotation, light).abs()
        gain = (0.35 + 0.65 * lit) * (0.7 + 0.4 * torch.rand(count, 1, device=device))
        shaded = 255 * colors * gain[..., None]
        return Truth(rotation, depth * rays, cam2img.expand(count, 3, 3), shaded.clamp(0, 255))

    return give


def draw_views(shape: Shape, truth: Truth, largest: float = 128.0) -> Pool:
    """Draws views at twice their size and halves them, so that edges are soft."""
    count, device = len(truth.rotation), truth.rotation.device
    seen = shape.vertices @ truth.rotation.transpose(1, 2) + truth.translation[:, None]
    pixels = seen @ truth.cam2img.transpose(1, 2)
    pixels = pixels[..., :2] / pixels[..., 2:]
    low, high = pixels.amin(1), pixels.amax(1)
    target = 75 + (largest - 75) * torch.rand(count, device=device)
    zoom = target / (high - low).amax(1)
    move = torch.eye(3, device=device).repeat(count, 1, 1)
    move[:, 0, 0] = move[:, 1, 1] = zoom
    move[:, :2, 2] = (SIDE - 1) / 2 - zoom[:, None] * (low + high) / 2
    camera = move @ truth.cam2img
    double = 2 * (zoom[:, None, None] * pixels + move[:, None, :2, 2]) + 0.5
    owner, shares = draw(torch.cat([double, seen[..., 2:]], -1), shape.faces, 2 * SIDE)
    surface = shape.vertices.expand(count, -1, -1)
    values = torch.cat([surface, truth.colors], -1)
    fine = gather_corners(values, shape.faces, owner, shares).permute(0, 3, 1, 2)
    hit = (owner >= 0)[:, None].float()
    share = torch.nn.functional.avg_pool2d(hit, 2)
    halved = torch.nn.functional.avg_pool2d(fine, 2)
    points = _one_surface(fine[:, :3], hit, halved[:, :3] / share.clamp(min=0.25))
    image = torch.cat([halved[:, 3:], 255 * share], 1).round().byte()
    box = _boxes(share[:, 0] >= 0.5)
    return Pool(image, points.half(), truth.rotation, truth.translation, camera, box)


def _one_surface(fine: Tensor, hit: Tensor, mean: Tensor, tolerance: float = 0.004) -> Tensor:
    """The mean of four points of one surface; one of them where they are not."""
    batch, _, side, _ = fine.shape
    quads = fine.view(batch, 3, side // 2, 2, side // 2, 2).transpose(3, 4).flatten(4)
    hits = hit.view(batch, 1, side // 2, 2, side // 2, 2).transpose(3, 4).flatten(4)
    first = hits.argmax(-1, keepdim=True).expand(-1, 3, -1, -1, 1)
    one = quads.gather(-1, first).squeeze(-1)
    near = ((mean - one).abs() < tolerance).all(1, keepdim=True)
    return torch.where(near, mean, one)


def _boxes(mask: Tensor) -> Tensor:
    """Bounding boxes x, y, w, h of masks (N, h, w)."""
    edges = []
    for lines in (mask.any(1), mask.any(2)):
        first = lines.float().argmax(1)
        last = lines.size(1) - 1 - lines.flip(1).float().argmax(1)
        edges.append((first, last - first + 1))
    (x, w), (y, h) = edges
    return torch.stack([x, y, w, h], 1).float()


class Views:
    """A pool of drawn views whose oldest ones are replaced step by step."""

    def __init__(self, shape: Shape, give: Callable[[int], Truth], size: int, chunk: int) -> None:
        self.shape, self.give, self.chunk, self.oldest = shape, give, chunk, 0
        parts = [self._more(chunk) for _ in range(-(-size // chunk))]
        self.pool = Pool(*(torch.cat(fields) for fields in zip(*parts)))

    @torch.no_grad()
    def _more(self, count: int) -> Pool:
        return draw_views(self.shape, self.give(count))

    def renew(self, count: int) -> None:
        """Replaces the oldest views."""
        if not count:
            return
        place = torch.arange(self.oldest, self.oldest + count) % len(self.pool.box)
        place = place.to(self.pool.box.device)
        self.oldest = (self.oldest + count) % len(self.pool.box)
        for old, new in zip(self.pool, self._more(count)):
            old[place] = new


def backgrounds(folder: Path, device: str) -> Tensor:
    """Photographs, each whole and halved (in the upper left quarter), (2 N, 3, 480, 640) uint8."""
    whole = [cv2.imread(str(path)) for path in sorted((folder / 'backgrounds').glob('*.jpg'))]
    halved = []
    for image in whole:
        canvas = np.zeros_like(image)
        canvas[:240, :320] = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
        halved.append(canvas)
    return torch.from_numpy(np.stack(whole + halved).transpose(0, 3, 1, 2).copy()).to(device)
