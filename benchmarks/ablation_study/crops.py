"""Cuts square crops around the annotated objects of a nuScenes-like data set.

A crop, resized, is an image of a pinhole camera again, so the crops are a data set like any other:
same boxes in metres, same LiDAR, other intrinsics. A network needs a fraction of the time of whole
images for them. Windows as large as their objects make all distances look alike in size, and what
is left is pose estimation; windows of one focal length keep the apparent size, from which detectors
that know nothing of the camera tell the distance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np

from epropnp_det.atomic import replacing
from epropnp_det.datasets.annotation_check import by_image, sound_annotations
from epropnp_det.datasets.annotations import AnnotationFilter, Role
from epropnp_det.inputs import read_image, write_image
from epropnp_det.progress import progress


class CropSpec(NamedTuple):
    """Which objects to cut out, and how.

    Attributes:
        classes: Names of the classes.
        min_side: Least length of the shorter side of the 2D box, in pixels: of the image, or of the
            crop where ``focal`` is given.
        max_truncation: Largest share of an object outside the image.
        min_visibility: Least nuScenes visibility level.
        size: Side of the crops in pixels.
        focal: Focal length of all crops in pixels, to which a crop is resized, and which says how
            large its window is; None has windows as large as their objects.
        room: Range of the side of a crop over the longer side of the 2D box; with ``focal`` the
            first is the least, and what is larger is left out.
        shift: Largest offset of the crop's centre over its side.
        copies: Crops of each object.
        seed: Of the draws.
    """

    classes: tuple[str, ...] = ('car',)
    min_side: float = 36.0
    max_truncation: float = 0.3
    min_visibility: int = 3
    size: int = 64
    focal: float | None = None
    room: tuple[float, float] = (1.3, 1.8)
    shift: float = 0.12
    copies: int = 1
    seed: int = 0


class Window(NamedTuple):
    """A square window of an image, which may lie partly outside.

    Attributes:
        x: Left edge in pixels.
        y: Upper edge.
        side: Width and height.
    """

    x: int
    y: int
    side: int


def draw_window(
    bbox: Sequence[float], spec: CropSpec, rng: np.random.Generator, side: int | None = None
) -> Window:
    """A window around a 2D box ``x y width height``, whole pixels, of a given or a drawn side."""
    x, y, width, height = bbox
    if side is None:
        side = max(int(round(max(width, height) * rng.uniform(*spec.room))), 2)
    shift = rng.uniform(-spec.shift, spec.shift, 2) * side
    left, top = np.array([x + width / 2, y + height / 2]) + shift - side / 2
    return Window(round(left), round(top), side)


def cut(image: np.ndarray, window: Window, size: int) -> np.ndarray:
    """The window of an image (H, W, 3), black outside, resized to (size, size, 3)."""
    height, width = image.shape[:2]
    x1, y1 = max(window.x, 0), max(window.y, 0)
    x2, y2 = min(window.x + window.side, width), min(window.y + window.side, height)
    crop = np.zeros((window.side, window.side, 3), image.dtype)
    crop[y1 - window.y : y2 - window.y, x1 - window.x : x2 - window.x] = image[y1:y2, x1:x2]
    shrinks = size < window.side
    return mmcv.imresize(crop, (size, size), interpolation='area' if shrinks else 'bilinear')


def crop_intrinsics(cam2img: Sequence, window: Window, size: int) -> np.ndarray:
    """Intrinsics (3, 3) of the resized window; pixels are edge based."""
    scale = size / window.side
    matrix = np.array([[scale, 0, -scale * window.x], [0, scale, -scale * window.y], [0, 0, 1]])
    return matrix @ np.array(cam2img, dtype=np.float64)[:3, :3]


def crop_annotation(annotation: Mapping, window: Window, size: int) -> dict | None:
    """An annotation in the pixels of a crop; None if the crop does not show it."""
    x, y, width, height = annotation['bbox']
    scale = size / window.side
    low = (np.array([x, y]) - window[:2]) * scale
    high = low + np.array([width, height]) * scale
    low, high = low.clip(0, size), high.clip(0, size)
    area = float(np.prod(high - low))
    if area <= 0:
        return None
    shown = area / (width * height * scale**2)
    u, v, depth = annotation['center2d']
    return {
        **annotation,
        'bbox': [*low.tolist(), *(high - low).tolist()],
        'area': area,
        'center2d': [(u - window.x) * scale, (v - window.y) * scale, depth],
        'truncation': 1 - shown * (1 - (annotation.get('truncation') or 0.0)),
        'segmentation': [],
    }


def crop_lidar(crop: Mapping, data_root: Path, size: int) -> np.ndarray:
    """LiDAR points (P, 5) that a crop shows, as they stand in the file of the whole sweep."""
    points = np.fromfile(data_root / crop['lidar_path'], np.float32).reshape(-1, 5)
    lidar2cam = np.array(crop['lidar2cam'])
    homogeneous = (points[:, :3] @ lidar2cam[:3, :3].T + lidar2cam[:3, 3]) @ np.array(
        crop['cam_intrinsic']
    ).T
    pixels = homogeneous[:, :2] / np.maximum(homogeneous[:, 2:], 1e-3)
    shown = ((pixels >= 0) & (pixels < size)).all(1) & (homogeneous[:, 2] > 0)
    return points[shown]


def make_crops(ann_file: Path, data_root: Path, out_file: Path, spec: CropSpec) -> int:
    """Writes crops and a json of theirs, in the format of ``ann_file``.

    Args:
        ann_file: A ``*_mono3d.coco.json``.
        data_root: What its image and LiDAR names are relative to.
        out_file: The json to write, last; the images go to a folder of its name.
        spec: What to cut out.

    Returns:
        Number of crops.

    Raises:
        ValueError: If the annotation file is not sound, or no object fits the specification.
    """
    content = sound_annotations(ann_file, annotated=True)
    ids = {c['id'] for c in content['categories'] if c['name'] in spec.classes}
    groups = by_image(content)
    folder = out_file.with_suffix('')
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(spec.seed)
    images, kept = [], []
    print(f'Crops of {ann_file}', flush=True)
    for image in progress(content['images']):
        shown = [one for one in groups[image['id']] if one['category_id'] in ids]
        for crop, pixels, window in _crops_of(image, shown, data_root, spec, rng):
            path = folder / f'{crop["id"]}.png'
            write_image(path, pixels)
            points = path.with_suffix('.bin')
            crop_lidar(crop, data_root, spec.size).tofile(points)
            names = {'file_name': str(path.resolve()), 'lidar_path': str(points.resolve())}
            images.append({**crop, **names})
            inside = (crop_annotation(annotation, window, spec.size) for annotation in shown)
            kept += [{**a, 'image_id': crop['id']} for a in inside if a is not None]
    if not images:
        raise ValueError(f'{ann_file} has no object that fits {spec}')
    kept = [{**annotation, 'id': number} for number, annotation in enumerate(kept)]
    with replacing(out_file) as file:
        json.dump({**content, 'images': images, 'annotations': kept}, file)
    print(f'\n{len(images)} crops in {folder}', flush=True)
    return len(images)


def _crops_of(
    image: Mapping,
    annotations: Sequence[Mapping],
    data_root: Path,
    spec: CropSpec,
    rng: np.random.Generator,
) -> Iterator[tuple[dict, np.ndarray, Window]]:
    """Record, pixels and window of each crop of an image."""
    side, min_side = None, spec.min_side
    if spec.focal is not None:
        side = round(spec.size * image['cam_intrinsic'][0][0] / spec.focal)
        min_side *= side / spec.size
    wanted = AnnotationFilter(spec.min_visibility, spec.max_truncation, min_side)
    targets = [a for a in annotations if wanted.role(a) is Role.OBJECT]
    if side is not None:
        targets = [a for a in targets if max(a['bbox'][2:]) * spec.room[0] <= side]
    pixels = read_image(data_root / image['file_name']) if targets else None
    for target in targets:
        for copy in range(spec.copies):
            window = draw_window(target['bbox'], spec, rng, side)
            crop = {
                **image,
                'id': f'{target["id"]}-{copy}',
                'width': spec.size,
                'height': spec.size,
                'target': target['bbox_cam3d'],
                'cam_intrinsic': crop_intrinsics(
                    image['cam_intrinsic'], window, spec.size
                ).tolist(),
            }
            yield crop, cut(pixels, window, spec.size), window
