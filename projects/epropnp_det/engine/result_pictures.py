"""Pictures of results where mmdet3d's own code asks the detector or the data set for them.

mmdet3d's need ``np.int``, which numpy 1.24 dropped. Networks and data sets do not know how to draw:
who does registers a function in ``RESULT_PICTURES``, as ``epropnp_det.apis`` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmcv.utils import Registry

__all__ = ['RESULT_PICTURES', 'write_result_picture']

RESULT_PICTURES = Registry('picture of results')


def write_result_picture(
    out_file: str | Path,
    image: np.ndarray,
    cam2img: Any,
    result: Mapping,
    score_thr: float = 0.0,
    class_names: Sequence[str] | None = None,
    truth: Mapping | None = None,
    show: bool = False,
) -> None:
    """Draws the boxes of one image and writes the picture.

    Args:
        out_file: The picture; missing folders are made.
        image: BGR uint8, (H, W, 3).
        cam2img: Intrinsics, (3, 3) or (4, 4).
        result: The detector's result of the image.
        score_thr: Detections below are not drawn.
        class_names: Names of the classes.
        truth: Annotations, as mmdet3d's data sets give them: ``gt_bboxes_3d``, ``gt_labels_3d``.
        show: Whether to open a window, too.
    """
    draw = RESULT_PICTURES.get('side_by_side')
    picture = draw(image, cam2img, result, score_thr, class_names, truth)
    mmcv.imwrite(picture, str(out_file))
    if show:
        mmcv.imshow(picture, wait_time=1)
