"""Results as the csv of the BOP challenge."""

from __future__ import annotations

import csv
from pathlib import Path

from epropnp_det.atomic import replacing

from ..objects.instances import Instance
from ..objects.poses import pose_matrices

HEADER = ('scene_id', 'im_id', 'obj_id', 'score', 'R', 't', 'time')


def write_bop_csv(
    path: str | Path, results: list[dict], instances: list[Instance], seconds: float = -1
) -> Path:
    """Writes one line per found object: rotation row by row, translation in millimetres.

    Args:
        path: File; BOP wants ``METHOD_DATASET-SPLIT.csv``.
        results: Of `ObjectPoseEstimator`, in the order of ``instances``.
        instances: Which object of which image.
        seconds: Per image; -1 if unknown.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(HEADER)
        for result, instance in zip(results, instances):
            if not result['valid'] or instance.score <= 0:
                continue
            matrix = pose_matrices(result['pose'][None])[0]
            writer.writerow(
                [
                    instance.scene_id,
                    instance.image_id,
                    instance.obj_id,
                    instance.score,
                    ' '.join(f'{value:.9g}' for value in matrix[:, :3].ravel()),
                    ' '.join(f'{value:.9g}' for value in matrix[:, 3] * 1000),
                    seconds,
                ]
            )
    return path
