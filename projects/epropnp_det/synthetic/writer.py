"""Writes a synthetic data set to disk: images, LiDAR, maps and tables; parallel and atomic."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from .cameras import CAMERA_NAMES, LIDAR_NAME, image_size
from .frame import Observation, observe_frame
from .scene import make_world
from .tables import SceneData, data_path, make_tables, map_path
from .world import World, box_corners

# The official mini scenes; train and val take turns, so that few scenes fill both splits.
SCENE_NAMES = (
    'scene-0061',
    'scene-0103',
    'scene-0553',
    'scene-0655',
    'scene-0757',
    'scene-0916',
    'scene-0796',
    'scene-1077',
    'scene-1094',
    'scene-1100',
)
VERSION = 'v1.0-mini'
_MAX_FRAMES = 200
_MAP_RESOLUTION = 0.1  # metres per pixel, fixed by the devkit
_JPEG_QUALITY = 95


class Spec(NamedTuple):
    """What to write.

    Attributes:
        scenes: number of scenes, 1 to 10; the second is the first of mini_val.
        frames: keyframes per scene.
        scale: factor on 1600 x 900 images and on the intrinsics.
        seed: of everything; the number of workers does not matter.
    """

    scenes: int = 10
    frames: int = 12
    scale: float = 0.25
    seed: int = 0

    def check(self) -> Spec:
        """The spec itself.

        Raises:
            ValueError: a value is out of range.
        """
        if not 1 <= self.scenes <= len(SCENE_NAMES):
            raise ValueError(
                f'{self.scenes} scenes: nuScenes mini has {len(SCENE_NAMES)}; '
                'ask for more frames per scene instead'
            )
        if not 1 <= self.frames <= _MAX_FRAMES:
            raise ValueError(f'{self.frames} frames per scene: must be 1 to {_MAX_FRAMES}')
        image_size(self.scale)
        return self


DEFAULT_SPEC = Spec()


@lru_cache(maxsize=4)
def scene_world(spec: Spec, index: int) -> World:
    """The world of one scene of a data set; every process gets the same."""
    rng = np.random.default_rng([spec.seed, index])
    return make_world(SCENE_NAMES[index], spec.frames, spec.scale, rng)


def _write_frame(job: tuple[Spec, int, int, str]) -> tuple[int, int, Observation]:
    """Draw and store one keyframe; runs in a worker."""
    spec, index, frame, root = job
    world = scene_world(spec, index)
    seed = (spec.seed, index, frame, 1)
    renderings, points, observation = observe_frame(world, frame, seed)
    for camera, rendering in zip(world.rig, renderings):
        path = os.path.join(root, data_path(world, index, frame, camera.name))
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        if not cv2.imwrite(path, rendering.image[..., ::-1], options):
            raise OSError(f'could not write {path}; is the disk full?')
    points.tofile(os.path.join(root, data_path(world, index, frame, LIDAR_NAME)))
    return index, frame, observation


def _write_map(world: World, path: Path) -> None:
    """Rasterise the drivable area as the devkit expects it: 255 on, y up, 0.1 m per pixel."""
    side = round(world.map_size / _MAP_RESOLUTION)
    mask = np.zeros((side, side), np.uint8)
    street = world.street
    local = box_corners(
        np.array([[0.0, 0.0], [street.cross_x, 0.0]]),
        np.array([0.0, np.pi / 2]),
        np.full(2, 4 * world.map_size),
        2 * np.array([street.half, street.cross_half]),
    )  # (2, 4, 2)
    corners = local @ world.to_global.rotation.T + world.to_global.xy
    pixels = np.stack([corners[..., 0], world.map_size - corners[..., 1]], -1) / _MAP_RESOLUTION
    for polygon in pixels:
        cv2.fillConvexPoly(mask, np.round(polygon).astype(np.int32), 255)
    cv2.imwrite(str(path), mask)


def _write_frames(spec: Spec, root: Path, workers: int, progress: bool) -> dict:
    """Draw all keyframes with a progress bar; observations by (scene, frame)."""
    jobs = [(spec, s, f, str(root)) for s in range(spec.scenes) for f in range(spec.frames)]
    bar = tqdm(total=len(jobs), desc='synthetic nuScenes', unit='keyframe', disable=not progress)
    observations = {}
    with bar:
        if workers <= 1:
            for index, frame, observation in map(_write_frame, jobs):
                observations[index, frame] = observation
                bar.update()
            return observations
        _write_frame_compiles()
        method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
        with multiprocessing.get_context(method).Pool(workers, cv2.setNumThreads, (0,)) as pool:
            for index, frame, observation in pool.imap_unordered(_write_frame, jobs):
                observations[index, frame] = observation
                bar.update()
    return observations


def _write_frame_compiles() -> None:
    """Compile the numba code once, before workers inherit it."""
    tiny = make_world(SCENE_NAMES[0], 1, 0.01, np.random.default_rng(0))
    observe_frame(tiny, 0, (0,))


def make_dataset(
    out: str,
    spec: Spec = DEFAULT_SPEC,
    workers: int = 1,
    force: bool = False,
    progress: bool = True,
) -> Path:
    """Write a data set in the nuScenes format.

    Everything is written to a temporary folder beside `out`, which is renamed when complete: an
    interrupted run leaves no half data set behind.

    Args:
        out: root of the data set.
        spec: what to write.
        workers: processes; the result does not depend on it.
        force: replace an existing folder.
        progress: show a progress bar.

    Returns:
        The root.

    Raises:
        FileExistsError: `out` exists, is not empty, and `force` was not given.
        ValueError: the spec is out of range.
    """
    spec.check()
    target = Path(out).resolve()
    if target.exists() and not target.is_dir():
        raise FileExistsError(f'{target} is a file; choose another folder')
    if target.exists() and any(target.iterdir()) and not force:
        raise FileExistsError(f'{target} is not empty; choose another folder or pass --force')
    target.parent.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix=f'.{target.name}-', dir=target.parent))
    try:
        _write_all(spec, root, workers, progress)
        root.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        root.rename(target)
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    return target


def _write_all(spec: Spec, root: Path, workers: int, progress: bool) -> None:
    for channel in (*CAMERA_NAMES, LIDAR_NAME):
        (root / 'samples' / channel).mkdir(parents=True)
    for folder in ('maps', VERSION):
        (root / folder).mkdir()
    observations = _write_frames(spec, root, workers, progress)
    scenes = []
    for index in range(spec.scenes):
        world = scene_world(spec, index)
        _write_map(world, root / map_path(world))
        seen = tuple(observations[index, frame] for frame in range(spec.frames))
        scenes.append(SceneData(index, world, seen))
    for name, records in make_tables(scenes, spec.seed).items():
        (root / VERSION / f'{name}.json').write_text(json.dumps(records, indent=1))
