import copy
import json

import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.datasets import NuScenesMonoDataset, build_dataset
from nuscenes.eval.common.loaders import load_prediction
from nuscenes.eval.detection.data_classes import DetectionBox
from pyquaternion import Quaternion

from epropnp_det.datasets import NuScenesEProPnPDataset

STOCK_SUBMISSION = {'score_thr': 0.01, 'nms_iou_thr': 0.05}


@pytest.fixture(params=['keyframe', 'mini_val'])
def real_content(request):
    fixture = {'keyframe': 'keyframe_json', 'mini_val': 'mini_val_json'}[request.param]
    return json.loads(request.getfixturevalue(fixture).read_text())


def noisy_copies(results, seed=0, copies=3):
    """Several shifted copies of the detections, so that the suppression has work to do."""
    generator = torch.Generator().manual_seed(seed)
    noisy = []
    for result in results:
        truth = result['img_bbox']
        tensor = truth['boxes_3d'].tensor.repeat(copies, 1).nan_to_num()
        noise = torch.randn(tensor.shape, generator=generator)
        noise *= torch.tensor([0.4, 0.1, 0.8, 0.05, 0.05, 0.05, 0.1, 0.5, 0.5])
        num = len(tensor)
        detections = {
            'boxes_3d': CameraInstance3DBoxes(tensor + noise, box_dim=9),
            'scores_3d': torch.rand(num, generator=generator),
            'labels_3d': truth['labels_3d'].repeat(copies),
            'attrs_3d': torch.randint(9, (num,), generator=generator),
        }
        noisy.append({'img_bbox': detections})
    return noisy


def submission(dataset, results, folder):
    files, _ = dataset.format_results(results, str(folder))
    return json.loads(open(files['img_bbox'], encoding='utf-8').read())


# ---- reading


def test_parses_what_the_stock_data_set_parses(real_content, build):
    mine, stock = build(real_content), build(real_content, NuScenesMonoDataset)
    assert len(mine) == len(stock)
    for index in range(len(mine)):
        ours, theirs = mine.get_ann_info(index), stock.get_ann_info(index)
        for key in set(theirs) - {'masks', 'seg_map', 'gt_bboxes_3d', 'bboxes_ignore'}:
            assert ours[key].dtype == theirs[key].dtype
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
        # differences: boxes below a pixel are ignored, an unknown velocity stays unknown
        ignored = ours['bboxes_ignore'][:, 2:] - ours['bboxes_ignore'][:, :2]
        assert (ignored.min(axis=1) < 1).all()
        boxes = ours['gt_bboxes_3d'].tensor
        torch.testing.assert_close(boxes.nan_to_num(), theirs['gt_bboxes_3d'].tensor)
    assert [image['filename'] for image in mine.data_infos] == [
        image['filename'] for image in stock.data_infos
    ]


def test_training_keeps_the_images_that_the_stock_data_set_keeps(real_content, build):
    real_content['annotations'] = [
        a for a in real_content['annotations'] if a['category_name'] == 'truck'
    ]
    mine, stock = (
        build(real_content, cls, test_mode=False)
        for cls in (NuScenesEProPnPDataset, NuScenesMonoDataset)
    )
    assert 0 < len(mine) < len(real_content['images'])
    assert [image['id'] for image in mine.data_infos] == [image['id'] for image in stock.data_infos]
    np.testing.assert_array_equal(mine.flag, stock.flag)
    assert set(mine.get_cat_ids(0)) == {1}


def test_labels_follow_the_class_names_not_the_file(content, build):
    plain = build(content).get_ann_info(0)['labels']
    content['categories'] = content['categories'][::-1]
    np.testing.assert_array_equal(build(content).get_ann_info(0)['labels'], plain)
    few = build(content, classes=('pedestrian', 'car'))
    names = [few.CLASSES[label] for label in few.get_ann_info(0)['labels']]
    wanted = [
        a['category_name']
        for a in content['annotations']
        if a['image_id'] == content['images'][0]['id']
    ]
    assert names == [name for name in wanted if name in few.CLASSES]


def test_filter_moves_objects_to_the_ignored(content, build):
    for annotation in content['annotations']:
        annotation['visibility'] = 1 + annotation['id'] % 4
        annotation['truncation'] = (annotation['id'] % 10) / 10
    options = {'min_visibility': 2, 'max_truncation': 0.8, 'min_box_size': 12}
    plain, filtered = build(content), build(content, annotation_filter=options)
    total = 0
    for index in range(len(plain)):
        everything, rest = plain.get_ann_info(index), filtered.get_ann_info(index)
        assert len(rest['labels']) + len(rest['bboxes_ignore']) == len(everything['labels'])
        assert len(rest['gt_bboxes_3d'].tensor) == len(rest['labels']) == len(rest['depths'])
        sides = rest['bboxes'][:, 2:] - rest['bboxes'][:, :2]
        assert (sides >= 12).all() and (rest['truncation'] <= 0.8).all()
        total += len(rest['bboxes_ignore'])
    assert total > 10


def test_every_box_of_mini_val_is_read_unchanged(mini_val_json, build):
    content = json.loads(mini_val_json.read_text())
    default = build(content)
    ignored = [len(default.get_ann_info(i)['bboxes_ignore']) for i in range(len(default))]
    assert sum(ignored) == 3  # below a pixel
    dataset = build(content, annotation_filter={'min_box_size': None})
    parsed = [dataset.get_ann_info(index)['gt_bboxes_3d'] for index in range(len(dataset))]
    centers = torch.cat([boxes.gravity_center for boxes in parsed])
    rest = torch.cat([boxes.tensor[:, 3:7] for boxes in parsed])
    mine = torch.cat([centers, rest], dim=1)
    order = {image['id']: i for i, image in enumerate(dataset.data_infos)}
    annotations = sorted(content['annotations'], key=lambda a: (order[a['image_id']], a['id']))
    given = torch.tensor([a['bbox_cam3d'] for a in annotations])
    assert mine.shape == (5441, 7)
    torch.testing.assert_close(mine, given, atol=1e-5, rtol=0)


# ---- pipeline


def pipeline():
    names = ['img', 'gt_bboxes', 'gt_bboxes_ignore', 'gt_labels', 'attr_labels', 'gt_bboxes_3d']
    return [
        {'type': 'LoadImageMono3D'},
        {
            'type': 'LoadAnnotations3D',
            'with_bbox': True,
            'with_label': True,
            'with_attr_label': True,
            'with_bbox_3d': True,
            'with_label_3d': True,
            'with_bbox_depth': True,
        },
        {'type': 'FlipMono3D', 'flip_ratio': 1.0},
        {'type': 'CropMono3D', 'top': 228},
        {'type': 'ResizeMono3D', 'scale': 0.25},
        {'type': 'Pad', 'size_divisor': 32},
        {'type': 'DefaultFormatBundle3D', 'class_names': NuScenesEProPnPDataset.CLASSES},
        {
            'type': 'Collect3D',
            'keys': [*names, 'gt_labels_3d', 'centers2d', 'depths'],
            'meta_keys': ('cam2img', 'img2net', 'ori_shape', 'img_shape', 'flip', 'sample_idx'),
        },
    ]


def state(dataset):
    images = list(dataset.data_infos)
    annotations = [dataset.annotations_of(image['id']) for image in images]
    return json.dumps([images, annotations])  # text, since NaN is not equal to itself


def test_training_item_and_unchanged_records(content, keyframe_root, build):
    dataset = build(content, root=keyframe_root, test_mode=False, pipeline=pipeline())
    before = state(dataset)
    for _ in range(2):
        for index in range(3):
            item = dataset[index]
    assert state(dataset) == before
    meta = item['img_metas'].data
    assert meta['sample_idx'] == dataset.data_infos[2]['id']
    np.testing.assert_array_equal(meta['cam2img'], dataset.data_infos[2]['cam_intrinsic'])
    # 3D centres through K and img2net are the centres that the pipeline delivers
    boxes = item['gt_bboxes_3d'].data
    points = boxes.gravity_center.numpy() @ meta['cam2img'].T
    points = np.concatenate([points[:, :2] / points[:, 2:], np.ones((len(points), 1))], axis=1)
    expected = (points @ meta['img2net'].T)[:, :2]
    np.testing.assert_allclose(item['centers2d'].data.numpy(), expected, atol=2e-3)
    assert item['img'].data.shape[-1] == 416 and item['img'].data.shape[-2] == 192


def test_stock_flip_cannot_write_into_the_records(content, keyframe_root, build):
    """The stock step writes flipped intrinsics in place (docs/install.md, trap 3)."""
    steps = [
        {'type': 'LoadImageFromFileMono3D'},
        {'type': 'RandomFlip3D', 'flip_ratio_bev_horizontal': 1.0},
    ]
    dataset = build(content, root=keyframe_root, test_mode=False, pipeline=steps)
    before = copy.deepcopy(dataset.data_infos[0])
    dataset[0]
    assert dataset.data_infos[0] == before


def test_pipeline_that_rejects_everything_is_named(content, keyframe_root, build):
    dataset = build(
        content, root=keyframe_root, test_mode=False, pipeline=[{'type': 'LoadImageMono3D'}]
    )
    dataset.pipeline = lambda results: None
    with pytest.raises(RuntimeError, match='rejected'):
        dataset[0]


# ---- formatting


def match_by_score(stock, mine):
    order = {round(entry['detection_score'], 5): entry for entry in mine}
    assert len(order) == len(mine)
    return [(entry, order[round(entry['detection_score'], 5)]) for entry in stock]


@pytest.mark.parametrize('seed', range(4))
def test_formats_what_the_stock_data_set_formats(
    content, build, tmp_path, monkeypatch, seed, perfect_results
):
    mine, stock = build(content, submission=STOCK_SUBMISSION), build(content, NuScenesMonoDataset)
    results = noisy_copies(perfect_results(mine), seed)
    ours = submission(mine, results, tmp_path / 'mine')
    monkeypatch.setattr(torch.Tensor, 'cuda', lambda self: self)
    theirs = submission(stock, results, tmp_path / 'stock')
    assert ours['meta'] == theirs['meta'] and list(ours['results']) == list(theirs['results'])
    for token, entries in theirs['results'].items():
        assert len(entries) == len(ours['results'][token]) > 50
        for entry, other in match_by_score(entries, ours['results'][token]):
            for key in ('sample_token', 'detection_name', 'attribute_name'):
                assert entry[key] == other[key]
            np.testing.assert_allclose(entry['translation'], other['translation'], atol=2e-4)
            np.testing.assert_allclose(entry['size'], other['size'], atol=1e-5)
            # stock turns every box upright in the frame of the front camera, and drops the
            # velocity along its y axis
            np.testing.assert_allclose(entry['velocity'], other['velocity'], atol=0.05)
            turn = Quaternion(entry['rotation']).inverse * Quaternion(other['rotation'])
            assert abs(turn.radians) < 0.03


def test_boxes_come_back_from_the_global_frame(content, build, tmp_path, perfect_results):
    """Camera boxes -> submission -> the same cameras again."""
    dataset = build(content, submission={'nms_iou_thr': None})
    results = perfect_results(dataset)
    token = dataset.data_infos[0]['token']
    entries = submission(dataset, results, tmp_path)['results'][token]
    by_score = {round(entry['detection_score'], 6): entry for entry in entries}
    checked = 0
    for image, result in zip(dataset.data_infos, results):
        detections = result['img_bbox']
        ego, camera = (
            Quaternion(image['ego2global_rotation']),
            Quaternion(image['cam2ego_rotation']),
        )
        for row, score in enumerate(detections['scores_3d'].tolist()):
            entry = by_score.get(round(score, 6))
            if entry is None:
                continue  # beyond the evaluation range
            point = ego.inverse.rotate(
                np.array(entry['translation']) - image['ego2global_translation']
            )
            point = camera.inverse.rotate(point - image['cam2ego_translation'])
            box = detections['boxes_3d'][row]
            np.testing.assert_allclose(point, box.gravity_center[0].numpy(), atol=1e-4)
            turn = camera.inverse * ego.inverse * Quaternion(entry['rotation'])
            heading = turn.rotate([1.0, 0, 0])
            yaw = float(box.yaw)
            np.testing.assert_allclose(heading, [np.cos(yaw), 0, -np.sin(yaw)], atol=1e-5)
            width, length, height = entry['size']
            np.testing.assert_allclose([length, height, width], box.dims[0].numpy(), atol=1e-5)
            checked += 1
    assert checked > 40


@pytest.mark.parametrize('cameras', [[0], [0, 3], [5, 2, 1]])
def test_some_cameras_are_enough(content, build, tmp_path, cameras, perfect_results):
    full = build(content, submission={'nms_iou_thr': None})
    expected = submission(full, perfect_results(full), tmp_path / 'full')['results']
    content['images'] = [content['images'][index] for index in cameras]
    ids = {image['id'] for image in content['images']}
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in ids]
    part = build(content, submission={'nms_iou_thr': None})
    entries = submission(part, perfect_results(part), tmp_path / 'part')['results']
    assert list(entries) == list(expected)
    token = next(iter(entries))
    assert 0 < len(entries[token]) < len(expected[token])
    places = {tuple(np.round(entry['translation'], 3)) for entry in expected[token]}
    assert {tuple(np.round(entry['translation'], 3)) for entry in entries[token]} <= places


def test_order_of_the_images_does_not_matter(mini_val_json, build, tmp_path, perfect_results):
    """Samples are found by token, not by counting to six."""
    content = json.loads(mini_val_json.read_text())
    content['images'] = content['images'][:30]
    ids = {image['id'] for image in content['images']}
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in ids]
    plain = build(content)
    results = perfect_results(plain)
    expected = submission(plain, results, tmp_path / 'plain')['results']
    order = np.random.default_rng(0).permutation(30)
    content['images'] = [content['images'][index] for index in order]
    shuffled = submission(build(content), [results[i] for i in order], tmp_path / 'other')
    assert len(expected) == 5
    for token, entries in expected.items():
        scores = [entry['detection_score'] for entry in entries]
        assert scores == [e['detection_score'] for e in shuffled['results'][token]]


def test_every_sample_is_written_even_without_detections(
    mini_val_json, build, tmp_path, perfect_results
):
    dataset = build(json.loads(mini_val_json.read_text()))
    empty = {
        'boxes_3d': CameraInstance3DBoxes(torch.zeros(0, 9), box_dim=9),
        'scores_3d': torch.zeros(0),
        'labels_3d': torch.zeros(0, dtype=torch.long),
        'attrs_3d': torch.zeros(0, dtype=torch.long),
    }
    results = [{'img_bbox': empty}] * len(dataset)
    results[7] = perfect_results(dataset)[7]
    written = submission(dataset, results, tmp_path)
    assert len(written['results']) == 81
    assert sum(bool(entries) for entries in written['results'].values()) == 1
    assert written['meta'] == {
        'use_camera': True,
        'use_lidar': False,
        'use_radar': False,
        'use_map': False,
        'use_external': False,
    }
    boxes, _ = load_prediction(str(tmp_path / 'img_bbox' / 'results_nusc.json'), 500, DetectionBox)
    assert len(boxes.sample_tokens) == 81


def test_training_data_sets_name_all_samples_too(content, build, tmp_path, perfect_results):
    content['images'][3]['token'] = 'another sample'
    wanted = content['images'][0]['id']
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] == wanted]
    dataset = build(content, test_mode=False)
    assert len(dataset) == 1
    written = submission(dataset, perfect_results(dataset), tmp_path)
    assert len(written['results']) == 2


def test_bare_detections_are_accepted(content, build, tmp_path, perfect_results):
    dataset = build(content)
    results = perfect_results(dataset)
    bare = submission(dataset, [result['img_bbox'] for result in results], tmp_path / 'a')
    assert bare == submission(dataset, results, tmp_path / 'b')


# ---- misuse


def test_format_needs_a_folder(content, build, perfect_results):
    dataset = build(content)
    with pytest.raises(ValueError, match='jsonfile_prefix'):
        dataset.format_results(perfect_results(dataset))


def test_missing_file_and_empty_training_set_are_named(content, build, tmp_path):
    with pytest.raises(FileNotFoundError, match='prepare_nuscenes'):
        NuScenesEProPnPDataset(str(tmp_path), str(tmp_path / 'no.json'), [])
    content['annotations'] = []
    with pytest.raises(ValueError, match='no image with an object'):
        build(content, test_mode=False)


def test_is_registered(keyframe_json):
    config = {
        'type': 'NuScenesEProPnPDataset',
        'data_root': '.',
        'ann_file': str(keyframe_json),
        'pipeline': [],
        'test_mode': True,
    }
    assert len(build_dataset(config)) == 6
