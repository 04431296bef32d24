"""What can be known without a result fails before the work, and what fails later loses nothing."""

import json

import pytest
from mmdet3d.datasets import build_dataset

from epropnp_det.inputs.notices import forget_notices


def empty(num):
    return [{'image': number} for number in range(num)]


CASES = {
    'missing tables': (dict(version='v1.0-trainval'), FileNotFoundError, 'lacks any table'),
    'test split': (dict(eval_split='test'), ValueError, 'no public ground truth'),
    'another split': (dict(eval_split='mini_train'), ValueError, 'cannot be scored on mini_train'),
    'unknown split': (dict(eval_split='mine'), ValueError, 'neither an official split'),
    'missing split file': (dict(eval_split='none.txt'), FileNotFoundError, 'no split file'),
    'unknown camera': (dict(eval_cameras=['FRONT']), ValueError, r"no cameras \['FRONT'\]"),
    'absurd range': (dict(eval_ranges=[(3, 1)]), ValueError, 'goes from 0 or more upwards'),
    'curves without a folder': (dict(render_curves=True), ValueError, 'jsonfile_prefix'),
}


@pytest.mark.parametrize('kind', CASES)
def test_known_before_the_first_image(kind, workspace):
    options, error, message = CASES[kind]
    dataset = workspace.open(**options)
    with pytest.raises(error, match=message):
        dataset.check_evaluation()
    with pytest.raises(error, match=message):
        dataset.evaluate(empty(len(dataset)))


def test_options_are_known_before(workspace):
    dataset = workspace.open()
    dataset.check_evaluation()
    dataset.check_formatting('folder')
    with pytest.raises(ValueError, match='show=True needs out_dir'):
        dataset.check_evaluation(show=True)
    with pytest.raises(ValueError, match='needs jsonfile_prefix'):
        dataset.check_formatting()
    for image in workspace.images:
        del image['cam2ego_rotation']
    for check in (lambda d: d.check_evaluation(), lambda d: d.check_formatting('folder')):
        with pytest.raises(ValueError, match="lacks .'cam2ego_rotation'"):
            check(workspace.open())


def test_pictures_are_drawn_and_cost_no_score(workspace, perfect_results, tmp_path, monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    forget_notices()
    dataset = workspace.open()
    results = perfect_results(dataset)
    with pytest.warns(UserWarning, match='needs a screen'):
        metrics = dataset.evaluate(results, show=True, out_dir=str(tmp_path / 'pictures'))
    assert metrics['img_bbox_NuScenes/mAP'] > 0
    assert len(list((tmp_path / 'pictures').glob('*.jpg'))) == len(dataset)
    workspace.replace(workspace.image_file, b'no image')
    said = []
    monkeypatch.setattr(
        'epropnp_det.datasets.nuscenes_epropnp.print_log', lambda text, _: said.append(text)
    )
    again = dataset.evaluate(results, out_dir=str(tmp_path / 'more'))
    assert again['img_bbox_NuScenes/NDS'] == metrics['img_bbox_NuScenes/NDS']
    assert 'no more pictures: ValueError' in said[-1]


def test_lists_of_annotation_files_and_balanced_lists(workspace):
    workspace.open()
    config = dict(
        type='NuScenesEProPnPDataset',
        data_root=str(workspace.root),
        img_prefix=str(workspace.root),
        ann_file=str(workspace.ann_file),
        pipeline=[dict(type='LoadImageMono3D')],
        classes=['car'],
    )
    single = build_dataset(config)
    twice = build_dataset({**config, 'ann_file': [str(workspace.ann_file)] * 2})
    assert len(twice) == 2 * len(single)
    assert twice[len(single)]['filename'] == single[0]['filename']
    for inner in ([config, config], {**config, 'ann_file': [str(workspace.ann_file)] * 2}):
        for kind in ('CBGSMono3DDataset', 'CBGSDataset'):
            wrapper = build_dataset(dict(type=kind, dataset=inner))
            assert len(wrapper.dataset) == 2 * len(single) and wrapper[0]['img'].ndim == 3


def test_class_names_of_a_text_file(workspace, tmp_path):
    (tmp_path / 'classes.txt').write_bytes('car \r\n\r\n pedestrian\r\n'.encode('utf-8-sig'))
    assert workspace.open(classes=str(tmp_path / 'classes.txt')).CLASSES == ['car', 'pedestrian']


def test_files_of_windows_and_kitti(workspace):
    """Backslashes, a byte-order mark, and -1 or null for what is not known."""
    expected = workspace.open(pipeline=[{'type': 'LoadImageMono3D'}])
    for image in workspace.images:
        image['file_name'] = image['file_name'].replace('/', '\\')
        image['lidar_path'] = image['lidar_path'].replace('/', '\\')
    unknown = [-1, None, [None, None]]
    for number, annotation in enumerate(workspace.annotations):
        annotation['velo_cam3d'] = unknown[number % 3]
        annotation['attribute_id'] = unknown[number % 2]
    text = '\ufeff' + json.dumps(workspace.content)
    dataset = workspace.open(pipeline=[{'type': 'LoadImageMono3D'}], text=text)
    assert dataset[0]['filename'] == expected[0]['filename']
    assert dataset.max_attribute == -1
    truth = dataset.get_ann_info(0)
    assert truth['gt_bboxes_3d'].tensor[:, 7:].isnan().all()
    assert (truth['attr_labels'] == -100).all()
