"""From camera boxes to entries of a nuScenes submission, without a GPU.

Source: docs/method.md 4.6 and 7.1.

Camera boxes -> global frame -> evaluation range -> class-wise rotated NMS across the cameras of a
sample -> best 500 -> dicts that nuscenes-devkit reads. Everything is vectorised over the boxes of a
sample and in float64, since global coordinates are in the thousands of metres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmcv.ops import nms_rotated

from epropnp_det.boxes.instances import boxes3d_from_instance, velocities_from_instance

from ..inputs.rotations import multiply_quaternions, quaternion_to_matrix

# Order of the attribute indices, as in mmdet3d's converter; the last means "none".
ATTRIBUTES = (
    'cycle.with_rider',
    'cycle.without_rider',
    'pedestrian.moving',
    'pedestrian.standing',
    'pedestrian.sitting_lying_down',
    'vehicle.moving',
    'vehicle.parked',
    'vehicle.stopped',
    '',
)
# Attribute group of each class and what mmdet3d writes when the predicted one is not of that group.
CLASS_ATTRIBUTES = {
    'car': ('vehicle.', 'vehicle.parked'),
    'truck': ('vehicle.', 'vehicle.parked'),
    'trailer': ('vehicle.', 'vehicle.parked'),
    'bus': ('vehicle.', 'vehicle.moving'),
    'construction_vehicle': ('vehicle.', 'vehicle.parked'),
    'bicycle': ('cycle.', 'cycle.without_rider'),
    'motorcycle': ('cycle.', 'cycle.without_rider'),
    'pedestrian': ('pedestrian.', 'pedestrian.moving'),
    'traffic_cone': (None, ''),
    'barrier': (None, ''),
}


class SubmissionOptions(NamedTuple):
    """How detections become a submission.

    Attributes:
        score_thr: Only scores above it are written.
        nms_iou_thr: Bird's-eye IoU above which the lower-scored box of the same class goes, also
            across cameras; None switches the suppression off. mmdet3d uses 0.05, the authors 0.25.
        max_per_sample: Most boxes of one sample; the evaluator accepts 500.
    """

    score_thr: float = 0.0
    nms_iou_thr: float | None = 0.25
    max_per_sample: int = 500


class GlobalBoxes(NamedTuple):
    """``n`` detections in the global frame, float64.

    Attributes:
        centers: Geometric centres in metres, (n, 3).
        sizes: Width, length, height in metres, (n, 3).
        rotations: Unit quaternions w x y z of the nuScenes box frame (x forward, z up), (n, 4).
        velocities: Metres per second, (n, 3).
        scores: (n,).
        labels: Class indices, (n,).
        attributes: Attribute indices, legal for the class, (n,).
    """

    centers: np.ndarray
    sizes: np.ndarray
    rotations: np.ndarray
    velocities: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray

    def select(self, keep: np.ndarray) -> GlobalBoxes:
        """The boxes that ``keep`` (bool mask or indices) names."""
        return GlobalBoxes(*(field[keep] for field in self))

    @classmethod
    def concatenate(cls, parts: Sequence[GlobalBoxes]) -> GlobalBoxes:
        """All boxes of all parts, in order."""
        return cls(*(np.concatenate(fields) for fields in zip(*parts)))


def ego_pose(image: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Ego pose at the time of the image: quaternion (4,) and translation (3,).

    mmdet3d's converter writes the ego pose of the LiDAR keyframe for all cameras, although it takes
    the boxes to the camera with the camera's own pose. Our converter keeps that and adds the
    camera's own as ``cam_ego2global_*``, which is preferred here.
    """
    prefix = 'cam_ego2global' if 'cam_ego2global_rotation' in image else 'ego2global'
    rotation = np.asarray(image[f'{prefix}_rotation'], dtype=np.float64)
    return rotation, np.asarray(image[f'{prefix}_translation'], dtype=np.float64)


def check_poses(image: Mapping) -> None:
    """Checks that detections of an image can go to the global frame.

    Raises:
        ValueError: If the record lacks a pose.
    """
    poses = ['cam2ego', 'ego2global']
    if 'cam_ego2global_rotation' in image:
        poses.append('cam_ego2global')
    needed = [f'{pose}_{part}' for pose in poses for part in ('rotation', 'translation')]
    missing = [key for key in needed if key not in image]
    if missing:
        raise ValueError(
            f'image {image["id"]} lacks {missing}: a nuScenes submission is in the global frame; '
            'for data of your own write the results with test.py --out'
        )


def camera_of(image: Mapping) -> str:
    """Channel of an image: its ``camera``, or the folder of its file as nuScenes names it."""
    folders = Path(image['file_name']).parts
    return image.get('camera') or next((part for part in folders if part.startswith('CAM_')), '')


def camera_to_global(detections: Mapping, image: Mapping, classes: Sequence[str]) -> GlobalBoxes:
    """Takes the detections of one image to the global frame.

    Args:
        detections: ``boxes_3d`` (``CameraInstance3DBoxes``), ``scores_3d`` and ``labels_3d`` (n,),
            and ``attrs_3d`` indices (n,), or ``attr_scores_3d`` (n, 8 or more), or neither.
        image: Record of the image with ``cam2ego_*`` and ``ego2global_*``.
        classes: Class names in the order of the labels.

    Returns:
        Boxes in the order of the detections. Boxes that are not finite or have no extent are left
        out; unknown velocities are zero.
    """
    boxes = boxes3d_from_instance(detections['boxes_3d']).numpy().astype(np.float64)
    velocities = velocities_from_instance(detections['boxes_3d']).numpy().astype(np.float64)
    scores = np.asarray(detections['scores_3d'], dtype=np.float64)
    labels = np.asarray(detections['labels_3d'], dtype=np.int64)

    ego_rotation, ego_translation = ego_pose(image)
    cam_rotation = np.asarray(image['cam2ego_rotation'], dtype=np.float64)
    ego2global = quaternion_to_matrix(ego_rotation)
    cam2global = ego2global @ quaternion_to_matrix(cam_rotation)
    half_yaw = boxes[:, 6] / 2
    zero = np.zeros_like(half_yaw)
    yaw_rotation = np.stack([np.cos(half_yaw), zero, np.sin(half_yaw), zero], axis=-1)  # (n, 4)
    to_object = np.sqrt(0.5) * np.array([1.0, 1.0, 0.0, 0.0])  # nuScenes box -> object frame
    box_rotation = multiply_quaternions(yaw_rotation, to_object)
    camera_rotation = multiply_quaternions(ego_rotation, cam_rotation)
    rotations = multiply_quaternions(camera_rotation, box_rotation)
    origin = ego2global @ np.asarray(image['cam2ego_translation'], dtype=np.float64)
    planar = np.stack([velocities[:, 0], zero, velocities[:, 1]], axis=-1)
    planar = np.where(np.isfinite(planar), planar, 0.0)
    result = GlobalBoxes(
        centers=boxes[:, 3:6] @ cam2global.T + origin + ego_translation,
        sizes=boxes[:, [2, 0, 1]],
        rotations=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True),
        velocities=planar @ cam2global.T,
        scores=scores,
        labels=labels,
        attributes=legal_attributes(detections, labels, classes),
    )
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    return result.select(finite & (boxes[:, :3] > 0).all(axis=1))


def legal_attributes(detections: Mapping, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Attribute index of each detection, legal for its class, (n,).

    With ``attr_scores_3d`` the best-scored attribute that the class may have; with ``attrs_3d``
    that index if it is legal, else the default of the class; with neither, the default.
    """
    groups = [CLASS_ATTRIBUTES.get(name, (None, '')) for name in classes]
    allowed = np.array([[_is_of(name, group) for name in ATTRIBUTES] for group, _ in groups])
    default = np.array([ATTRIBUTES.index(name) for _, name in groups])[labels]  # (n,)
    allowed = allowed[labels]  # (n, 9)
    if 'attr_scores_3d' in detections:
        scores = np.asarray(detections['attr_scores_3d'], dtype=np.float64)[:, :8]
        best = np.where(allowed[:, :8], scores, -np.inf).argmax(axis=1)
        return np.where(allowed.any(axis=1), best, default)
    if 'attrs_3d' not in detections:
        return default
    given = np.asarray(detections['attrs_3d'], dtype=np.int64)
    inside = (given >= 0) & (given < len(ATTRIBUTES))
    legal = inside & allowed[np.arange(len(given)), np.where(inside, given, 0)]
    return np.where(legal, given, default)


def _is_of(attribute: str, group: str | None) -> bool:
    return group is not None and attribute.startswith(group)


def within_range(boxes: GlobalBoxes, image: Mapping, max_range: np.ndarray) -> GlobalBoxes:
    """Boxes within the evaluation range of their class.

    The criterion is the evaluator's: bird's-eye distance in the global frame from the ego position
    at the LiDAR keyframe.

    Args:
        boxes: Boxes of a sample.
        image: Record of an image of that sample.
        max_range: Range of each class in metres, (classes,).
    """
    ego = np.asarray(image['ego2global_translation'], dtype=np.float64)
    distance = np.linalg.norm(boxes.centers[:, :2] - ego[:2], axis=1)
    return boxes.select(distance < max_range[boxes.labels])


def bev_boxes(boxes: GlobalBoxes) -> np.ndarray:
    """Bird's-eye boxes ``x y length width yaw`` in the global frame, (n, 5)."""
    forward = quaternion_to_matrix(boxes.rotations)[:, :, 0]
    yaw = np.arctan2(forward[:, 1], forward[:, 0])
    return np.concatenate([boxes.centers[:, :2], boxes.sizes[:, 1::-1], yaw[:, None]], axis=1)


def suppress(boxes: GlobalBoxes, options: SubmissionOptions) -> GlobalBoxes:
    """Class-wise bird's-eye NMS, then the best boxes in falling order of score.

    Args:
        boxes: Boxes of a sample, in any order, from any number of cameras.
        options: Thresholds.
    """
    boxes = boxes.select(boxes.scores > options.score_thr)
    if options.nms_iou_thr is not None and len(boxes.scores) > 1:
        bev = bev_boxes(boxes)
        bev[:, :2] -= bev[:, :2].mean(axis=0)  # the operator is float32
        bev = torch.from_numpy(bev.astype(np.float32))
        scores = torch.from_numpy(boxes.scores.astype(np.float32))
        kept = []
        for label in np.unique(boxes.labels):
            members = np.flatnonzero(boxes.labels == label)
            _, keep = nms_rotated(bev[members], scores[members], options.nms_iou_thr)
            kept.append(members[keep.numpy()])
        boxes = boxes.select(np.sort(np.concatenate(kept)))
    return boxes.select(np.argsort(-boxes.scores, kind='stable')[: options.max_per_sample])


def to_entries(boxes: GlobalBoxes, sample_token: str, classes: Sequence[str]) -> list[dict]:
    """Entries of the submission for one sample, plain Python values throughout."""
    columns = zip(
        boxes.centers.tolist(),
        boxes.sizes.tolist(),
        boxes.rotations.tolist(),
        boxes.velocities[:, :2].tolist(),
        boxes.labels.tolist(),
        boxes.scores.tolist(),
        boxes.attributes.tolist(),
    )
    return [
        {
            'sample_token': sample_token,
            'translation': center,
            'size': size,
            'rotation': rotation,
            'velocity': velocity,
            'detection_name': classes[label],
            'detection_score': score,
            'attribute_name': ATTRIBUTES[attribute],
        }
        for center, size, rotation, velocity, label, score, attribute in columns
    ]


def sample_entries(
    detections: Sequence[Mapping],
    images: Sequence[Mapping],
    classes: Sequence[str],
    max_range: np.ndarray,
    options: SubmissionOptions,
) -> list[dict]:
    """Entries of one sample from the detections of its images.

    Args:
        detections: Detections of each image, see ``camera_to_global``.
        images: Records of these images: one, some or all cameras of the sample.
        classes: Class names in the order of the labels.
        max_range: Evaluation range of each class in metres, (classes,).
        options: Thresholds.
    """
    parts = [camera_to_global(*pair, classes) for pair in zip(detections, images)]
    boxes = within_range(GlobalBoxes.concatenate(parts), images[0], max_range)
    return to_entries(suppress(boxes, options), images[0]['token'], classes)


def submission_entries(
    results: Sequence[Mapping],
    images: Sequence[Mapping],
    sample_tokens: Sequence[str],
    classes: Sequence[str],
    max_range: np.ndarray,
    options: SubmissionOptions,
    cameras: Sequence[str] | None = None,
) -> dict[str, list[dict]]:
    """Entries of each sample; one that shows nothing, or of which no camera counts, has none.

    Args:
        results: Detections of each image.
        images: Records of the images.
        sample_tokens: All samples of the file.
        classes: Class names in the order of the labels.
        max_range: Evaluation range of each class in metres, (classes,).
        options: Thresholds.
        cameras: Channels that count; None for all.
    """
    members: dict[str, list[int]] = {token: [] for token in sample_tokens}
    for index, image in enumerate(images):
        if cameras is None or camera_of(image) in cameras:
            members[image['token']].append(index)
    entries: dict[str, list[dict]] = {token: [] for token in members}
    for token, indices in members.items():
        if indices:
            found, shown = ([items[index] for index in indices] for items in (results, images))
            entries[token] = sample_entries(found, shown, classes, max_range, options)
    return entries
