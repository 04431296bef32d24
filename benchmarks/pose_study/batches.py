"""Crops for training, cut and changed on the device as the data set does it on the CPU."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from epropnp_6dof.models.structures import Crops, Targets

from .pools import Pool
from .turns import quaternion

RESOLUTION, GRID, PADDING = 128, 32, 1.5


class Options(NamedTuple):
    """Strengths of the changes."""

    shift: float = 0.2
    zoom: float = 0.25
    max_angle: float = 0.5
    color: float = 0.7
    occlusion: float = 0.3


class ObjectTables(NamedTuple):
    """Half extents (3,), centre (3,), symmetries (M, 4, 4)."""

    half_extents: Tensor
    center: Tensor
    symmetries: Tensor


class Windows(NamedTuple):
    """Centres (n, 2), sizes (n,) and turns (n,) of crops."""

    center: Tensor
    size: Tensor
    angle: Tensor

    def level(self, side: int) -> Tensor:
        """Cell centres in pixels of the level image, (n, side, side, 2)."""
        steps = (torch.arange(side, device=self.size.device) - (side - 1) / 2) / side
        grid = torch.stack(torch.meshgrid(steps, steps, indexing='xy'), -1)
        return self.center[:, None, None] + grid * self.size[:, None, None, None]

    def turn(self) -> Tensor:
        """Image to level image, (n, 3, 3)."""
        cos, sin = self.angle.cos(), self.angle.sin()
        matrix = torch.zeros(len(cos), 3, 3, device=cos.device)
        matrix[:, 0, 0] = matrix[:, 1, 1] = cos
        matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 2, 2] = -sin, sin, 1
        moved = (matrix[:, :2, :2] @ self.center[..., None]).squeeze(-1)
        matrix[:, :2, 2] = self.center - moved
        return matrix

    def places(self, side: int) -> Tensor:
        """Cell centres in pixels of the image, (n, side, side, 2)."""
        offset = self.level(side) - self.center[:, None, None]
        back = self.turn()[:, :2, :2]  # rows times a rotation turn by its inverse
        return self.center[:, None, None] + offset @ back[:, None]


def draw_windows(box: Tensor, options: Options) -> Windows:
    """As `crops.crop.jittered_crop`."""
    factor, dx, dy, turn = (2 * torch.rand(4, len(box), device=box.device) - 1).unbind()
    center = box[:, :2] + box[:, 2:] / 2 - 0.5
    center = center + options.shift * torch.stack([dx, dy], 1) * box[:, 2:]
    size = PADDING * (1 + options.zoom * factor) * box[:, 2:].amax(1)
    return Windows(center, size, turn * options.max_angle)


def sample(image: Tensor, places: Tensor, mode: str = 'bilinear') -> Tensor:
    """Values of images (n, C, h, w) at pixels (n, a, b, 2), zero outside."""
    size = torch.tensor([image.shape[3], image.shape[2]], device=image.device)
    return F.grid_sample(image, (2 * places + 1) / size - 1, mode=mode, align_corners=False)


def surface(points: Tensor, places: Tensor, tolerance: float = 0.004) -> Tensor:
    """Points of the nearest pixels, smoothed where their neighbours lie on the same surface."""
    valid = (points != 0).any(1, keepdim=True).float()
    mixed = sample(torch.cat([points, valid], 1), places)
    nearest = sample(points, places, 'nearest')
    smooth = mixed[:, :3] / mixed[:, 3:].clamp(min=0.2)
    same = ((smooth - nearest).abs() < tolerance).all(1, keepdim=True)
    return torch.where(same & (nearest != 0).any(1, keepdim=True), smooth, nearest)


def random_backgrounds(photos: Tensor, count: int, side: int) -> Tensor:
    """Random windows of photographs, (count, 3, side, side) in 0..255."""
    device, number = photos.device, len(photos) // 2
    chosen = torch.randint(2 * number, (count,), device=device)
    shrink = torch.where(chosen < number, 1.0, 0.5)
    window = 72 + (230 - 72) * torch.rand(count, device=device)
    room = torch.stack([640 * shrink - window, 480 * shrink - window], 1)
    corner = room * torch.rand(count, 2, device=device)
    windows = Windows(corner + window[:, None] / 2, window, torch.zeros_like(window))
    return sample(photos[chosen].float(), windows.level(side))


def occluders(count: int, side: int, device: torch.device, prob: float) -> Tensor:
    """Ellipses and boxes that hide a part, (count, 1, side, side) bool."""
    draw = torch.rand(7, count, 1, 1, device=device)
    line = (torch.arange(side, device=device) + 0.5) / side
    y, x = line[None, :, None] - draw[0], line[None, None, :] - draw[1]
    cos, sin = (math.pi * draw[2]).cos(), (math.pi * draw[2]).sin()
    across, along = (0.05 + 0.2 * draw[3]), (0.05 + 0.2 * draw[4])
    u, v = (cos * x + sin * y) / across, (cos * y - sin * x) / along
    ellipse, box = u * u + v * v < 1, (u.abs() < 1) & (v.abs() < 1)
    return (torch.where(draw[5] < 0.5, ellipse, box) & (draw[6] < prob))[:, None]


def random_colors(image: Tensor, strength: float) -> Tensor:
    """Other light, other camera; as `data.augment.random_colors`, (n, 3, h, w) in 0..255."""
    count, device = len(image), image.device
    u = 2 * torch.rand(count, 9, device=device) - 1
    gain = (1 + strength * 0.25 * u[:, :3]) * (1 + strength * 0.35 * u[:, 3:4])
    saturation = (1 + strength * 0.5 * u[:, 4])[:, None, None]
    contrast, gamma = 1 + strength * 0.3 * u[:, 5], 1 + strength * 0.3 * u[:, 6]
    eye = torch.eye(3, device=device)
    matrix = (saturation * eye + (1 - saturation) / 3) * contrast[:, None, None] * gain[:, None]
    level = (image.mean((2, 3)) * gain).mean(1)
    shift = (1 - contrast) * level
    x = torch.einsum('nij,njhw->nihw', matrix, image) + shift[:, None, None, None]
    line = torch.tensor([0.06, 0.24, 0.4, 0.24, 0.06], device=device)
    kernel = (line[:, None] * line).expand(3, 1, 5, 5)
    blurred = F.conv2d(F.pad(x, (2, 2, 2, 2), mode='replicate'), kernel, groups=3)
    amount = torch.where(u[:, 7] > 0, u[:, 7], 0.4 * u[:, 7]) * (
        torch.rand(count, device=device) < 0.5
    )
    x = x + amount[:, None, None, None] * (blurred - x)
    noise = 10 * torch.rand(count, 1, 1, 1, device=device) * (u[:, 8] > 0.3)[:, None, None, None]
    x = x + noise * torch.randn_like(x)
    return 255 * (x.clamp(0, 255) / 255).clamp(min=1e-4) ** gamma[:, None, None, None]


class Source(NamedTuple):
    """A pool, how many crops of a batch it gives, and when its background is replaced.

    Attributes:
        premultiplied: Whether colours are already multiplied with the share.
    """

    pool: Pool
    count: int
    background_prob: float
    premultiplied: bool


@torch.no_grad()
def cut(source: Source, photos: Tensor, options: Options) -> tuple:
    """Pixels, points and share in the cells, windows, poses and cameras of one source."""
    pool, device = source.pool, photos.device
    index = torch.randint(len(pool.box), (source.count,), device=device)
    windows = draw_windows(pool.box[index], options)
    image = pool.image[index].float()
    pixels = sample(image, windows.places(RESOLUTION))
    pixels, share = pixels[:, :3], pixels[:, 3:] / 255
    back = random_backgrounds(photos, source.count, RESOLUTION)
    pasted = (pixels if source.premultiplied else pixels * share) + back * (1 - share)
    replaced = torch.rand(source.count, 1, 1, 1, device=device) < source.background_prob
    pixels = torch.where(replaced, pasted, pixels)
    cells = windows.places(GRID)
    mask = sample(image[:, 3:], cells)[:, 0] / 255
    points = surface(pool.points[index].float(), cells)
    mask = mask * (points != 0).any(1)
    truth = (pool.rotation[index], pool.translation[index], pool.cam2img[index])
    return pixels, points, mask, *windows, *truth


@torch.no_grad()
def make_batch(
    sources: list[Source], photos: Tensor, tables: ObjectTables, options: Options
) -> tuple[Tensor, Crops, Targets]:
    """Crops and targets of a training step."""
    parts = [cut(source, photos, options) for source in sources]
    fields = [torch.cat(values) for values in zip(*parts)]
    pixels, points, mask, center, size, angle, rotation, translation, cam2img = fields
    windows, count = Windows(center, size, angle), len(pixels)
    hidden = occluders(count, RESOLUTION, photos.device, options.occlusion)
    pixels = torch.where(hidden, random_backgrounds(photos, count, RESOLUTION), pixels)
    mask = mask * (1 - F.avg_pool2d(hidden.float(), RESOLUTION // GRID)[:, 0])
    pixels = random_colors(pixels, options.color).round() / 255
    crops = Crops(
        windows.level(GRID),
        size / GRID,
        windows.turn() @ cam2img,
        tables.half_extents.expand(count, 3),
        tables.center.expand(count, 3),
    )
    turn, move = tables.symmetries[:, :3, :3], tables.symmetries[:, :3, 3]
    rotations = rotation[:, None] @ turn
    moved = (rotation[:, None] @ move[..., None]).squeeze(-1) + translation[:, None]
    poses = torch.cat([moved, quaternion(rotations)], -1)
    flat = points.flatten(2).transpose(1, 2)[:, None]  # (n, 1, cells, 3)
    equivalent = (flat - move[:, None]) @ turn
    noc = (equivalent - tables.center) / tables.half_extents
    noc = noc.transpose(2, 3).unflatten(3, (GRID, GRID))
    return pixels, crops, Targets(poses, noc, mask)
