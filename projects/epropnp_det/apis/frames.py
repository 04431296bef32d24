"""Reads mono3d annotation files into what pictures and reports need, without a dataset object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..datasets.annotation_check import by_image, sound_annotations
from ..datasets.completion import complete_annotations
from ..inputs import CameraImage, ground_plane, read_camera_image
from ..inputs.mountings import recorded_mounting
from ..visualization import LEVEL_CAMERA, Objects


class Frame(NamedTuple):
    """One image of a mono3d annotation file.

    Attributes:
        path: The image file.
        cam2img: Intrinsics, (3, 3).
        cam2ego: Camera -> ego frame, (4, 4); at its origin where the file does not tell.
        size: Width and height in pixels.
        camera: For example ``CAM_FRONT``; empty where it cannot be told.
        sample: Token of the sample (six cameras share it).
        token: Token of the image.
        ground_truth: Annotated objects of the known classes.
        bboxes: Their 2D boxes x1 y1 x2 y2, projected where the file has none, (n, 4).
    """

    path: Path
    cam2img: np.ndarray
    cam2ego: np.ndarray
    size: tuple[int, int]
    camera: str
    sample: str
    token: str
    ground_truth: Objects
    bboxes: np.ndarray

    @property
    def mounting(self) -> np.ndarray | None:
        """How the camera is mounted, as ``detect`` takes it; None where the file does not tell."""
        return None if ground_plane(self.cam2ego) is None else self.cam2ego

    def load(self, exif: str = 'auto', value_range: float | None = None) -> CameraImage:
        """Reads the image, and its intrinsics as the data set's ``LoadImageMono3D`` has them.

        Args:
            exif: As for ``LoadImageMono3D``.
            value_range: As for ``LoadImageMono3D``.

        Raises:
            FileNotFoundError: If the file is missing.
            ValueError: If it is no image.
        """
        return read_camera_image(self.path, self.cam2img, exif, self.size, value_range)


def read_frames(
    ann_file: str | Path, img_prefix: str | Path, classes: Sequence[str]
) -> list[Frame]:
    """Reads a ``*_mono3d.coco.json`` in its own order, which is the order of test results.

    Args:
        ann_file: The annotation file.
        img_prefix: Folder that the ``file_name`` entries are relative to.
        classes: Class names; the index in it becomes the label. Other categories are left out.

    Raises:
        FileNotFoundError: If the annotation file is missing.
        ValueError: If it is not a mono3d annotation file.
    """
    content = sound_annotations(ann_file)
    labels = {name: index for index, name in enumerate(classes)}
    names = {category['id']: category['name'] for category in content['categories']}
    groups = by_image(content)
    frames = []
    for image in content['images']:
        known = [
            annotation
            for annotation in groups[image['id']]
            if names[annotation['category_id']] in labels and not annotation.get('ignore', False)
        ]
        completed = complete_annotations(image, known)
        frames.append(_frame(image, completed, Path(img_prefix), names, labels))
    return frames


def _frame(
    image: dict,
    annotations: list[dict],
    prefix: Path,
    names: dict[int, str],
    labels: dict[str, int],
) -> Frame:
    mounting = recorded_mounting(image)
    box = np.array([entry['bbox_cam3d'][:7] for entry in annotations]).reshape(-1, 7)
    bbox = np.array([entry['bbox'] for entry in annotations]).reshape(-1, 4)
    return Frame(
        path=prefix / image['file_name'],
        cam2img=np.array(image['cam_intrinsic'], dtype=np.float64)[:3, :3],
        cam2ego=LEVEL_CAMERA.copy() if mounting is None else mounting,
        size=(int(image['width']), int(image['height'])),
        camera=image.get('camera') or _camera_name(image['file_name']),
        sample=str(image.get('token', image['id'])),
        token=str(image['id']),
        ground_truth=Objects(
            boxes=box[:, [3, 4, 5, 0, 1, 2, 6]],  # the file has x, y, z, l, h, w, yaw
            labels=np.array([labels[names[entry['category_id']]] for entry in annotations], int),
        ),
        bboxes=np.concatenate([bbox[:, :2], bbox[:, :2] + bbox[:, 2:]], axis=1),
    )


def _camera_name(file_name: str) -> str:
    """The nuScenes channel in a path such as ``samples/CAM_FRONT/x.jpg``."""
    found: str | None = next((p for p in Path(file_name).parts if p.startswith('CAM_')), None)
    return found or ''
