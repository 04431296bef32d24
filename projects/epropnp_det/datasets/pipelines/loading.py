"""Image loading that leaves the data set's records alone."""

from __future__ import annotations

from typing import Any

import mmcv
import numpy as np
from mmdet3d.datasets.builder import PIPELINES

from ...inputs.images import StoredImage, decode_image, with_intrinsics
from ...inputs.intrinsics import as_matrix
from ...inputs.mountings import ground_plane, recorded_mounting
from ...inputs.orientation import EXIF_MODES
from ...inputs.paths import drive_hint, join_path, printable


@PIPELINES.register_module()
class LoadImageMono3D:
    """Loads an image with its intrinsics and starts ``img2net`` as the identity.

    Unlike the stock ``LoadImageFromFileMono3D`` the intrinsics are copied, so that no later step
    can write into the data set's records (docs/install.md, trap 3), and an image that is already in
    memory is accepted: put a BGR array (H, W, 3) under ``img`` of the results or of ``img_info``.
    Files are read by ``epropnp_det.inputs``: bytes after their end do not matter, EXIF never turns
    pixels away from their intrinsics, and more than eight bits are scaled.

    Adds ``img, cam2img`` (original K, float64 (3, 3)), ``img2net`` (float32 (3, 3)), ``img_shape,
    ori_shape, pad_shape, filename``, and where the record tells how the camera is mounted
    ``ground_plane`` (float32 (3,), see ``inputs.mountings``); one that is there already stays.

    Args:
        to_float32: Whether to convert to float32 (mmdet's photometric distortion needs it).
        color_type: ``color`` or ``grayscale``, as for ``mmcv.imfrombytes``.
        file_client_args: Storage backend, as for all mmcv loaders.
        exif: What becomes of an EXIF orientation. ``auto``: the size that the annotation file
            states says whether it means the stored pixels or the picture as it is shown, and where
            it does not tell that is an error; ``ignore``: the stored pixels; ``apply``: pixels and
            intrinsics are turned (boxes are not: for images without annotations); ``upright``: the
            pixels are turned, intrinsics and boxes are of the picture as it is shown.
        value_range: Value that becomes 255 in images of more than eight bits, such as 4095; None
            takes the least usual number of bits that holds the image.

    Raises:
        ValueError: If ``exif`` is none of these.
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = 'color',
        file_client_args: dict | None = None,
        exif: str = 'auto',
        value_range: float | None = None,
    ) -> None:
        if exif not in EXIF_MODES:
            raise ValueError(f'exif must be one of {EXIF_MODES}, got {exif!r}')
        self.to_float32 = to_float32
        self.color_type = color_type
        self.file_client_args = dict(file_client_args or {'backend': 'disk'})
        self.file_client: mmcv.FileClient | None = None
        self.exif = exif
        self.value_range = value_range

    def __call__(self, results: dict) -> dict:
        """Loads the image that ``img_info`` names.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not a complete image, its size is not what the annotation
                file says, its EXIF orientation leaves that open, or the intrinsics are missing or
                absurd.
        """
        info = results.get('img_info', {})
        memory = results.get('img', info.get('img'))
        filename = info.get('filename')
        if memory is None:
            filename = join_path(results.get('img_prefix'), filename)
            stored = self._read(filename)
        else:
            stored = StoredImage(_check_array(memory), orientation=1)
        name = printable(filename or 'the image in memory')
        intrinsics = _check_intrinsics(info.get('cam_intrinsic', results.get('cam2img')), name)
        stated = (info['width'], info['height']) if 'width' in info and 'height' in info else None
        image, cam2img = with_intrinsics(stored, intrinsics, self.exif, stated, name)
        mounting = None
        if self.exif != 'apply' or stored.orientation == 1:
            _check_size(image, info, name)
            mounting = recorded_mounting(info)
        plane = None if mounting is None else ground_plane(mounting)
        return {
            **results,
            **({} if plane is None else {'ground_plane': plane}),
            'filename': filename,
            'ori_filename': info.get('filename'),
            'img': image.astype(np.float32) if self.to_float32 else image,
            'img_shape': image.shape,
            'ori_shape': image.shape,
            'pad_shape': image.shape,
            'img_fields': ['img'],
            'cam2img': cam2img,
            'img2net': np.eye(3, dtype=np.float32),
        }

    def _read(self, filename: str) -> StoredImage:
        if self.file_client is None:
            self.file_client = mmcv.FileClient(**self.file_client_args)
        try:
            content = self.file_client.get(filename)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'no image {printable(filename)}; check data_root and img_prefix of the data config'
                f'{drive_hint(filename)}'
            ) from error
        gray = self.color_type.startswith('gray')
        return decode_image(content, filename, self.value_range, gray)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(to_float32={self.to_float32}, color_type={self.color_type!r}, '
            f'exif={self.exif!r})'
        )


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
    """(3, 3) of what a record has; of the projections of other tools the first three columns."""
    if intrinsics is None:
        raise ValueError(f"no intrinsics for {name}; give img_info['cam_intrinsic'], 3 x 3")
    try:
        matrix = np.array(intrinsics, dtype=np.float64)
        return as_matrix(matrix[:3, :3] if matrix.ndim == 2 else matrix)
    except (ValueError, TypeError) as error:
        raise ValueError(f'{name}: {error}') from error
