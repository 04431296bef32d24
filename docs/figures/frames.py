"""Draw the frames of docs/method.md 0 into docs/images/frames.png.

Example:
    python docs/figures/frames.py
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np

from epropnp_det.boxes.arrays import rotations

IMAGE = Path(__file__).resolve().parents[1] / 'images' / 'frames.png'
RED, GREEN, BLUE, INK, GREY = '#c0392b', '#1e8449', '#1f5fa8', '#222222', '#8a8a8a'
DIMENSIONS = (4.6, 1.7, 2.0)
POSITION = np.array([0.9, 0.6, 9.0])
YAW = -0.7
# The onlooker hovers behind the camera: depth runs to the right and up on the page.
ONLOOKER = np.array([[0.95, 0.0, 0.62], [0.12, 0.95, -0.34]])


def seen(points: np.ndarray) -> np.ndarray:
    """Pictures points of the camera frame for the onlooker, (..., 3) -> (..., 2)."""
    return points @ ONLOOKER.T * [1, -1]


def arrow(axes, start, end, color: str, text: str = '', width: float = 2.2) -> None:
    """An arrow with its name at the tip."""
    style = {'arrowstyle': '-|>', 'color': color, 'lw': width, 'shrinkA': 0, 'shrinkB': 0}
    axes.annotate('', xy=end, xytext=start, arrowprops=style)
    direction = (np.asarray(end) - start) / np.linalg.norm(np.asarray(end) - start)
    shift = 0.25 + 0.055 * len(text) * abs(direction[0])
    axes.text(*(end + shift * direction), text, color=color, ha='center', va='center', fontsize=10)


def draw_frames(axes) -> None:
    """The camera, one box, and the axes of both."""
    axes.set_title('camera frame and object frame', fontsize=11)
    for unit, color, name in zip(np.eye(3), (RED, GREEN, BLUE), ('x right', 'y down', 'z forward')):
        arrow(axes, seen(np.zeros(3)), seen(2.4 * unit), color, name)
    plane = np.array([[-1, -0.6, 1.2], [1, -0.6, 1.2], [1, 0.6, 1.2], [-1, 0.6, 1.2]]) * [1.2, 1, 1]
    axes.fill(*seen(plane).T, color=GREY, alpha=0.25)
    for corner in plane:
        axes.plot(*seen(np.stack((np.zeros(3), corner))).T, color=GREY, lw=0.8)
    rotation = rotations(np.array([YAW]))[0]
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    corners = seen(signs * DIMENSIONS @ rotation.T + POSITION)
    for i in range(8):
        for j in range(i):
            if np.count_nonzero(signs[i] != signs[j]) == 1:
                front = signs[i, 0] > 0 and signs[j, 0] > 0
                axes.plot(*corners[[i, j]].T, color=INK, lw=2.2 if front else 1.1)
    names = ('x forward (l)', 'y down (h)', 'z left (w)')
    for axis, (color, name) in enumerate(zip((RED, GREEN, BLUE), names)):
        end = POSITION + rotation[:, axis] * (0.5 * DIMENSIONS[axis] + 1.0)
        arrow(axes, seen(POSITION), seen(end), color, name)
    axes.plot(*seen(np.stack((np.zeros(3), POSITION))).T, color=GREY, lw=1, ls=':')
    axes.text(*(seen(POSITION * 0.5) + [0.1, -0.55]), 't', color=GREY, style='italic')
    axes.text(4.6, -1.6, r'$X_{\rm cam} = R\,X + t$', fontsize=11)
    axes.set_xlim(-2.4, 11.2)
    axes.set_ylim(-3.0, 4.8)


def draw_yaw(axes) -> None:
    """Yaw seen from above: x to the right, z up."""
    axes.set_title('yaw, from above', fontsize=11)
    for yaw, color in ((0.0, GREY), (YAW, INK)):
        forward = np.array([math.cos(yaw), -math.sin(yaw)])
        left = np.array([math.sin(yaw), math.cos(yaw)])
        corners = [
            a * 1.5 * forward + b * 0.65 * left
            for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1))
        ]
        axes.plot(*np.transpose(corners), color=color, lw=1.6, ls='-' if yaw else '--')
        name = f'yaw = {yaw:g}'
        arrow(axes, np.zeros(2), forward * 2.3, color, '', 1.8)
        axes.text(*(forward * 2.45), name, color=color, fontsize=10, va='center')
    turn = np.linspace(0, YAW)
    axes.plot(1.0 * np.cos(turn), -1.0 * np.sin(turn), color=INK, lw=1)
    arrow(axes, np.array([-3.0, -2.5]), np.array([-1.9, -2.5]), RED, 'x', 1.8)
    arrow(axes, np.array([-3.0, -2.5]), np.array([-3.0, -1.4]), BLUE, 'z', 1.8)
    axes.text(-1.2, -2.6, 'straight ahead is yaw = -π/2', fontsize=9, color=INK)
    axes.set_xlim(-3.4, 4.6)
    axes.set_ylim(-3.0, 2.8)


def draw_pixels(axes) -> None:
    """Where the first pixels' centres lie in both conventions."""
    axes.set_title('pixels', fontsize=11)
    for edge in range(4):
        axes.plot([0, 3], [-edge, -edge], color=GREY, lw=1)
        axes.plot([edge, edge], [0, -3], color=GREY, lw=1)
    axes.plot(0.5, -0.5, 'o', color=INK)
    arrow(axes, np.array([0.0, 0.0]), np.array([3.5, 0.0]), RED, 'u', 1.8)
    arrow(axes, np.array([0.0, 0.0]), np.array([0.0, -3.5]), GREEN, 'v', 1.8)
    text = 'first centre\nv2: (0.5, 0.5)\nv1, v1b: (0, 0)'
    axes.annotate(
        text, (0.5, -0.5), (3.3, -2.2), fontsize=10, arrowprops={'arrowstyle': '-', 'color': INK}
    )
    axes.set_xlim(-0.5, 5.6)
    axes.set_ylim(-4.0, 0.6)


def main() -> None:
    """Draw the three panels."""
    figure, panels = plt.subplots(
        1, 3, figsize=(12, 4), width_ratios=(2.0, 1.35, 0.95), constrained_layout=True
    )
    for axes, draw in zip(panels, (draw_frames, draw_yaw, draw_pixels)):
        draw(axes)
        axes.set_aspect('equal')
        axes.axis('off')
    figure.savefig(IMAGE, dpi=100)
    print(IMAGE)


if __name__ == '__main__':
    main()
