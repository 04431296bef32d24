"""Writes images and annotations in BOP layout."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np


class SceneWriter:
    """One scene of one or more objects per image; the annotation is written by `close`.

    Args:
        folder: Of the scene, such as ``train/000006``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ('rgb', 'mask_visib', 'mask'):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._truths: dict[str, list] = {}
        self._cameras: dict[str, dict] = {}
        self._infos: dict[str, list] = {}

    def add(self, image_id: int, image: np.ndarray, cam2img: np.ndarray, objects: list) -> None:
        """Writes an image.

        Args:
            image_id: Number of the image.
            image: BGR uint8.
            cam2img: (3, 3).
            objects: Of each object its number, rotation, translation in metres, whole mask and
                visible mask.
        """
        name = f'{image_id:06d}'
        _write(self.folder / 'rgb' / f'{name}.png', image)
        truths, infos = [], []
        for index, (obj_id, rotation, translation, whole, visible) in enumerate(objects):
            for folder, mask in (('mask', whole), ('mask_visib', visible)):
                path = self.folder / folder / f'{name}_{index:06d}.png'
                _write(path, mask.astype(np.uint8) * 255)
            truths.append(
                {
                    'obj_id': obj_id,
                    'cam_R_m2c': np.asarray(rotation).ravel().tolist(),
                    'cam_t_m2c': (np.asarray(translation) * 1000).tolist(),
                }
            )
            infos.append(
                {
                    'bbox_obj': _box(whole),
                    'bbox_visib': _box(visible),
                    'px_count_all': int(whole.sum()),
                    'px_count_visib': int(visible.sum()),
                    'visib_fract': float(visible.sum() / max(whole.sum(), 1)),
                }
            )
        self._truths[str(image_id)] = truths
        self._infos[str(image_id)] = infos
        camera = {'cam_K': np.asarray(cam2img).ravel().tolist(), 'depth_scale': 1.0}
        self._cameras[str(image_id)] = camera

    def close(self) -> None:
        """Writes the annotation of all images."""
        tables = {'gt': self._truths, 'camera': self._cameras, 'gt_info': self._infos}
        for name, table in tables.items():
            (self.folder / f'scene_{name}.json').write_text(json.dumps(table) + '\n')


def _box(mask: np.ndarray) -> list[int]:
    """BOP's box: width and height between the centres of the outer pixels."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return [x, y, width - 1, height - 1] if width else [-1, -1, -1, -1]


def _write(path: Path, picture: np.ndarray) -> None:
    if not cv2.imwrite(str(path), picture):
        raise OSError(f'{path} could not be written')
