"""Image loading that leaves the data set's records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmdet3d.datasets.builder import PIPELINES

# What the last bytes of a complete file hold: OpenCV silently fills a file cut short with grey.
END_MARKERS = {b'\xff\xd8': (b'\xff\xd9', 'JPEG'), b'\x89P': (b'IEND', 'PNG')}


@PIPELINES.register_module()
class LoadImageMono3D:
    """Loads an image with its intrinsics and starts ``img2net`` as the identity.

    Unlike the stock ``LoadImageFromFileMono3D`` the intrinsics are copied, so that no later step
    can write into the data set's records (docs/install.md, trap 3), and an image that is already in
    memory is accepted: put a BGR array (H, W, 3) under ``img`` of the results or of ``img_info``.

    Adds ``img, cam2img`` (original K, float64 (3, 3)), ``img2net`` (float32 (3, 3)), ``img_shape,
    ori_shape, pad_shape, filename``.

    Args:
        to_float32: Whether to convert to float32 (mmdet's photometric distortion needs it).
        color_type: Flag of ``mmcv.imfrombytes``.
        file_client_args: Storage backend, as for all mmcv loaders.
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = 'color',
        file_client_args: dict | None = None,
    ) -> None:
        self.to_float32 = to_float32
        self.color_type = color_type
        self.file_client_args = dict(file_client_args or {'backend': 'disk'})
        self.file_client: mmcv.FileClient | None = None

    def __call__(self, results: dict) -> dict:
        """Loads the image that ``img_info`` names.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not a complete image, its size is not what the annotation
                file says, or the intrinsics are missing or absurd.
        """
        info = results.get('img_info', {})
        memory = results.get('img', info.get('img'))
        if memory is None:
            filename = _join(results.get('img_prefix'), info['filename'])
            image = self._read(filename)
        else:
            filename = info.get('filename')
            image = _check_array(memory)
        name = filename or 'the image in memory'
        _check_size(image, info, name)
        intrinsics = info.get('cam_intrinsic', results.get('cam2img'))
        return {
            **results,
            'filename': filename,
            'ori_filename': info.get('filename'),
            'img': image.astype(np.float32) if self.to_float32 else image,
            'img_shape': image.shape,
            'ori_shape': image.shape,
            'pad_shape': image.shape,
            'img_fields': ['img'],
            'cam2img': _check_intrinsics(intrinsics, name),
            'img2net': np.eye(3, dtype=np.float32),
        }

    def _read(self, filename: str) -> np.ndarray:
        if self.file_client is None:
            self.file_client = mmcv.FileClient(**self.file_client_args)
        try:
            content = self.file_client.get(filename)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'no image {filename}; check data_root and img_prefix of the data config'
            ) from error
        end, kind = END_MARKERS.get(content[:2], (b'', ''))
        if end not in content[-1024:]:
            raise ValueError(f'{filename} is a truncated {kind} file; copy or download it again')
        image = mmcv.imfrombytes(content, flag=self.color_type) if content else None
        if image is None:
            raise ValueError(f'{filename} is not an image that OpenCV can read')
        return image

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(to_float32={self.to_float32}, color_type={self.color_type!r})'
        )


def _join(prefix: str | None, filename: str) -> str:
    return str(Path(prefix) / filename) if prefix else filename


def _check_array(image: Any) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
        shape = getattr(image, 'shape', type(image))
        raise ValueError(f'an image in memory must be a BGR array (H, W, 3), got {shape}')
    return image.copy()


def _check_size(image: np.ndarray, info: dict, name: str) -> None:
    height, width = image.shape[:2]
    expected = (info.get('width', width), info.get('height', height))
    if expected != (width, height):
        raise ValueError(
            f'{name} is {width} x {height}, but the annotation file says {expected[0]} x '
            f'{expected[1]}; its boxes and intrinsics would not fit, so make the file anew'
        )


def _check_intrinsics(intrinsics: Any, name: str) -> np.ndarray:
    if intrinsics is None:
        raise ValueError(f"no intrinsics for {name}; give img_info['cam_intrinsic'], 3 x 3")
    matrix = np.array(intrinsics, dtype=np.float64)
    if matrix.ndim != 2 or min(matrix.shape) < 3:
        raise ValueError(f'intrinsics of {name} must be 3 x 3, got shape {matrix.shape}')
    matrix = matrix[:3, :3].copy()
    sound = np.isfinite(matrix).all() and (np.diag(matrix) > 0).all()
    if not sound or not np.array_equal(matrix[2], [0, 0, 1]):
        raise ValueError(
            f'intrinsics of {name} need positive focal lengths and last row 0 0 1:\n{matrix}'
        )
    return matrix
