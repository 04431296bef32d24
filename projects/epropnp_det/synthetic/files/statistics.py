"""One picture that says what a data set in the nuScenes format holds, synthetic or real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nuscenes.eval.detection.constants import DETECTION_NAMES
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.nuscenes import NuScenes
from nuscenes.utils.geometry_utils import BoxVisibility
from pyquaternion import Quaternion

from ...boxes.image_extent import truncations
from ...inputs import read_image
from ...visualization import class_color

_MOST_SAMPLES = 400  # looked at; more would only cost time
_MOST_PROJECTED = 40  # of these, looked at in every camera
_KINDS = ('night', 'rain', 'dusk', 'crowd', 'empty', 'hills')
_PICTURES = 9
_BLUE = '#1f77b4'


class Statistics(NamedTuple):
    """What is known of the annotations of some samples.

    Attributes:
        names: `(n,)` detection classes.
        distances: `(n,)` metres from the own vehicle.
        headings: `(n,)` radians relative to it.
        speeds: `(n,)` metres per second, NaN where unknown.
        visibility: `(n,)` nuScenes level, 1 to 4.
        lidar: `(n,)` points in the box.
        truncations: `(m,)` share outside the image, of every box in every camera that shows it.
        counts: `(s,)` annotations per sample.
    """

    names: np.ndarray
    distances: np.ndarray
    headings: np.ndarray
    speeds: np.ndarray
    visibility: np.ndarray
    lidar: np.ndarray
    truncations: np.ndarray
    counts: np.ndarray


def collect(nusc: NuScenes, most: int = _MOST_SAMPLES) -> Statistics:
    """Measure the annotations of a data set.

    Args:
        nusc: the data set.
        most: samples to look at, evenly spread.

    Returns:
        The measurements; classes that nuScenes does not detect are left out.
    """
    rows, shares, counts = [], [], []
    for sample in _spread(nusc.sample, most):
        found = [_measure(nusc, sample, token) for token in sample['anns']]
        rows += [row for row in found if row]
        counts.append(sum(row is not None for row in found))
    for sample in _spread(nusc.sample, min(most, _MOST_PROJECTED)):
        cameras = [data for channel, data in sample['data'].items() if channel.startswith('CAM')]
        shares += [_truncations(nusc, data) for data in cameras]
    columns = list(zip(*rows)) or [()] * 6
    numbers = [np.array(column, float) for column in columns[1:]]
    return Statistics(
        np.array(columns[0], str), *numbers, np.concatenate([*shares, []]), np.array(counts)
    )


def _spread(samples: Sequence[dict], most: int) -> list[dict]:
    """At most so many samples, evenly spread."""
    chosen = np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int)
    return [samples[k] for k in chosen]


def _measure(nusc: NuScenes, sample: dict, token: str) -> tuple | None:
    record = nusc.get('sample_annotation', token)
    name = category_to_detection_name(record['category_name'])
    if name is None:
        return None
    lidar = nusc.get('sample_data', sample['data']['LIDAR_TOP'])
    ego = nusc.get('ego_pose', lidar['ego_pose_token'])
    gap = np.subtract(record['translation'], ego['translation'])[:2]
    turn = Quaternion(ego['rotation']).inverse * Quaternion(record['rotation'])
    forward = turn.rotation_matrix[:, 0]
    return (
        name,
        np.linalg.norm(gap),
        np.arctan2(forward[1], forward[0]),
        np.linalg.norm(nusc.box_velocity(token)[:2]),
        int(record['visibility_token'] or 0),
        record['num_lidar_pts'],
    )


def _truncations(nusc: NuScenes, data: str) -> np.ndarray:
    """Truncation of each box that a camera shows, `(m,)`."""
    _, boxes, cam2img = nusc.get_sample_data(data, box_vis_level=BoxVisibility.ANY)
    if not boxes:
        return np.zeros(0)
    record = nusc.get('sample_data', data)
    return truncations(
        np.stack([box.center for box in boxes]),
        np.stack([box.wlh[[1, 0, 2]] for box in boxes]),
        np.stack([box.orientation.rotation_matrix for box in boxes]),
        cam2img,
        (record['width'], record['height']),
    )


def choose_scenes(descriptions: Sequence[str], count: int = _PICTURES) -> list[int]:
    """Scenes as different as their descriptions say: one of each kind first, then others.

    Args:
        descriptions: of the scenes.
        count: scenes wanted.

    Returns:
        Indices in ascending order, at most `count`.
    """
    kinds = [tuple(word in text.lower() for word in _KINDS) for text in descriptions]
    first = [k for k, kind in enumerate(kinds) if kinds.index(kind) == k]
    others = [k for k in range(len(kinds)) if k not in first]
    return sorted((first + others)[:count])


def draw_sample(nusc: NuScenes, data: str) -> np.ndarray:
    """The image of a camera with its boxes, as the devkit projects them.

    Args:
        nusc: the data set.
        data: token of the camera's record.

    Returns:
        `(H, W, 3)` uint8 RGB.
    """
    path, boxes, cam2img = nusc.get_sample_data(data, box_vis_level=BoxVisibility.ANY)
    image = read_image(path)
    width = max(image.shape[1], 800)
    factor = width / image.shape[1]
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    view = np.diag([factor, factor, 1.0]) @ cam2img
    for box in sorted(boxes, key=lambda box: -np.linalg.norm(box.center)):
        name = category_to_detection_name(box.name)
        color = class_color(DETECTION_NAMES.index(name))[::-1] if name else (128, 128, 128)
        box.render_cv2(image, view, normalize=True, colors=(color,) * 3, linewidth=1)
    return image[..., ::-1]


def draw_statistics(root: str | Path, version: str, path: str | Path) -> Path:
    """Draw the page.

    Args:
        root: of the data set.
        version: of its tables, e.g. `v1.0-mini`.
        path: the picture, png.

    Returns:
        The path.
    """
    nusc = NuScenes(version, str(root), verbose=False)
    found = collect(nusc)
    scenes = [nusc.scene[k] for k in choose_scenes([s['description'] for s in nusc.scene])]
    rows = -(-len(scenes) // 3)
    figure = Figure(figsize=(16, 7.5 + 3.2 * rows), layout='constrained')
    FigureCanvasAgg(figure)
    upper, lower = figure.subfigures(2, 1, height_ratios=[7.5, 3.2 * rows])
    looked = len(found.counts)
    measured = f', {looked} of them measured' if looked < len(nusc.sample) else ''
    upper.suptitle(
        f'{Path(root).name}, {version}: {len(nusc.scene)} scenes, {len(nusc.sample)} samples'
        f'{measured}, {len(nusc.sample_annotation)} annotations'
    )
    draws = (_classes, _distances, _headings, _levels, _cuts, _returns, _speeds, _counts)
    for draw, axes in zip(draws, upper.subplots(2, 4).flat):
        draw(axes, found)
    for k, axes in enumerate(lower.subplots(rows, 3, squeeze=False).flat):
        axes.axis('off')
        if k < len(scenes):
            _picture(axes, nusc, scenes[k])
    figure.savefig(path, dpi=100)
    return Path(path)


def _picture(axes: Axes, nusc: NuScenes, scene: dict) -> None:
    """The front image in the middle of a scene."""
    token = scene['first_sample_token']
    for _ in range(scene['nbr_samples'] // 2):
        token = nusc.get('sample', token)['next']
    axes.imshow(draw_sample(nusc, nusc.get('sample', token)['data']['CAM_FRONT']))
    axes.set_title(f'{scene["name"]}: {scene["description"]}'[:75], fontsize=9)


def _title(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)


def _classes(axes: Axes, found: Statistics) -> None:
    counts = Counter(found.names.tolist())
    values = [counts[name] for name in DETECTION_NAMES]
    colors = [[v / 255 for v in class_color(k)[::-1]] for k in range(len(DETECTION_NAMES))]
    axes.barh(range(len(values)), values, color=colors)
    axes.set_yticks(range(len(values)), DETECTION_NAMES)
    axes.invert_yaxis()
    for k, value in enumerate(values):
        axes.text(value, k, f' {value}', va='center', fontsize=7)
    axes.margins(x=0.15)
    _title(axes, 'Objects per class', 'annotations')


def _distances(axes: Axes, found: Statistics) -> None:
    axes.hist(found.distances, np.arange(0, 85, 5), color=_BLUE)
    _title(axes, 'Distance from the own vehicle', 'metres')


def _headings(axes: Axes, found: Statistics) -> None:
    axes.hist(np.rad2deg(found.headings), np.arange(-180, 181, 15), color=_BLUE)
    axes.set_xticks(range(-180, 181, 90))
    _title(axes, 'Heading relative to the own vehicle', 'degrees, 0 is ahead')


def _levels(axes: Axes, found: Statistics) -> None:
    values = [(found.visibility == level).sum() for level in range(1, 5)]
    bars = axes.bar(['0-40', '40-60', '60-80', '80-100'], values, color=_BLUE)
    axes.bar_label(bars, fontsize=7)
    _title(axes, 'Visibility', '% of an object seen in the six cameras')


def _cuts(axes: Axes, found: Statistics) -> None:
    axes.hist(found.truncations, np.linspace(0, 1, 21), color=_BLUE)
    axes.set_yscale('symlog', linthresh=10)
    _title(axes, 'Truncation, per camera', 'share of the box outside the image')


def _returns(axes: Axes, found: Statistics) -> None:
    axes.scatter(found.distances, found.lidar, s=2, alpha=0.3, color=_BLUE, linewidths=0)
    axes.set_yscale('symlog', linthresh=1)
    none = (found.lidar == 0).mean() if len(found.lidar) else 0.0
    _title(axes, f'LiDAR points per box; none in {none:.0%}', 'distance in metres')


def _speeds(axes: Axes, found: Statistics) -> None:
    known = found.speeds[np.isfinite(found.speeds)]
    axes.hist(known.clip(0, 20), np.arange(0, 20.5, 0.5), color=_BLUE)
    axes.set_yscale('symlog', linthresh=10)
    unknown = len(found.speeds) - len(known)
    _title(axes, f'Speed, by the devkit; unknown for {unknown}', 'm/s')


def _counts(axes: Axes, found: Statistics) -> None:
    axes.hist(found.counts, 25, color=_BLUE)
    empty = int((found.counts == 0).sum())
    _title(axes, f'Annotations per sample; none in {empty} samples', 'annotations')
