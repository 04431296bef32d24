"""mmdet3d's converter and the official evaluator run on the data set as they are."""

import importlib
import json
import os
import sys
from pathlib import Path

import mmdet3d
import numpy as np
import pytest
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.evaluate import NuScenesEval
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.nuscenes import NuScenes


def _link(root: Path, target: Path) -> Path:
    """A data set of the same files in another folder, for tools that write beside them."""
    target.mkdir(parents=True)
    for path in root.iterdir():
        os.symlink(path, target / path.name)
    return target


@pytest.fixture
def converter(monkeypatch):
    tools = Path(mmdet3d.__file__).parent / '.mim' / 'tools'
    monkeypatch.syspath_prepend(str(tools))
    yield importlib.import_module('data_converter.nuscenes_converter')
    for name in [name for name in sys.modules if name.startswith('data_converter')]:
        del sys.modules[name]


def test_the_stock_converter_writes_infos_and_mono3d_json(synthetic_root, tmp_path, converter):
    root = _link(synthetic_root, tmp_path / 'data' / 'nuscenes')
    converter.create_nuscenes_infos(str(root), 'nuscenes', version='v1.0-mini')
    for split in ('train', 'val'):
        infos = root / f'nuscenes_infos_{split}.pkl'
        converter.export_2d_annotation(str(root), str(infos), version='v1.0-mini')
        data = json.loads((root / f'nuscenes_infos_{split}_mono3d.coco.json').read_text())
        assert len(data['images']) == 3 * 6
        assert all((root / image['file_name']).exists() for image in data['images'])
        assert len(data['annotations']) > 100
        for ann in data['annotations']:
            assert np.isfinite(ann['bbox_cam3d']).all() and ann['center2d'][2] > 0


def _perfect(nusc: NuScenes, scene: str) -> dict:
    """Ground truth as detections."""
    names = {record['token']: record['name'] for record in nusc.attribute}
    results = {}
    for sample in nusc.sample:
        if nusc.get('scene', sample['scene_token'])['name'] != scene:
            continue
        results[sample['token']] = boxes = []
        for token in sample['anns']:
            record = nusc.get('sample_annotation', token)
            if not record['num_lidar_pts']:
                continue  # the evaluator leaves such ground truth out
            attributes = [names[key] for key in record['attribute_tokens']]
            boxes.append(
                dict(
                    sample_token=sample['token'],
                    translation=record['translation'],
                    size=record['size'],
                    rotation=record['rotation'],
                    velocity=np.nan_to_num(nusc.box_velocity(token)[:2]).tolist(),
                    detection_name=category_to_detection_name(record['category_name']),
                    detection_score=1.0,
                    attribute_name=attributes[0] if attributes else '',
                )
            )
    return results


def test_perfect_detections_score_one(synthetic_root, tmp_path):
    nusc = NuScenes('v1.0-mini', str(synthetic_root), verbose=False)
    meta = dict.fromkeys(('use_camera', 'use_lidar', 'use_radar', 'use_map', 'use_external'), False)
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(dict(meta=meta, results=_perfect(nusc, 'scene-0103'))))
    config = config_factory('detection_cvpr_2019')
    evaluation = NuScenesEval(nusc, config, str(path), 'mini_val', str(tmp_path), verbose=False)
    metrics, _ = evaluation.evaluate()
    present = {box.detection_name for box in evaluation.gt_boxes.all}
    assert len(present) == 10
    for name, score in metrics.mean_dist_aps.items():
        assert score == pytest.approx(float(name in present), abs=1e-6), name
    for name in present:
        errors = metrics.serialize()['label_tp_errors'][name]
        assert errors['trans_err'] < 1e-6 and errors['scale_err'] < 1e-6
