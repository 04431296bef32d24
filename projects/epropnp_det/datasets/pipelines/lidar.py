"""LiDAR points of the keyframe, as training targets of the dense auxiliary losses."""

from __future__ import annotations

import mmcv
import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmdet3d.datasets.builder import PIPELINES

from ...inputs import join_path, printable
from .geometry import transform_points

FLOAT_BYTES = 4


@PIPELINES.register_module()
class LoadLidarMono3D:
    """Reads the LiDAR sweep of the keyframe and keeps the points that the network can see.

    The annotation file names the sweep (``lidar_path``, relative to ``img_prefix``) and its pose
    (``lidar2cam``, 4 x 4) per image; tools/prepare_nuscenes.py writes both. Where a file has
    neither, as mmdet3d's converter leaves it, there are no points, and the losses that need them
    are zero.

    Put this step after resize, crop and flip: points outside the original image or outside the
    network's canvas are dropped (docs/differences.md W21), which ``img2net`` must already describe.
    Points and their pixels are those of the original image, so augmentation does not change them.

    Adds ``lidar_points``: a ``DataContainer`` of float32 (P, 5), x, y, z in the camera frame in
    metres (z is the depth) and u, v in original pixels.

    Args:
        min_depth: Points nearer than this are dropped, metres.
        max_points: Keeps a random subset of at most that many points; None keeps all.
        num_features: Numbers per point in the file, x, y, z first; 5 in nuScenes.
        missing_ok: Whether a sweep that the annotation file names may be absent from the disk, as
            where only the images were downloaded.
        file_client_args: Storage backend, as for all mmcv loaders.
        rng: Source of the subset; None takes NumPy's global one, which mmdet seeds per worker.

    Raises:
        ValueError: If ``max_points`` or ``num_features`` is too small.
    """

    def __init__(
        self,
        min_depth: float = 0.1,
        max_points: int | None = None,
        num_features: int = 5,
        missing_ok: bool = False,
        file_client_args: dict | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        if max_points is not None and max_points < 1:
            raise ValueError(f'max_points must be positive, or None for all, got {max_points}')
        if num_features < 3:
            raise ValueError(f'num_features counts x, y and z, got {num_features}')
        self.min_depth = min_depth
        self.max_points = max_points
        self.num_features = num_features
        self.missing_ok = missing_ok
        self.file_client_args = dict(file_client_args or {'backend': 'disk'})
        self.file_client: mmcv.FileClient | None = None
        self.rng = rng

    def __call__(self, results: dict) -> dict:
        """Adds the points.

        Raises:
            FileNotFoundError: If the annotation file names a sweep that is not there.
            ValueError: If the file or ``lidar2cam`` is not sound.
        """
        info = results.get('img_info', {})
        points = self._camera_points(info, results.get('img_prefix'))
        kept = self._subset(self._visible(points, results)).astype(np.float32)
        return {**results, 'lidar_points': DataContainer(torch.from_numpy(kept))}

    def _camera_points(self, info: dict, prefix: str | None) -> np.ndarray:
        """All finite points of the sweep in the camera frame, float64 (P, 3)."""
        name, matrix = info.get('lidar_path'), info.get('lidar2cam')
        if name is None or matrix is None:
            if name is not None:
                raise ValueError(
                    f'{info.get("filename")} has lidar_path but no lidar2cam; make the annotation '
                    'file anew with tools/prepare_nuscenes.py'
                )
            return np.zeros((0, 3))
        matrix = np.array(matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise ValueError(f'lidar2cam of {info.get("filename")} must be a finite 4 x 4 matrix')
        points = self._read(join_path(prefix, name))
        points = points[np.isfinite(points).all(axis=1)].astype(np.float64)
        return points @ matrix[:3, :3].T + matrix[:3, 3]

    def _read(self, filename: str) -> np.ndarray:
        if self.file_client is None:
            self.file_client = mmcv.FileClient(**self.file_client_args)
        try:
            content = self.file_client.get(filename)
        except FileNotFoundError as error:
            if self.missing_ok:
                return np.zeros((0, 3), dtype=np.float32)
            raise FileNotFoundError(
                f'no LiDAR sweep {printable(filename)}; unpack the LiDAR keyframes of nuScenes, or '
                "set missing_ok=True of LoadLidarMono3D to train without the LiDAR's losses"
            ) from error
        if len(content) % (self.num_features * FLOAT_BYTES):
            raise ValueError(
                f'{filename} does not hold points of {self.num_features} float32 numbers '
                f'({len(content)} bytes); is it cut short? Else set num_features'
            )
        points = np.frombuffer(content, dtype=np.float32).reshape(-1, self.num_features)
        return points[:, :3]

    def _visible(self, points: np.ndarray, results: dict) -> np.ndarray:
        """Points in the image and on the network's canvas with their pixels, (P, 5)."""
        points = points[points[:, 2] >= self.min_depth]
        homogeneous = points @ results['cam2img'].T
        pixels = homogeneous[:, :2] / homogeneous[:, 2:]
        located = transform_points(pixels, results['img2net'].astype(np.float64))
        inside = _within(pixels, results['ori_shape']) & _within(located, results['img_shape'])
        return np.concatenate([points, pixels], axis=1)[inside]

    def _subset(self, points: np.ndarray) -> np.ndarray:
        if self.max_points is None or len(points) <= self.max_points:
            return points
        generator = self.rng or np.random
        return points[generator.choice(len(points), self.max_points, replace=False)]

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(min_depth={self.min_depth}, max_points={self.max_points}, '
            f'missing_ok={self.missing_ok})'
        )


def _within(pixels: np.ndarray, shape: tuple) -> np.ndarray:
    """Whether pixels lie in an image of shape (height, width, ...), bool (n,)."""
    return ((pixels >= 0) & (pixels < np.array(shape[1::-1]))).all(axis=1)
