"""The thirteen nuScenes tables of a synthetic data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...taxonomy import CATEGORIES
from ..content.cameras import CAMERA_NAMES, LIDAR_NAME, LIDAR_TRANSLATION, LIDAR_YAW
from ..content.catalog import ATTRIBUTES
from ..content.terrain import Frame
from ..content.world import KEYFRAME_INTERVAL, Pose, World
from ..sensors.frame import Observation

Tables = dict[str, list[dict]]

TABLES = (
    'category',
    'attribute',
    'visibility',
    'instance',
    'sensor',
    'calibrated_sensor',
    'ego_pose',
    'log',
    'scene',
    'sample',
    'sample_data',
    'sample_annotation',
    'map',
)
_VISIBILITY = ('v0-40', 'v40-60', 'v60-80', 'v80-100')
_EPOCH = 1_532_402_927_000_000  # microseconds; scenes begin an hour apart


class SceneData(NamedTuple):
    """A scene and what its sensors saw.

    Attributes:
        index: number of the scene in the data set.
        world: the scene.
        observations: one per keyframe.
    """

    index: int
    world: World
    observations: tuple[Observation, ...]


def token(seed: int, *key: object) -> str:
    """A 32-digit token that depends on the data set's seed and a key alone."""
    text = '/'.join(str(part) for part in ('epropnp_det', seed, *key))
    return hashlib.md5(text.encode()).hexdigest()


def timestamp(scene: int, frame: int) -> int:
    """Time of a keyframe in microseconds."""
    return _EPOCH + scene * 3_600_000_000 + int(frame * KEYFRAME_INTERVAL * 1e6)


def data_path(world: World, scene: int, frame: int, channel: str) -> str:
    """Path of a sensor's file, relative to the data set's root."""
    suffix = 'pcd.bin' if channel == LIDAR_NAME else 'jpg'
    return (
        f'samples/{channel}/synthetic-{world.name}__{channel}__{timestamp(scene, frame)}.{suffix}'
    )


def map_path(world: World) -> str:
    """Path of a scene's map mask, relative to the data set's root."""
    return f'maps/{world.name}.png'


def yaw_quaternion(yaw: float) -> list[float]:
    """Quaternion w, x, y, z of a rotation about z."""
    return [float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))]


def matrix_quaternion(rotation: np.ndarray) -> list[float]:
    """Quaternion w, x, y, z of a rotation `(3, 3)`: the top eigenvector of Bar-Itzhack's form."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    form = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    quaternion = np.linalg.eigh(form)[1][:, -1]
    return (quaternion * np.sign(quaternion[0] or 1.0)).tolist()


def _global_pose(world: World, flat: Pose, frame: Frame) -> tuple[list[float], list[float]]:
    """Quaternion and position on the map of a local frame.

    Args:
        world: the scene.
        flat: the frame without what the hills do to it; all there is where the street is level.
        frame: the whole frame.

    Returns:
        Quaternion w, x, y, z, and x, y, z in metres.
    """
    pose = world.to_global.compose(flat)
    translation = [*pose.xy.tolist(), float(frame.translation[2])]
    if world.terrain.level:
        return yaw_quaternion(pose.yaw), translation
    turn = np.eye(3)
    turn[:2, :2] = world.to_global.rotation
    translation[:2] = (turn[:2, :2] @ frame.translation[:2] + world.to_global.xy).tolist()
    return matrix_quaternion(turn @ frame.rotation), translation


def scene_tables(scene: SceneData, seed: int) -> Tables:
    """The rows of one scene.

    Camera and LiDAR of a keyframe share one timestamp and one ego pose (each sample_data has a
    record of its own, as in nuScenes): nothing moves between them.

    Args:
        scene: a scene.
        seed: of the data set; tokens depend on it.

    Returns:
        The records by table name.
    """
    tables: Tables = {name: [] for name in TABLES}
    _scene_tables(tables, scene, seed)
    _sensor_tables(tables, scene, seed)
    _annotation_tables(tables, scene, seed)
    return tables


def fixed_tables(seed: int) -> Tables:
    """The tables category, attribute, visibility and sensor, which no scene changes.

    Args:
        seed: of the data set; tokens depend on it.

    Returns:
        The records by table name.
    """
    return {
        'category': [
            dict(token=token(seed, 'category', category), name=category, description=name)
            for name, category in CATEGORIES.items()
        ],
        'attribute': [
            dict(token=token(seed, 'attribute', name), name=name, description=name)
            for name in ATTRIBUTES
        ],
        'visibility': [
            dict(token=str(level), level=name, description=f'visibility of {name[1:]} %')
            for level, name in enumerate(_VISIBILITY, 1)
        ],
        'sensor': [
            dict(
                token=token(seed, 'sensor', channel),
                channel=channel,
                modality='lidar' if channel == LIDAR_NAME else 'camera',
            )
            for channel in (*CAMERA_NAMES, LIDAR_NAME)
        ],
    }


def _scene_tables(tables: Tables, scene: SceneData, seed: int) -> None:
    """The records log, map, scene and sample."""
    world, count = scene.world, len(scene.observations)
    log = token(seed, 'log', world.name)
    tables['log'].append(
        dict(
            token=log,
            logfile=f'synthetic-{world.name}',
            vehicle='synthetic',
            date_captured='2018-07-24',
            location='synthetic-street',
        )
    )
    tables['map'].append(
        dict(
            token=token(seed, 'map', world.name),
            log_tokens=[log],
            category='semantic_prior',
            filename=map_path(world),
        )
    )
    scene_token = token(seed, 'scene', world.name)
    samples = [token(seed, 'sample', world.name, k) for k in range(count)]
    tables['scene'].append(
        dict(
            token=scene_token,
            log_token=log,
            nbr_samples=count,
            first_sample_token=samples[0],
            last_sample_token=samples[-1],
            name=world.name,
            description=_description(world),
        )
    )
    for frame, (previous, own, following) in enumerate(_chain(samples)):
        tables['sample'].append(
            dict(
                token=own,
                timestamp=timestamp(scene.index, frame),
                prev=previous,
                next=following,
                scene_token=scene_token,
            )
        )


def _description(world: World) -> str:
    """What nuScenes says about a scene: the conditions first, e.g. `Night, rain, ...`."""
    street = f'ynthetic street, own speed {world.ego_speed:.1f} m/s'
    conditions = world.conditions.describe()
    return f'{conditions}, s{street}' if conditions else f'S{street}'


def _chain(tokens: Sequence[str]) -> list[tuple[str, str, str]]:
    """Previous, own and next token of each; empty strings at the ends."""
    return list(zip(['', *tokens[:-1]], tokens, [*tokens[1:], '']))


def _sensor_tables(tables: Tables, scene: SceneData, seed: int) -> None:
    """The records calibrated_sensor, sample_data and ego_pose."""
    world, count = scene.world, len(scene.observations)
    cameras = {camera.name: camera for camera in world.rig}
    for channel in (*CAMERA_NAMES, LIDAR_NAME):
        camera = cameras.get(channel)
        calibrated = token(seed, 'calibrated_sensor', world.name, channel)
        translation = LIDAR_TRANSLATION if camera is None else camera.translation
        rotation = (
            yaw_quaternion(LIDAR_YAW) if camera is None else matrix_quaternion(camera.rotation)
        )
        tables['calibrated_sensor'].append(
            dict(
                token=calibrated,
                sensor_token=token(seed, 'sensor', channel),
                translation=[float(v) for v in translation],
                rotation=rotation,
                camera_intrinsic=[] if camera is None else camera.cam2img.tolist(),
            )
        )
        width, height = (0, 0) if camera is None else camera.size
        files = [token(seed, 'sample_data', world.name, channel, k) for k in range(count)]
        for frame, (previous, own, following) in enumerate(_chain(files)):
            rotation, translation = _global_pose(
                world, world.ego_pose(frame), world.ego_frame(frame)
            )
            tables['ego_pose'].append(
                dict(
                    token=own,
                    timestamp=timestamp(scene.index, frame),
                    rotation=rotation,
                    translation=translation,
                )
            )
            tables['sample_data'].append(
                dict(
                    token=own,
                    sample_token=token(seed, 'sample', world.name, frame),
                    ego_pose_token=own,
                    calibrated_sensor_token=calibrated,
                    timestamp=timestamp(scene.index, frame),
                    fileformat='pcd' if camera is None else 'jpg',
                    is_key_frame=True,
                    height=height,
                    width=width,
                    filename=data_path(world, scene.index, frame, channel),
                    prev=previous,
                    next=following,
                )
            )


def annotated_frames(observations: Sequence[Observation], index: int) -> list[int]:
    """Keyframes in which an actor is annotated.

    From the first to the last in which it is in range and seen at all: no gaps, so that the devkit
    finds its velocity, and nothing that no sensor ever saw.

    Args:
        observations: one per keyframe.
        index: of the actor.

    Returns:
        Consecutive keyframes, perhaps none.
    """
    seen = [frame for frame, obs in enumerate(observations) if obs.seen[index]]
    if not seen:
        return []
    between = range(seen[0], seen[-1] + 1)
    return [frame for frame in between if observations[frame].in_range[index]]


def _annotation_tables(tables: Tables, scene: SceneData, seed: int) -> None:
    """The records instance and sample_annotation."""
    world = scene.world
    for index, actor in enumerate(world.actors):
        frames = annotated_frames(scene.observations, index)
        if not frames:
            continue
        instance = token(seed, 'instance', world.name, index)
        tokens = [token(seed, 'sample_annotation', world.name, index, k) for k in frames]
        tables['instance'].append(
            dict(
                token=instance,
                category_token=token(seed, 'category', CATEGORIES[actor.name]),
                nbr_annotations=len(tokens),
                first_annotation_token=tokens[0],
                last_annotation_token=tokens[-1],
            )
        )
        length, width, height = actor.shape.size.tolist()
        attributes = [token(seed, 'attribute', actor.attribute)] if actor.attribute else []
        for frame, (previous, own, following) in zip(frames, _chain(tokens)):
            time = frame * KEYFRAME_INTERVAL
            flat = Pose(actor.position(time), actor.yaw)
            rotation, translation = _global_pose(world, flat, world.actor_box(actor, time))
            observation = scene.observations[frame]
            tables['sample_annotation'].append(
                dict(
                    token=own,
                    sample_token=token(seed, 'sample', world.name, frame),
                    instance_token=instance,
                    visibility_token=str(observation.visibility_level(index)),
                    attribute_tokens=attributes,
                    translation=translation,
                    size=[width, length, height],
                    rotation=rotation,
                    prev=previous,
                    next=following,
                    num_lidar_pts=int(observation.num_lidar_pts[index]),
                    num_radar_pts=0,
                )
            )
