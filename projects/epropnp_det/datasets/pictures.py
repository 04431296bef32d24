"""Results and ground truth over their images; tools/test.py --show-dir draws more."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engine.result_pictures import write_result_picture
from ..inputs import notice
from .pipelines import LoadImageMono3D

SHOWN_SCORE = 0.3


def draw_results(dataset: Any, results: Sequence[Mapping], out_dir: str, show: bool) -> None:
    """Writes the pictures.

    Args:
        dataset: A ``NuScenesEProPnPDataset``.
        results: Detections of each image, in the order of the data set.
        out_dir: Folder for the pictures.
        show: Whether to open windows, too, where there is a screen.
    """
    if show and sys.platform.startswith('linux') and not os.environ.get('DISPLAY'):
        notice('screen', 'show=True needs a screen; the pictures are written only')
        show = False
    load = LoadImageMono3D(**dataset.loading)
    for index, result in enumerate(results):
        image = dataset.data_infos[index]
        loaded = load({'img_info': image, 'img_prefix': dataset.img_prefix})
        write_result_picture(
            Path(out_dir) / f'{index:06d}_{Path(image["file_name"]).stem}.jpg',
            loaded['img'],
            loaded['cam2img'],
            result,
            SHOWN_SCORE,
            dataset.CLASSES,
            dataset.get_ann_info(index),
            show,
        )
