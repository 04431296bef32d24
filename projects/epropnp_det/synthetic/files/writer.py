"""Writes a synthetic data set to disk: images, LiDAR, maps and tables; parallel, resumable."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ...atomic import replacing
from ...inputs import write_image
from ..content.cameras import CAMERA_NAMES, LIDAR_NAME
from ..content.scene import make_world
from ..content.world import World, box_corners
from ..sensors.frame import Observation, observe_frame
from .spec import Spec, scene_world
from .tables import TABLES, SceneData, data_path, fixed_tables, map_path, scene_tables

_MAP_RESOLUTION = 0.1  # metres per pixel, fixed by the devkit
_JPEG_QUALITY = 95
_PARTS = 'parts'  # what is known of finished keyframes and scenes; gone when all is complete
DEFAULT_SPEC = Spec()

Job = tuple[Spec, int, int, str]  # spec, scene, keyframe, folder


def _part(root: str, index: int, frame: int) -> Path:
    return Path(root) / _PARTS / f'{index:03d}-{frame:03d}.npz'


def _write_frame(job: Job) -> None:
    """Draw and store one keyframe, then what was seen in it, which marks it as finished."""
    spec, index, frame, root = job
    world = scene_world(spec, index)
    seed = (spec.seed, index, frame, 1)
    renderings, points, observation = observe_frame(world, frame, seed)
    for camera, rendering in zip(world.rig, renderings):
        path = os.path.join(root, data_path(world, index, frame, camera.name))
        write_image(path, rendering.image[..., ::-1], _JPEG_QUALITY)
    points.tofile(os.path.join(root, data_path(world, index, frame, LIDAR_NAME)))
    with replacing(_part(root, index, frame), 'wb') as file:
        np.savez(file, **observation._asdict())


def _write_scene(job: Job) -> None:
    """Store the map of a scene and its rows of all tables, as json without the outer brackets."""
    spec, index, _, root = job
    world = scene_world(spec, index)
    _write_map(world, Path(root) / map_path(world))
    seen = []
    for frame in range(spec.frames):
        with np.load(_part(root, index, frame)) as part:
            seen.append(Observation(**part))
    for name, records in scene_tables(SceneData(index, world, tuple(seen)), spec.seed).items():
        path = Path(root) / _PARTS / f'{index:03d}-{name}.json'
        path.write_text(_rows(records))


def _rows(records: list[dict]) -> str:
    """Rows as they stand in a table, without the brackets around them."""
    return json.dumps(records, indent=1)[2:-2] if records else ''


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
    write_image(path, mask)


def _compile() -> None:
    """Compile the numba code once, before workers inherit it."""
    tiny = make_world('scene-0061', 1, 0.01, np.random.default_rng(0))
    observe_frame(tiny, 0, (0,))


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[Callable]:
    """A `map` that loses the order, in this process or in several."""
    if workers <= 1:
        yield map
        return
    _compile()
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    with multiprocessing.get_context(method).Pool(workers, cv2.setNumThreads, (0,)) as pool:
        yield pool.imap_unordered


def _run(mapper: Callable, task: Callable, jobs: list[Job], what: str, bar: tqdm) -> None:
    bar.set_description(what)
    bar.reset(total=len(jobs))
    for _ in mapper(task, jobs):
        bar.update()


def _write_parts(spec: Spec, root: Path, workers: int, progress: bool) -> None:
    """Draw the keyframes that are not there yet, then describe the scenes."""
    every = [(spec, s, f, str(root)) for s in spec.indices for f in range(spec.frames)]
    todo = [job for job in every if not _part(job[3], job[1], job[2]).exists()]
    scenes = [(spec, index, 0, str(root)) for index in spec.indices]
    with _pool(workers) as mapper, tqdm(unit='', disable=not progress) as bar:
        _run(mapper, _write_frame, todo, 'synthetic nuScenes, keyframes', bar)
        _run(mapper, _write_scene, scenes, 'synthetic nuScenes, scenes', bar)


def _join_tables(spec: Spec, root: Path) -> None:
    """Put the scenes' rows together, a table at a time, without holding any in memory."""
    fixed = fixed_tables(spec.seed)
    for name in TABLES:
        texts: Iterable[str] = (
            (root / _PARTS / f'{index:03d}-{name}.json').read_text(encoding='utf-8')
            for index in spec.indices
        )
        with open(root / spec.version / f'{name}.json', 'w', encoding='utf-8') as file:
            filled = False
            for text in (_rows(fixed[name]), *texts) if name in fixed else texts:
                if text:
                    file.write(',\n' if filled else '[\n')
                    file.write(text)
                    filled = True
            file.write('\n]' if filled else '[]')


def _fingerprint(spec: Spec) -> str:
    """What an interrupted run must have in common with the one that goes on with it."""
    digest = hashlib.md5()
    for path in sorted(Path(__file__).parent.glob('*.py')):
        digest.update(path.read_bytes())
    return json.dumps([spec._asdict(), digest.hexdigest()])


@contextlib.contextmanager
def _unfinished(target: Path, spec: Spec) -> Iterator[Path]:
    """The hidden folder in which a data set grows, empty or left by an equal run before.

    Raises:
        FileExistsError: another process is at work in it.
    """
    root = target.parent / f'.{target.name}.unfinished'
    root.mkdir(parents=True, exist_ok=True)
    with open(target.parent / f'.{target.name}.lock', 'w', encoding='utf-8') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(f'{target} is just being written by another process') from None
        mark, fingerprint = root / 'spec.json', _fingerprint(spec)
        if not mark.exists() or mark.read_text(encoding='utf-8') != fingerprint:
            shutil.rmtree(root)
            root.mkdir()
            for channel in (*CAMERA_NAMES, LIDAR_NAME):
                (root / 'samples' / channel).mkdir(parents=True)
            for folder in ('maps', spec.version, _PARTS):
                (root / folder).mkdir()
            mark.write_text(fingerprint)
        yield root
        os.unlink(lock.name)


def make_dataset(
    out: str | Path,
    spec: Spec = DEFAULT_SPEC,
    workers: int = 1,
    force: bool = False,
    progress: bool = True,
) -> Path:
    """Write a data set in the nuScenes format.

    Everything is written to a hidden folder beside `out`, which is renamed when complete. What an
    interrupted run left there is used by the next one that is asked for the same.

    Args:
        out: root of the data set.
        spec: what to write.
        workers: processes; the result does not depend on it, to the byte.
        force: replace an existing folder.
        progress: show a progress bar.

    Returns:
        The root.

    Raises:
        FileExistsError: `out` exists, is not empty, and `force` was not given; or another process
            is writing it.
        ValueError: the spec is out of range.
    """
    spec.check()
    target = Path(out).resolve()
    if target.exists() and not target.is_dir():
        raise FileExistsError(f'{target} is a file; choose another folder')
    if target.exists() and any(target.iterdir()) and not force:
        raise FileExistsError(f'{target} is not empty; choose another folder or pass --force')
    target.parent.mkdir(parents=True, exist_ok=True)
    with _unfinished(target, spec) as root:
        _write_parts(spec, root, workers, progress)
        _join_tables(spec, root)
        shutil.rmtree(root / _PARTS)
        (root / 'spec.json').unlink()
        if target.exists():
            shutil.rmtree(target)
        root.rename(target)
    return target
