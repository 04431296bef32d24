"""Records of a nuScenes sample in the format of ``*_mono3d.coco.json``, with a few optional fields.

What a stock data set reads is what mmdet3d's converter writes, field by field; ``docs/data.md``
lists the additions and the two differences (images of other sizes than 1600 x 900, boxes that reach
behind the camera). No image is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from nuscenes import NuScenes
from nuscenes.eval.detection.utils import category_to_detection_name

from ..boxes.arrays import UNIT_CORNERS, points_of_boxes, project
from ..boxes.image_extent import image_bboxes, truncations
from ..inputs.rotations import quaternion_to_matrix
from ..taxonomy import CLASSES
from .submission import ATTRIBUTES

CAMERAS = (
    'CAM_FRONT',
    'CAM_FRONT_RIGHT',
    'CAM_FRONT_LEFT',
    'CAM_BACK',
    'CAM_BACK_LEFT',
    'CAM_BACK_RIGHT',
)


class Pose(NamedTuple):
    """A rigid transform.

    Attributes:
        rotation: (3, 3).
        translation: (3,).
    """

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def from_record(cls, record: dict) -> Pose:
        """Of a table row with ``rotation`` (quaternion) and ``translation``."""
        rotation, translation = _numbers(record, 'rotation', 4), _numbers(record, 'translation', 3)
        return cls(quaternion_to_matrix(rotation), translation)

    def inverse_points(self, points: np.ndarray) -> np.ndarray:
        """Takes points back, (n, 3)."""
        return (points - self.translation) @ self.rotation

    def matrix(self) -> np.ndarray:
        """Homogeneous (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self
        return matrix


class SampleObjects(NamedTuple):
    """Annotated objects of the ten classes in one sample, global frame.

    Attributes:
        centers: (n, 3).
        extents: Length, width, height, (n, 3).
        rotations: Box -> global, (n, 3, 3).
        velocities: Metres per second, vertical zero, NaN where unknown, (n, 3).
        fields: What goes into the file as it is, one dict per object.
    """

    centers: np.ndarray
    extents: np.ndarray
    rotations: np.ndarray
    velocities: np.ndarray
    fields: list[dict]


def dropped_categories(tables: NuScenes, samples: Iterable[dict]) -> tuple[Counter, int]:
    """What conversion leaves out.

    Args:
        tables: nuScenes tables.
        samples: Rows of the table ``sample``.

    Returns:
        Number of annotations of each category that is none of the ten classes; number of all.
    """
    counts = Counter(
        tables.get('sample_annotation', token)['category_name']
        for sample in samples
        for token in sample['anns']
    )
    unknown = {n: c for n, c in counts.items() if category_to_detection_name(n) is None}
    return Counter(unknown), sum(counts.values())


def read_objects(tables: NuScenes, sample: dict) -> SampleObjects:
    """Collects the objects of a sample; classes outside the ten are left out."""
    records = [tables.get('sample_annotation', token) for token in sample['anns']]
    names = [category_to_detection_name(record['category_name']) for record in records]
    pairs = [(record, name) for record, name in zip(records, names) if name is not None]

    def column(key: str, width: int) -> np.ndarray:
        rows = [_numbers(record, key, width) for record, _ in pairs]
        return np.array(rows, dtype=np.float64).reshape(-1, width)

    centers = column('translation', 3)
    planar = np.array([tables.box_velocity(record['token'])[:2] for record, _ in pairs])
    return SampleObjects(
        centers=centers,
        extents=column('size', 3)[:, [1, 0, 2]],
        rotations=quaternion_to_matrix(column('rotation', 4)),
        velocities=np.concatenate([planar.reshape(-1, 2), np.zeros((len(pairs), 1))], axis=1),
        fields=[_object_fields(tables, *pair) for pair in pairs],
    )


def _numbers(record: dict, key: str, count: int) -> np.ndarray:
    """A field of a table row, checked."""
    try:
        values = np.array(record[key], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array(())
    if (
        values.shape != (count,)
        or not np.isfinite(values).all()
        or not (values.any() or key == 'translation')
    ):
        raise ValueError(
            f'row {record["token"]} has {key} {record[key]!r:.60}, not {count} numbers'
        )
    return values


def _object_fields(tables: NuScenes, record: dict, name: str) -> dict:
    tokens = record['attribute_tokens']
    attribute = tables.get('attribute', tokens[0])['name'] if tokens else ''
    if attribute not in ATTRIBUTES:
        raise ValueError(f'nuScenes knows no attribute {attribute!r}')
    return {
        'category_name': name,
        'category_id': CLASSES.index(name),
        'attribute_name': attribute or 'None',
        'attribute_id': ATTRIBUTES.index(attribute),
        'visibility': int(record['visibility_token'] or 0),
        'instance_token': record['instance_token'],
        'num_lidar_pts': record['num_lidar_pts'],
    }


def image_record(tables: NuScenes, sample: dict, camera: str) -> dict:
    """Record of one image.

    As in mmdet3d's converter ``ego2global_*`` is the ego pose of the LiDAR keyframe; the pose at
    the time of the image is ``cam_ego2global_*``.

    Raises:
        KeyError: If the sample has no such camera.
    """
    data = tables.get('sample_data', sample['data'][camera])
    lidar = tables.get('sample_data', sample['data']['LIDAR_TOP'])
    sensor = tables.get('calibrated_sensor', data['calibrated_sensor_token'])
    lidar_sensor = tables.get('calibrated_sensor', lidar['calibrated_sensor_token'])
    pose = tables.get('ego_pose', data['ego_pose_token'])
    lidar_pose = tables.get('ego_pose', lidar['ego_pose_token'])
    if np.shape(sensor['camera_intrinsic']) != (3, 3):
        raise ValueError(f'{camera} has the intrinsics {sensor["camera_intrinsic"]}, not 3 x 3')
    cam2global = Pose.from_record(pose).matrix() @ Pose.from_record(sensor).matrix()
    lidar2global = Pose.from_record(lidar_pose).matrix() @ Pose.from_record(lidar_sensor).matrix()
    return {
        'file_name': data['filename'],
        'id': data['token'],
        'token': sample['token'],
        'cam2ego_rotation': sensor['rotation'],
        'cam2ego_translation': sensor['translation'],
        'ego2global_rotation': lidar_pose['rotation'],
        'ego2global_translation': lidar_pose['translation'],
        'cam_intrinsic': sensor['camera_intrinsic'],
        'width': data['width'],
        'height': data['height'],
        'camera': camera,
        'lidar_path': lidar['filename'],
        'lidar2cam': (np.linalg.inv(cam2global) @ lidar2global).tolist(),
        'cam_ego2global_rotation': pose['rotation'],
        'cam_ego2global_translation': pose['translation'],
    }


def image_annotations(objects: SampleObjects, image: dict) -> list[dict]:
    """Annotations of the objects that an image shows, without ids.

    Yaw is the angle of the box's heading about the camera's y axis as mmdet3d's converter takes it,
    from the first row of the rotation.
    """
    ego = Pose(
        quaternion_to_matrix(image['cam_ego2global_rotation']),
        np.array(image['cam_ego2global_translation']),
    )
    camera = Pose(
        quaternion_to_matrix(image['cam2ego_rotation']), np.array(image['cam2ego_translation'])
    )
    intrinsics = np.array(image['cam_intrinsic'])
    size = (image['width'], image['height'])
    centers = camera.inverse_points(ego.inverse_points(objects.centers))
    global2cam = camera.rotation.T @ ego.rotation.T
    rotations = global2cam @ objects.rotations  # (n, 3, 3)
    velocities = objects.velocities @ global2cam.T
    corners = points_of_boxes(UNIT_CORNERS, centers, objects.extents, rotations)
    bboxes = image_bboxes(corners, intrinsics, size)
    yaws = np.arctan2(rotations[:, 0, 1], rotations[:, 0, 0])

    shown = np.flatnonzero(np.isfinite(bboxes).all(axis=1) & (centers[:, 2] > 0))
    truncation = truncations(
        centers[shown], objects.extents[shown], rotations[shown], intrinsics, size
    )
    centers2d = project(centers[shown], intrinsics)
    annotations = []
    for row, index in enumerate(shown):
        x1, y1, x2, y2 = bboxes[index].tolist()
        length, width, height = objects.extents[index].tolist()
        annotations.append(
            {
                'file_name': image['file_name'],
                'image_id': image['id'],
                'area': (y2 - y1) * (x2 - x1),
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'iscrowd': 0,
                'bbox_cam3d': [*centers[index].tolist(), length, height, width, float(yaws[index])],
                'velo_cam3d': velocities[index, [0, 2]].tolist(),
                'center2d': [*centers2d[row].tolist(), float(centers[index, 2])],
                'segmentation': [],
                'truncation': round(float(truncation[row]), 3),
                **objects.fields[index],
            }
        )
    return annotations


def convert_samples(
    tables: NuScenes, samples: Iterable[dict], lidar: bool = True
) -> tuple[list[dict], list[dict]]:
    """Images and annotations of these samples, six images each.

    Args:
        tables: nuScenes tables.
        samples: Rows of the table ``sample``.
        lidar: Whether ``lidar_path`` and ``lidar2cam`` are written.

    Returns:
        Images; annotations without ids.

    Raises:
        ValueError: If a table lacks a row that a sample refers to.
    """
    images, annotations = [], []
    for sample in samples:
        try:
            objects = read_objects(tables, sample)
            records = [image_record(tables, sample, camera) for camera in CAMERAS]
        except KeyError as error:
            raise ValueError(
                f'sample {sample["token"]} refers to {error}, which the tables do not hold; they '
                'are incomplete or of different downloads: unpack the metadata anew'
            ) from error
        except (TypeError, ValueError) as error:
            raise ValueError(
                f'sample {sample["token"]}: {error}; unpack the metadata anew'
            ) from error
        for image in records:
            annotations += image_annotations(objects, image)
            images.append(image if lidar else _without_lidar(image))
    return images, annotations


def _without_lidar(image: dict) -> dict:
    return {key: value for key, value in image.items() if key not in ('lidar_path', 'lidar2cam')}
