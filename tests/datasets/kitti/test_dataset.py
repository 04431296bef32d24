import json

import cv2
import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.datasets import build_dataset

from epropnp_det.datasets.annotations import UNKNOWN_ATTRIBUTE
from epropnp_det.datasets.kitti import evaluate_class, read_objects
from epropnp_det.engine import check_formatting, check_scoring
from epropnp_det.taxonomy import CLASSES

PIPELINE = [
    dict(type='LoadImageMono3D'),
    dict(
        type='LoadAnnotations3D',
        with_bbox=True,
        with_label=True,
        with_attr_label=True,
        with_bbox_3d=True,
        with_label_3d=True,
        with_bbox_depth=True,
    ),
    dict(type='FlipMono3D', flip_ratio=0.0),
]


def open_kitti(root, ann_file='ImageSets/train.txt', **changes):
    return build_dataset(
        {
            'type': 'KittiEProPnPDataset',
            'data_root': str(root),
            'ann_file': str(root / ann_file),
            'img_prefix': str(root),
            'pipeline': PIPELINE,
            **changes,
        }
    )


@pytest.mark.parametrize('ann_file', ['ImageSets/train.txt', 'training'])
def test_reads_the_raw_layout(ann_file, kitti_root):
    dataset = open_kitti(kitti_root, ann_file)
    assert dataset.CLASSES == ('Pedestrian', 'Cyclist', 'Car')
    assert len(dataset) == 2  # an image without objects trains nothing
    info = dataset.get_ann_info(0)
    assert info['labels'].tolist() == [2]
    assert len(info['bboxes_ignore']) == 2  # van and DontCare; trams are background
    box = info['gt_bboxes_3d'].tensor[0]
    expected = [-2 + 0.0599, 1.7, 20 + 0.0027, 3.9, 1.5, 1.6, -1.2]
    np.testing.assert_allclose(box[:7], expected, atol=3e-3)
    assert info['centers2d'].shape == (1, 2) and torch.isnan(box[7:]).all()
    data = dataset[0]
    assert data['img'].shape == (375, 1242, 3)
    assert data['cam2img'][0, 0] == pytest.approx(721.5377) and data['cam2img'].shape == (3, 3)
    testing = open_kitti(kitti_root, ann_file, test_mode=True)
    assert len(testing) == 3


def test_projected_boxes_lie_on_the_labels(kitti70_root):
    """With the offset of P2 the projections of real boxes meet their 2D labels."""
    dataset = open_kitti(kitti70_root.parent, 'training', test_mode=True)
    assert len(dataset) == 70
    errors = []
    for index in range(0, 70, 5):
        info, image = dataset.get_ann_info(index), dataset.data_infos[index]
        corners = info['gt_bboxes_3d'].corners.numpy()  # (n, 8, 3)
        if not len(corners):
            continue
        pixels = corners @ np.array(image['cam_intrinsic']).T
        pixels = pixels[..., :2] / pixels[..., 2:].clip(0.1)
        whole = info['truncation'].ravel() == 0
        bounds = np.concatenate([pixels.min(1), pixels.max(1)], axis=1)
        inside = whole & (corners[..., 2].min(1) > 5)
        errors.append(np.abs(bounds - info['bboxes'])[inside])
    errors = np.concatenate(errors)
    assert len(errors) > 20 and np.median(errors) < 2.5


def mmdet3d_file(root):
    """What mmdet3d's ``create_data.py kitti`` writes for the two labelled frames."""
    projection = np.eye(4)
    projection[:3] = np.array(
        [
            [721.5377, 0, 609.5593, 44.85728],
            [0, 721.5377, 172.854, 0.2163791],
            [0, 0, 1, 0.002745884],
        ]
    )
    images, annotations = [], []
    for number, (category, box, bbox) in enumerate(
        [
            (2, [-2 + 44.85728 / 721.5377, 0.95, 20, 3.9, 1.5, 1.6, -1.2], [450, 170, 110, 70]),
            (0, [2 + 44.85728 / 721.5377, 0.7, 12, 0.9, 1.8, 0.6, 0.5], [700, 150, 40, 110]),
        ]
    ):
        images.append(
            dict(
                file_name=f'training/image_2/{number:06d}.png',
                id=number,
                cam_intrinsic=projection.tolist(),
                width=1242,
                height=375,
            )
        )
        annotations.append(
            dict(
                id=number,
                image_id=number,
                file_name=images[-1]['file_name'],
                area=float(bbox[2] * bbox[3]),
                category_name=['Pedestrian', 'Cyclist', 'Car'][category],
                category_id=category,
                bbox=bbox,
                iscrowd=0,
                bbox_cam3d=box,
                velo_cam3d=-1,
                center2d=[500.0, 200.0, box[2]],
                attribute_name=-1,
                attribute_id=-1,
                segmentation=[],
            )
        )
    categories = [dict(id=i, name=n) for i, n in enumerate(['Pedestrian', 'Cyclist', 'Car'])]
    path = root / 'kitti_infos_train_mono3d.coco.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return path.name


def results_of(dataset, shift=0.0):
    """The labels as detections, with rising scores."""
    results = []
    for index in range(len(dataset)):
        info = dataset.get_ann_info(index)
        tensor = info['gt_bboxes_3d'].tensor[:, :7].clone()
        tensor[:, 0] += shift
        boxes = CameraInstance3DBoxes(tensor, box_dim=7)
        number = len(tensor)
        results.append(
            {
                'img_bbox': {
                    'boxes_3d': boxes,
                    'scores_3d': torch.linspace(0.5, 0.9, number),
                    'labels_3d': torch.from_numpy(info['labels']),
                }
            }
        )
    return results


@pytest.mark.parametrize('stock', [False, True])
def test_the_labels_score_full_marks(stock, kitti_root, monkeypatch):
    """Each frame counts fifty times: the measure needs more labels than recall positions."""
    ann_file = mmdet3d_file(kitti_root) if stock else 'training'
    dataset = open_kitti(kitti_root, ann_file, test_mode=True)
    monkeypatch.setattr(
        'epropnp_det.datasets.kitti.dataset.evaluate_class',
        lambda truths, found, name: evaluate_class(truths * 50, found * 50, name),
    )
    values = dataset.evaluate(results_of(dataset))
    assert values['KITTI/Car_3D_easy'] == pytest.approx(100.0)
    assert values['KITTI/Car_BEV_moderate'] == pytest.approx(100.0)
    assert values['KITTI/Pedestrian_3D_moderate'] == pytest.approx(100.0)
    assert values['KITTI/mAP_3D_moderate'] == pytest.approx(100.0)
    moved = dataset.evaluate(results_of(dataset, shift=2.0))
    assert moved['KITTI/Car_3D_easy'] == 0.0


def test_result_files_are_in_the_frame_of_the_labels(kitti_root, tmp_path):
    dataset = open_kitti(kitti_root, 'training', test_mode=True)
    files, _ = dataset.format_results(results_of(dataset), str(tmp_path / 'out'))
    folder = tmp_path / 'out' / 'img_bbox' / 'data'
    assert files == {'img_bbox': str(folder)}
    assert sorted(p.name for p in folder.iterdir()) == ['000000.txt', '000001.txt', '000002.txt']
    found = read_objects(folder / '000000.txt')
    truth = read_objects(kitti_root / 'training' / 'label_2' / '000000.txt')
    np.testing.assert_allclose(found.locations[0], truth.locations[0], atol=2e-4)
    np.testing.assert_allclose(found.dims[0], truth.dims[0], atol=1e-4)
    np.testing.assert_allclose(found.alpha[0], -1.2 - np.arctan2(-2, 20), atol=1e-3)
    assert list(found.types) == ['Car'] and found.truncated[0] == found.occluded[0] == -1
    assert (folder / '000002.txt').read_text() == ''


def test_test_set_has_images_and_no_labels(kitti_root):
    for folder in ('image_2', 'calib'):
        (kitti_root / 'testing').mkdir(exist_ok=True)
        (kitti_root / 'training' / folder).rename(kitti_root / 'testing' / folder)
    (kitti_root / 'ImageSets' / 'test.txt').write_text('000000\n000001\n000002\n')
    dataset = open_kitti(kitti_root, 'ImageSets/test.txt', test_mode=True)
    assert len(dataset) == 3
    for score in (dataset.check_evaluation, lambda: dataset.evaluate(results_of(dataset))):
        with pytest.raises(FileNotFoundError, match='no KITTI label file .*testing'):
            score()


def test_what_cannot_be_scored_is_said_before_the_work(kitti_root):
    """By the rules of KITTI: frames have no poses of the car, and nuScenes no pedestrians of it."""
    dataset = open_kitti(kitti_root, 'training', test_mode=True)
    check_scoring(dataset, {'metric': 'bbox'})
    check_formatting(dataset, {'jsonfile_prefix': 'out'})
    with pytest.raises(ValueError, match='jsonfile_prefix'):
        check_formatting(dataset, {})
    dataset.CLASSES = ('Tram',)
    with pytest.raises(ValueError, match='scores .*Car.*Tram'):
        check_scoring(dataset, {})


def test_what_is_missing_is_named(kitti_root):
    with pytest.raises(FileNotFoundError, match='no annotation file'):
        open_kitti(kitti_root, 'none')
    (kitti_root / 'training' / 'image_2' / '000001.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'no image .*000001\.png'):
        open_kitti(kitti_root)


def test_jpegs_do_too(kitti_root):
    path = kitti_root / 'training' / 'image_2' / '000000.png'
    cv2.imwrite(str(path.with_suffix('.jpg')), cv2.imread(str(path)))
    path.unlink()
    assert open_kitti(kitti_root)[0]['img'].shape == (375, 1242, 3)


def test_reads_the_raw_layout_under_the_names_of_nuscenes(kitti_root):
    dataset = open_kitti(kitti_root, type='KittiAsNuScenesDataset')
    assert dataset.CLASSES == CLASSES
    info = dataset.get_ann_info(0)
    assert [CLASSES[label] for label in info['labels']] == ['car', 'car']  # and the van
    assert len(info['bboxes_ignore']) == 2  # DontCare and the tram, neither is background
    own = open_kitti(kitti_root).get_ann_info(0)
    np.testing.assert_array_equal(
        info['gt_bboxes_3d'].tensor[0, :7], own['gt_bboxes_3d'].tensor[0, :7]
    )
    assert torch.isnan(info['gt_bboxes_3d'].tensor[:, 7:]).all()
    assert (info['attr_labels'] == UNKNOWN_ATTRIBUTE).all()
    people = dataset.get_ann_info(1)
    assert [CLASSES[label] for label in people['labels']] == ['pedestrian', 'bicycle']
    assert people['attr_labels'].tolist() == [UNKNOWN_ATTRIBUTE, 0]  # a bicycle with its rider


def test_sets_of_both_benchmarks_are_joined(kitti_root):
    part = dict(
        data_root=str(kitti_root), ann_file=str(kitti_root / 'ImageSets/train.txt'),
        img_prefix=str(kitti_root), pipeline=PIPELINE, type='KittiAsNuScenesDataset',
    )  # fmt: skip
    joined = build_dataset([part, dict(type='RepeatDataset', times=3, dataset=part)])
    assert len(joined) == 4 * 2 and tuple(joined.CLASSES) == CLASSES
