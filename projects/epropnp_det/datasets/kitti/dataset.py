"""The KITTI object data set for monocular 3D detection."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.utils import print_log
from mmdet3d.datasets.builder import DATASETS
from terminaltables import AsciiTable

from ... import taxonomy
from ...boxes.arrays import UNIT_CORNERS, points_of_boxes, rotations
from ...boxes.image_extent import image_bboxes
from ..annotation_check import read_annotation_file
from ..nuscenes_epropnp import NO_PREFIX, NuScenesEProPnPDataset
from ..results import detections_by_name
from .average_precision import DIFFICULTIES, METRICS, MIN_OVERLAP, ClassScores, evaluate_class
from .convert import (
    CLASSES,
    NUSCENES_MEANINGS,
    OWN_MEANINGS,
    frame_names,
    frame_of,
    label_paths,
    plain_content,
    read_layout,
)
from .files import KittiObjects, read_objects, write_results


@DATASETS.register_module()
class KittiEProPnPDataset(NuScenesEProPnPDataset):
    """KITTI objects, of mmdet3d's ``kitti_infos_*_mono3d.coco.json`` or of KITTI's own files.

    Boxes are in the frame of the colour camera 2, whose intrinsics are the left part of ``P2``, and
    go back to that of camera 0 in results and evaluation. What is ignored by the benchmark (vans,
    sitting persons, ``DontCare``) is ignored in training, where KITTI's own files are read.

    Args:
        ann_file: A ``*_mono3d.coco.json``; or ``ImageSets/train.txt``, which lists frames of
            ``training``; or a folder with ``image_2``, ``calib`` and ``label_2``.
        **kwargs: As for :class:`NuScenesEProPnPDataset`; nuScenes' options of evaluation have no
            effect.
    """

    CLASSES = CLASSES
    MEANINGS = OWN_MEANINGS

    def _read_content(self, ann_file: str) -> dict:
        if Path(ann_file).suffix == '.json':
            return plain_content(read_annotation_file(ann_file))
        folder, names = frame_names(ann_file)
        return read_layout(folder, names, self.img_prefix or '.', self.MEANINGS, type(self).CLASSES)

    def to_objects(self, results: Sequence[Mapping]) -> list[KittiObjects]:
        """Detections of each image as KITTI's objects, in the frame of camera 0.

        2D boxes are those around the projected 3D boxes; what the image does not show is left out.

        Args:
            results: ``boxes_3d, scores_3d, labels_3d`` of each image.
        """
        return [
            _objects_of(result, self.data_infos[index], self.CLASSES)
            for index, result in enumerate(results)
        ]

    def _format(self, results: Sequence[Mapping], folder: str) -> dict[str, str]:
        named = detections_by_name(
            results, len(self), len(self.CLASSES), lambda index: self.data_infos[index]['file_name']
        )
        for name, detections in named.items():
            target = Path(folder) / name / 'data'
            target.mkdir(parents=True, exist_ok=True)
            for index, objects in enumerate(self.to_objects(detections)):
                write_results(target / f'{frame_of(self.data_infos[index])}.txt', objects)
        return {name: str(Path(folder) / name / 'data') for name in named}

    def check_formatting(self, jsonfile_prefix: str | None = None, **kwargs: Any) -> None:
        """As in nuScenes, but result files need no poses of the car.

        Raises:
            ValueError: If there is no prefix.
        """
        if jsonfile_prefix is None:
            raise ValueError(NO_PREFIX)

    def check_evaluation(self, **kwargs: Any) -> None:
        """What of :meth:`evaluate` can fail without any result, so that it fails before the work.

        Args:
            **kwargs: Arguments of :meth:`evaluate`.

        Raises:
            ValueError: If the benchmark scores none of the classes.
            FileNotFoundError: If a label file is missing, as all of the test set are.
        """
        if not set(self.CLASSES) & set(MIN_OVERLAP):
            raise ValueError(
                f"KITTI's benchmark scores {', '.join(MIN_OVERLAP)}, and the classes are "
                f'{", ".join(self.CLASSES)}; set classes of the data set'
            )
        self._truths()

    def _truths(self) -> list[KittiObjects]:
        """The labels of all frames."""
        return [read_objects(path) for path in label_paths(self.data_infos, self.img_prefix or '.')]

    def evaluate(
        self,
        results: Sequence[Mapping],
        metric: str | list[str] = 'bbox',
        logger: Any = None,
        jsonfile_prefix: str | None = None,
        result_names: Sequence[str] = ('img_bbox',),
        **kwargs: Any,
    ) -> dict[str, float]:
        """Scores the results by KITTI's average precision at 40 recall positions, on the CPU.

        Labels are read from ``label_2`` beside the images, since annotation files lack what the
        benchmark ignores.

        Args:
            results: Detections of each image, in the order of the data set.
            metric: Only ``bbox``.
            logger: Where the table goes.
            jsonfile_prefix: Folder to keep the result files in.
            result_names: Which 3D results to score.
            **kwargs: Ignored, for the stock scripts.

        Returns:
            ``KITTI/Car_3D_moderate`` and so on, in percent, and ``KITTI/mAP_3D_moderate``.

        Raises:
            ValueError: If the results are not those of this data set.
            FileNotFoundError: If a label file is missing, as all of the test set are.
        """
        with tempfile.TemporaryDirectory() as temporary:
            files = self._format(results, jsonfile_prefix or temporary)
            absent = [name for name in result_names if name not in files]
            if absent:
                raise ValueError(f'no result {absent[0]!r}; there are {sorted(files)}')
            frames = [frame_of(image) for image in self.data_infos]
            truths = self._truths()
            values: dict[str, float] = {}
            for name in result_names:
                found = [read_objects(Path(files[name]) / f'{frame}.txt') for frame in frames]
                scores = {
                    kind: evaluate_class(truths, found, kind)
                    for kind in self.CLASSES
                    if kind in MIN_OVERLAP
                }
                print_log(f'\n{scores_table(scores)}', logger)
                values.update(scores_by_name(scores))
        return values


@DATASETS.register_module()
class KittiAsNuScenesDataset(KittiEProPnPDataset):
    """KITTI's own files under the class names of nuScenes, for training with images of both.

    What a type becomes is in ``NUSCENES_MEANINGS``: vans are cars, cyclists are bicycles, as in
    nuScenes; trams, sitting persons, ``Misc`` and ``DontCare`` are ignored. Velocities and most
    attributes are unknown and not trained. Barriers and traffic cones have no labels in KITTI.

    Args:
        **kwargs: As for :class:`KittiEProPnPDataset`, without annotation files.
    """

    CLASSES = tuple(taxonomy.CLASSES)
    MEANINGS = NUSCENES_MEANINGS


def _objects_of(result: Mapping, image: Mapping, classes: Sequence[str]) -> KittiObjects:
    boxes = result['boxes_3d'].tensor.numpy().astype(np.float64)
    offset = np.array(image.get('cam_offset', np.zeros(3)))
    extents, yaws = boxes[:, 3:6], boxes[:, 6]
    centers = boxes[:, :3] - np.stack([0 * yaws, extents[:, 1] / 2, 0 * yaws], axis=1)
    corners = points_of_boxes(UNIT_CORNERS, centers, extents, rotations(yaws))
    cam2img = np.array(image['cam_intrinsic'], dtype=np.float64)[:3, :3]
    bboxes = image_bboxes(corners, cam2img, (image['width'], image['height']))
    locations = boxes[:, :3] - offset
    turn = yaws - np.arctan2(locations[:, 0], locations[:, 2])
    objects = KittiObjects(
        types=np.array([classes[label] for label in result['labels_3d']], dtype=object),
        truncated=np.full(len(boxes), -1.0),
        occluded=np.full(len(boxes), -1.0),
        alpha=_wrapped(turn),
        bboxes=bboxes,
        dims=extents[:, [1, 2, 0]],
        locations=locations,
        yaws=_wrapped(yaws),
        scores=np.asarray(result['scores_3d'], dtype=np.float64),
    )
    return objects.select(np.isfinite(bboxes).all(axis=1))


def _wrapped(angles: np.ndarray) -> np.ndarray:
    """The same angles in [-pi, pi)."""
    return (angles + np.pi) % (2 * np.pi) - np.pi


def scores_by_name(scores: Mapping[str, ClassScores]) -> dict[str, float]:
    """Numbers for logs, by class, measure and difficulty, in percent."""
    values = {}
    for kind, result in scores.items():
        for metric in METRICS:
            for level, value in zip(DIFFICULTIES, result.precision[metric]):
                values[f'KITTI/{kind}_{metric.upper()}_{level}'] = value
        for level, value in zip(DIFFICULTIES, result.orientation):
            values[f'KITTI/{kind}_AOS_{level}'] = value
    moderate = [values[f'KITTI/{kind}_3D_moderate'] for kind in scores]
    known = [value for value in moderate if np.isfinite(value)]
    values['KITTI/mAP_3D_moderate'] = float(np.mean(known)) if known else float('nan')
    return values


def scores_table(scores: Mapping[str, ClassScores]) -> str:
    """Average precision in percent for people, easy / moderate / hard."""
    rows = [['AP40', *METRICS, 'AOS']]
    for kind, result in scores.items():
        columns = [*(result.precision[metric] for metric in METRICS), result.orientation]
        cells = [' / '.join(f'{value:.2f}' for value in column) for column in columns]
        rows.append([f'{kind} (IoU {MIN_OVERLAP[kind]})', *cells])
    return AsciiTable(rows, 'easy / moderate / hard').table
