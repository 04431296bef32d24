"""Deferred shading in compiled code: ground, sky, walls, leaves, haze.

Every pixel's world point follows from its ray and depth, so textures are functions of the world
point and need no coordinates on the meshes. Fine detail fades with distance, where it would only
alias.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..content.materials import FACADE, FOLIAGE, GLASS, GROUND
from ..content.world import LANE

_CONTACT = 0.45  # fraction of the shaded light that reaches the ground under an object
_LIT_WINDOWS = 0.35  # share of windows with light behind them at night


@njit(cache=True, fastmath=True, error_model='numpy')
def _hash(i, j, seed):
    """A number in 0..1 that looks random but belongs to a lattice cell."""
    h = np.uint32(i * 374761393 + j * 668265263 + seed * 974634777)
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(1274126177))
    h = np.uint32(h ^ (h >> np.uint32(16)))
    return h / 4294967295.0


@njit(cache=True, fastmath=True, error_model='numpy')
def _noise(x, y, seed):
    """Smooth value noise in 0..1 with unit cells."""
    i, j = int(np.floor(x)), int(np.floor(y))
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    low = _hash(i, j, seed) * (1 - u) + _hash(i + 1, j, seed) * u
    high = _hash(i, j + 1, seed) * (1 - u) + _hash(i + 1, j + 1, seed) * u
    return low * (1 - v) + high * v


@njit(cache=True, fastmath=True, error_model='numpy')
def _marking(x, y, street):
    """Whether paint covers the road at a point: 0 none, 1 white, 2 yellow."""
    ay, road = abs(y), street.lanes * LANE
    off = abs(x - street.cross_x) - street.cross_half
    if off < 6.0:
        if 1.0 < off < 4.2 and ay < road and (y % 1.1) < 0.55:
            return 1
        if 5.0 < off < 5.4 and ay < road and y * (x - street.cross_x) > 0:
            return 1
        return 0
    if 0.10 < ay < 0.24:
        return 2
    if abs(ay - road) < 0.07 and street.parking > 0.5:
        return 1
    for k in range(1, int(street.lanes)):
        if abs(ay - k * LANE) < 0.08 and (x % 7.0) < 3.2:
            return 1
    if street.parking > 4.0 and road < ay < road + street.parking and (x % 2.9) < 0.12:
        return 1
    return 0


@njit(cache=True, fastmath=True, error_model='numpy')
def _ground(x, y, distance, street, out):
    """Albedo of the ground at a point."""
    detail = 1.0 / (1.0 + distance / 9.0)
    grain = (_hash(int(np.floor(x * 14)), int(np.floor(y * 14)), 3) - 0.5) * detail
    patch = _noise(x / 3.1, y / 1.7, 5) - 0.5
    half = street.lanes * LANE + street.parking
    ay, ax = abs(y), abs(x - street.cross_x)
    on_street, on_cross = ay < half, ax < street.cross_half
    if on_street or on_cross:
        base = street.tint * (1.0 + 0.16 * patch) + 0.10 * grain
        out[0], out[1], out[2] = base, base, base * 1.03
        paint = _marking(x, y, street) if on_street else 0
        if paint == 1:
            out[:] = 0.78 + 0.1 * grain
        elif paint == 2:
            out[0], out[1], out[2] = 0.78, 0.60, 0.12
        elif not on_street and abs(x - street.cross_x) < 0.1:
            out[:] = 0.75
        return
    beyond, beyond_cross = ay - half, ax - street.cross_half
    edge = min(beyond, beyond_cross)
    if edge < 0.28:
        along = x if beyond < beyond_cross else y
        out[:] = (0.66 if (along % 2.4) < 1.2 else 0.52) + 0.08 * grain
    elif edge < street.sidewalk + 0.3:
        joint = ((x % 1.2) < 0.06 or (y % 1.2) < 0.06) and distance < 30
        tile = _hash(int(np.floor(x / 1.2)), int(np.floor(y / 1.2)), 9) - 0.5
        base = 0.52 + 0.05 * tile + 0.07 * grain - (0.10 if joint else 0.0)
        out[0], out[1], out[2] = base * 1.04, base, base * 0.95
    elif street.grass > 0.5:
        base = 0.30 + 0.10 * patch + 0.16 * grain
        out[0], out[1], out[2] = base * 0.70, base * 1.0, base * 0.38
    else:
        base = 0.44 + 0.06 * patch + 0.06 * grain
        out[0], out[1], out[2] = base * 1.05, base, base * 0.9


@njit(cache=True, fastmath=True, error_model='numpy')
def _sky(dx, dy, dz, light, out):
    """Colour of the sky in a direction (unit vector)."""
    up = max(dz, 0.0)
    blend = 1.0 - (1.0 - up) ** 3.5
    for c in range(3):
        out[c] = light.haze[c] + (light.zenith[c] - light.haze[c]) * blend
    sun = dx * light.to_sun[0] + dy * light.to_sun[1] + dz * light.to_sun[2]
    glow = max(sun, 0.0) ** 24 * 0.35 * (1.0 - light.clouds)
    px, py = dx / (up + 0.12), dy / (up + 0.12)
    cover = 0.5 * _noise(px * 1.3, py * 1.3, light.seed) + 0.3 * _noise(
        px * 2.9, py * 2.9, light.seed + 1
    )
    cover += 0.2 * _noise(px * 6.3, py * 6.3, light.seed + 2)
    cover = min(max((cover - 0.62 + 0.5 * light.clouds) * 3.5, 0.0), 1.0) * min(up * 6, 1.0)
    for c in range(3):
        out[c] += glow + (light.cloud - out[c]) * cover * 0.85


@njit(cache=True, fastmath=True, error_model='numpy')
def _window(tone, row, light, out):
    """A window after sunset: it mirrors the sky, or a lamp shines behind it."""
    lit = tone * 7.0 % 1.0 < (_LIT_WINDOWS if row else 0.6)
    if lit:
        bright = light.glow * (0.35 + 0.65 * tone)
        out[0], out[1], out[2] = bright, bright * 0.78, bright * (0.38 + 0.4 * (tone * 13.0 % 1.0))
    else:
        for c in range(3):
            out[c] *= 0.2 + 1.5 * light.sky[c]


@njit(cache=True, fastmath=True, error_model='numpy')
def _lamplight(x, y, lamps, out):
    """Lamplight on the ground at a point, interpolated."""
    rows, columns = lamps.light.shape[:2]
    u, v = (x - lamps.x) / lamps.step, (y - lamps.y) / lamps.step
    i, j = int(np.floor(v)), int(np.floor(u))
    if i < 0 or j < 0 or i >= rows - 1 or j >= columns - 1:
        out[:] = 0.0
        return
    u, v = u - j, v - i
    for c in range(3):
        low = lamps.light[i, j, c] * (1 - u) + lamps.light[i, j + 1, c] * u
        high = lamps.light[i + 1, j, c] * (1 - u) + lamps.light[i + 1, j + 1, c] * u
        out[c] = low * (1 - v) + high * v


@njit(cache=True, fastmath=True, error_model='numpy')
def _light_ground(x, y, part, light, lamps, out):
    """Daylight, of which a part arrives, and lamplight on the ground."""
    if light.glow > 0:
        extra = np.empty(3)
        _lamplight(x, y, lamps, extra)
        for c in range(3):
            out[c] *= (light.sky[c] + light.sun[c] * light.to_sun[2] + extra[c]) * part
    else:
        for c in range(3):
            out[c] *= (light.sky[c] + light.sun[c] * light.to_sun[2]) * part


@njit(cache=True, fastmath=True, error_model='numpy')
def _wet(x, y, dx, dy, dz, street, light, out):
    """Water darkens the ground and, seen at a flat angle, mirrors the sky; more so in puddles."""
    down = -dz / np.sqrt(dx * dx + dy * dy + dz * dz)
    half = street.lanes * LANE + street.parking
    on_road = min(abs(y) - half, abs(x - street.cross_x) - street.cross_half) < 0
    puddle = min(max(3.0 * (_noise(x / 2.3, y / 1.1, 23) - 0.55), 0.0), 1.0)
    mirror = (0.04 + 0.55 * (1.0 - down) ** 5) * (0.55 + 0.45 * puddle if on_road else 0.35)
    blend = 1.0 - (1.0 - down) ** 3.5
    for c in range(3):
        sky = light.haze[c] + (light.zenith[c] - light.haze[c]) * blend
        out[c] = out[c] * (1.0 - 0.4 * light.wet) * (1 - mirror) + light.wet * mirror * sky


@njit(cache=True, fastmath=True, error_model='numpy')
def _texture(material, px, py, pz, normal, distance, light, out):
    """Modulate a lit surface colour in place by its material."""
    if material == FACADE and abs(normal[2]) < 0.5:
        along = px if abs(normal[1]) > 0.5 else py
        column, row = int(np.floor(along / 2.6)), int(np.floor(pz / 3.2))
        u, v = along / 2.6 - column, pz / 3.2 - row
        glass = 0.22 < u < 0.80 and (0.28 < v < 0.80 if row else v < 0.78)
        if glass:
            tone = _hash(column, row, int(abs(normal[1]) > 0.5))
            bright = 0.16 + 0.22 * tone * tone
            out[0], out[1], out[2] = bright * 0.85, bright * 0.98, bright * 1.12
            if light.glow > 0:
                _window(tone, row, light, out)
        else:
            out *= 0.93 + 0.14 * _noise(along * 1.1, pz * 2.3, 11)
    elif material == FOLIAGE:
        leaf = _noise(px * 3.3 + pz * 2.1, py * 3.3 - pz * 2.7, 17)
        fine = _noise(px * 9.0 + pz * 6.0, py * 9.0 - pz * 8.0, 19)
        out *= 0.45 + 0.75 * leaf + 0.45 * (fine - 0.5) / (1 + distance / 25)


@njit(cache=True, fastmath=True, error_model='numpy')
def shade(buffers, shadows, lit, normals, materials, contacts, view, street, light, lamps, image):
    """Colour every pixel.

    Args:
        buffers: of what is visible, two `(H, W)`: 1 / depth, and triangle or -1 for level ground
            and sky.
        shadows: of shadows on the ground, two `(H, W)`: 1 / depth, and triangle or -1.
        lit: `(T, 3)` float32 colours of the triangles after lighting.
        normals: `(T, 3)` float32.
        materials: `(T,)` int32.
        contacts: shadow triangles below this index lie right under an object.
        view: the camera.
        street: ground texture parameters.
        light: daylight.
        lamps: lamplight on the ground; not looked at by day.
        image: `(H, W, 3)` float32, filled with RGB in about 0..1.
    """
    inv_depth, triangle = buffers
    shadow_depth, shadow = shadows
    height, width = inv_depth.shape
    color, behind = np.empty(3), np.empty(3)
    rotation, origin = view.rotation, view.origin
    for row in range(height):
        y = (row + 0.5 - view.center[1]) / view.focal[1]
        for col in range(width):
            x = (col + 0.5 - view.center[0]) / view.focal[0]
            dx = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0]
            dy = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1]
            dz = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2]
            t = triangle[row, col]
            if t < 0 and dz > -1e-3:
                norm = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz)
                _sky(dx * norm, dy * norm, dz * norm, light, color)
                image[row, col] = color
                continue
            depth = 1.0 / inv_depth[row, col] if t >= 0 else -origin[2] / dz
            px, py = origin[0] + depth * dx, origin[1] + depth * dy
            pz = origin[2] + depth * dz
            if t >= 0 and materials[t] != GROUND:
                for c in range(3):
                    color[c] = lit[t, c]
                if materials[t] == GLASS:  # reflects the sky above the opposite side
                    n = normals[t]
                    dot = 2.0 * (dx * n[0] + dy * n[1] + dz * n[2])
                    rx, ry, rz = dx - dot * n[0], dy - dot * n[1], dz - dot * n[2]
                    norm = 1.0 / np.sqrt(rx * rx + ry * ry + rz * rz)
                    mirror = 0.30 * min(max(rz * norm * 2.5, 0.0), 1.0)
                    for c in range(3):
                        color[c] += mirror * light.zenith[c]
                else:
                    _texture(materials[t], px, py, pz, normals[t], depth, light, color)
            else:
                shade_of = shadow[row, col]
                # On hills the nearest shadow along a ray may lie on another slope.
                if t >= 0 and abs(shadow_depth[row, col] * depth - 1.0) > 0.03:
                    shade_of = -1
                part = light.shadow if shade_of >= 0 else 1.0
                if 0 <= shade_of < contacts:
                    part *= _CONTACT
                _ground(px, py, depth, street, color)
                _light_ground(px, py, part, light, lamps, color)
                if light.wet > 0:
                    _wet(px, py, dx, dy, dz, street, light, color)
            fade = np.exp(-depth / light.haze_range)
            for c in range(3):
                behind[c] = light.haze[c]
                image[row, col, c] = behind[c] + (color[c] - behind[c]) * fade
