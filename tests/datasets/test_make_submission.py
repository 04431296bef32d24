"""tools/make_submission.py from a checkpoint: detect, format, check, pack."""

import itertools
import json
import runpy
import sys

import mmcv
import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.runner import save_checkpoint
from mmdet.datasets import build_dataloader
from mmdet3d.datasets import build_dataset
from nuscenes.eval.common.loaders import load_prediction
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.data_classes import DetectionBox
from pyquaternion import Quaternion
from shapely import affinity
from shapely.geometry import box as rectangle

from epropnp_det.apis import init_detector, load_config, predict_dataset
from epropnp_det.datasets.submission import CLASS_ATTRIBUTES
from epropnp_det.datasets.submission_check import check_submission

CAMERA_ONLY = {
    'use_camera': True,
    'use_lidar': False,
    'use_radar': False,
    'use_map': False,
    'use_external': False,
}


@pytest.fixture(scope='module')
def ann_file(prepared_root, tmp_path_factory):
    """Three samples: six cameras, one camera, two cameras; no annotations, as of the test set."""
    path = prepared_root / 'nuscenes_infos_val_mono3d.coco.json'
    content = json.loads(path.read_text())
    images = content['images'][:7] + content['images'][14:16]
    path = tmp_path_factory.mktemp('annotations') / 'nuscenes_infos_test_mono3d.coco.json'
    path.write_text(json.dumps({**content, 'images': images, 'annotations': []}))
    return path


@pytest.fixture(scope='module')
def config(repository, prepared_root, tmp_path_factory):
    """The demo's small network on the synthetic data."""
    cfg = Config.fromfile(str(repository / 'configs/epropnp_det/epropnp_det_r18_synthetic_cpu.py'))
    cfg.data.test.update(data_root=str(prepared_root), img_prefix=str(prepared_root))
    cfg.data.test_dataloader = dict(workers_per_gpu=0)
    cfg.model.test_cfg.update(score_thr=0.3, max_per_img=150)
    path = tmp_path_factory.mktemp('submission') / 'config.py'
    cfg.dump(str(path))
    return path


@pytest.fixture(scope='module')
def checkpoint(config):
    """Random weights that see objects of many classes everywhere."""
    torch.manual_seed(0)
    model = init_detector(load_config(str(config)), device='cpu')
    model.init_weights()
    classifier = model.bbox_head.detector.conv_cls
    torch.nn.init.normal_(classifier.weight, std=1.0)
    torch.nn.init.constant_(classifier.bias, 1.0)
    path = config.with_name('model.pth')
    save_checkpoint(model, str(path))
    return path


@pytest.fixture(scope='module')
def submit(repository, config, ann_file):
    """Runs the command; gives the submission's path."""

    def run(folder, *arguments):
        command = [config, '--ann-file', ann_file, '--out-dir', folder, *arguments]
        script = str(repository / 'tools/make_submission.py')
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, 'argv', [script, *map(str, command)])
            runpy.run_path(script, run_name='__main__')
        return folder / 'img_bbox' / 'results_nusc.json'

    return run


@pytest.fixture(scope='module')
def written(submit, checkpoint, tmp_path_factory):
    """The submission of that network."""
    folder = tmp_path_factory.mktemp('written')
    return submit(folder, '--checkpoint', checkpoint, '--device', 'cpu')


@pytest.fixture(scope='module')
def results(config, checkpoint, ann_file, tmp_path_factory):
    """What the network finds, by way of the API."""
    cfg = load_config(str(config))
    cfg.data.test.ann_file = str(ann_file)
    dataset = build_dataset(cfg.data.test, {'test_mode': True})
    loader = build_dataloader(dataset, 1, 0, dist=False, shuffle=False)
    model = init_detector(load_config(str(config)), checkpoint, 'cpu')
    path = tmp_path_factory.mktemp('results') / 'results.pkl'
    mmcv.dump(predict_dataset(model, loader, progress=False), str(path))
    return path


def footprint(entry):
    """Bird's-eye outline in the global frame."""
    width, length, _ = entry['size']
    forward = Quaternion(entry['rotation']).rotate([1.0, 0, 0])
    flat = rectangle(-length / 2, -width / 2, length / 2, width / 2)
    turned = affinity.rotate(flat, np.arctan2(forward[1], forward[0]), (0, 0), use_radians=True)
    return affinity.translate(turned, *entry['translation'][:2])


def test_it_is_what_the_server_takes(written, ann_file):
    content = json.loads(written.read_text())
    images = json.loads(ann_file.read_text())['images']
    tokens = list(dict.fromkeys(image['token'] for image in images))
    assert content['meta'] == CAMERA_ONLY and list(content['results']) == tokens
    counts = [len(entries) for entries in content['results'].values()]
    assert len(counts) == 3 and 20 < min(counts) <= max(counts) <= 500
    assert counts[0] > counts[2] > counts[1]  # six cameras, two, one
    boxes, meta = load_prediction(str(written), 500, DetectionBox)
    assert meta == CAMERA_ONLY and len(boxes.all) == sum(counts)
    assert check_submission(written.with_suffix('.zip'), tokens) == content


def test_every_box_is_legal(written, ann_file):
    content = json.loads(written.read_text())
    images = json.loads(ann_file.read_text())['images']
    ego = {image['token']: np.array(image['ego2global_translation'][:2]) for image in images}
    ranges = config_factory('detection_cvpr_2019').class_range
    names = set()
    for token, entries in content['results'].items():
        scores = [entry['detection_score'] for entry in entries]
        assert scores == sorted(scores, reverse=True) and 0 < scores[-1] <= scores[0] <= 1
        for entry in entries:
            name, group = entry['detection_name'], CLASS_ATTRIBUTES[entry['detection_name']][0]
            assert (
                entry['attribute_name'].startswith(group)
                if group
                else not (entry['attribute_name'])
            )
            numbers = [entry[key] for key in ('translation', 'size', 'rotation', 'velocity')]
            assert np.isfinite(np.concatenate(numbers)).all() and min(entry['size']) > 0
            distance = np.linalg.norm(np.array(entry['translation'][:2]) - ego[token])
            assert distance < ranges[name]
            names.add(name)
    assert len(names) >= 5


def test_no_object_is_reported_twice(written, results, ann_file):
    """Suppression by class across the cameras of a sample, at IoU 0.25, and nothing beyond it."""
    content = json.loads(written.read_text())
    found, worst = sum(len(r['img_bbox']['scores_3d']) for r in mmcv.load(str(results))), 0.0
    assert sum(map(len, content['results'].values())) < found
    for entries in content['results'].values():
        outlines = [(entry['detection_name'], footprint(entry)) for entry in entries]
        for (name, first), (other, second) in itertools.combinations(outlines, 2):
            if name == other:
                worst = max(worst, first.intersection(second).area / first.union(second).area)
    assert 0.15 < worst < 0.2501


def test_results_from_a_file_give_the_same(written, submit, results, tmp_path):
    """And twice the same detector gives the same: nothing depends on the global random state."""
    torch.manual_seed(5)
    again = submit(tmp_path / 'again', '--results', results)
    assert again.read_bytes() == written.read_bytes()


def test_options_of_the_data_set_reach_it(written, submit, results, tmp_path):
    few = submit(
        tmp_path, '--results', results, '--cfg-options', 'data.test.submission.max_per_sample=25'
    )
    few, all_boxes = (json.loads(path.read_text())['results'] for path in (few, written))
    assert all(few[token] == entries[:25] for token, entries in all_boxes.items())


def test_wrong_checkpoints_are_named(submit, checkpoint, tmp_path):
    with pytest.raises(SystemExit, match='error: no checkpoint'):
        submit(tmp_path, '--checkpoint', tmp_path / 'no.pth')
    state = torch.load(str(checkpoint))
    del state['state_dict'][next(iter(state['state_dict']))]
    torch.save(state, str(tmp_path / 'other.pth'))
    with pytest.raises(SystemExit, match='error: .*other.pth'):
        submit(tmp_path, '--checkpoint', tmp_path / 'other.pth')
    assert not (tmp_path / 'img_bbox').exists()
