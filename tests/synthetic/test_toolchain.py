"""mmdet3d's converter and the official evaluator run on the data set as they are."""

import importlib
import json
import os
import sys
from pathlib import Path

import mmdet3d
import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.core.bbox import CameraInstance3DBoxes
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.evaluate import NuScenesEval
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.nuscenes import NuScenes

from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.prepare import prepare_nuscenes
from epropnp_det.synthetic import Spec, make_dataset

CONFIG = Path(__file__).parents[2] / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py'


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


@pytest.fixture(scope='module')
def partly_empty(tmp_path_factory):
    """Of four scenes in mini_train and two in mini_val one each has no object."""
    spec = Spec(scenes=6, frames=1, scale=0.2, conditions=('day', 'empty', 'night'))
    root = tmp_path_factory.mktemp('empty') / 'data' / 'nuscenes'
    return make_dataset(root, spec, progress=False)


def test_scenes_without_objects_pass_our_converter_and_data_set(partly_empty, tmp_path):
    train, val = prepare_nuscenes(partly_empty, 'v1.0-mini', tmp_path)
    content = json.loads(train.read_text())
    occupied = {annotation['image_id'] for annotation in content['annotations']}
    assert len(content['images']) == 24 and 6 < len(occupied) <= 18

    def build(path, pipeline, **kwargs):
        root = f'{partly_empty}/'
        options = dict(data_root=root, img_prefix=root, pipeline=pipeline, **kwargs)
        return NuScenesEProPnPDataset(ann_file=str(path), **options)

    pipeline = list(Config.fromfile(CONFIG).data.train.pipeline)
    training = build(train, pipeline, filter_empty_gt=False)
    empty = [len(training[k]['gt_labels_3d'].data) == 0 for k in range(len(training))]
    assert len(empty) == 24 and sum(empty) >= 24 - len(occupied)
    assert len(build(train, pipeline)) == len(occupied)  # the default leaves such images out

    evaluated = build(val, [], test_mode=True)
    boxes = CameraInstance3DBoxes(torch.tensor([[0.0, 1.5, 20.0, 4.6, 1.7, 2.0, 0, 0, 0]]), 9)
    result = dict(boxes_3d=boxes, scores_3d=torch.ones(1), labels_3d=torch.zeros(1).long())
    result['attrs_3d'] = torch.zeros(1).long()
    results = [dict(img_bbox=result) for _ in range(len(evaluated))]
    metrics = evaluated.evaluate(results, jsonfile_prefix=str(tmp_path / 'results'))
    assert len(evaluated) == 12 and 0 <= metrics['img_bbox_NuScenes/mAP'] < 0.1
    written = json.loads(next((tmp_path / 'results').rglob('results_nusc.json')).read_text())
    assert len(written['results']) == 2 and all(written['results'].values())


def test_the_stock_converter_takes_scenes_without_objects(partly_empty, tmp_path, converter):
    root = _link(partly_empty, tmp_path / 'data' / 'nuscenes')
    converter.create_nuscenes_infos(str(root), 'nuscenes', version='v1.0-mini')
    converter.export_2d_annotation(
        str(root), str(root / 'nuscenes_infos_train.pkl'), version='v1.0-mini'
    )
    data = json.loads((root / 'nuscenes_infos_train_mono3d.coco.json').read_text())
    assert len(data['images']) == 24
    assert 6 < len({annotation['image_id'] for annotation in data['annotations']}) <= 18
