"""Our converter against mmdet3d's own on the same tables."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from mmdet3d.datasets import NuScenesMonoDataset
from nuscenes import NuScenes
from nuscenes.utils.geometry_utils import BoxVisibility
from nuscenes.utils.splits import create_splits_scenes

from epropnp_det.datasets import NuScenesEProPnPDataset, prepare
from epropnp_det.datasets.convert import CAMERAS
from epropnp_det.datasets.prepare import prepare_nuscenes
from epropnp_det.datasets.submission_check import check_submission
from epropnp_det.datasets.tables import load_tables

IMAGE_ADDITIONS = {
    'camera',
    'lidar_path',
    'lidar2cam',
    'cam_ego2global_rotation',
    'cam_ego2global_translation',
}
ANNOTATION_ADDITIONS = {'visibility', 'truncation', 'instance_token', 'num_lidar_pts'}


def read(root, split):
    return json.loads((root / f'nuscenes_infos_{split}_mono3d.coco.json').read_text())


def straddles(annotation):
    """Whether some corner of the box may lie at or behind the camera's plane."""
    x, y, z, length, height, width, yaw = annotation['bbox_cam3d']
    return z - np.linalg.norm([length, height, width]) / 2 < 0.15


@pytest.mark.parametrize('split', ['train', 'val'])
def test_equals_mmdet3ds_converter_field_by_field(prepared_root, stock_root, split):
    mine, stock = read(prepared_root, split), read(stock_root, split)
    assert mine['categories'] == stock['categories']
    assert mine['info'] == {'version': 'v1.0-mini', 'split': f'mini_{split}'}
    assert len(mine['images']) == len(stock['images']) == 18
    for ours, theirs in zip(mine['images'], stock['images']):
        assert set(ours) - set(theirs) == IMAGE_ADDITIONS
        assert {key: ours[key] for key in theirs} == theirs
    ours_only, theirs_only = (
        [a for a in content['annotations'] if straddles(a)] for content in (mine, stock)
    )
    assert len(ours_only) - len(theirs_only) in range(0, 4)
    ours, theirs = (
        [a for a in content['annotations'] if not straddles(a)] for content in (mine, stock)
    )
    assert len(ours) == len(theirs) > 60
    for a, b in zip(ours, theirs):
        assert set(a) - set(b) == ANNOTATION_ADDITIONS
        for key in set(b) - {'id'}:
            if isinstance(b[key], (str, int)) or key == 'segmentation':
                assert a[key] == b[key], key
            else:  # centers2d are float32 there
                tolerance = {'center2d': 2e-3, 'area': 1e-6}.get(key, 1e-9)
                np.testing.assert_allclose(a[key], b[key], rtol=tolerance, atol=tolerance)


def test_either_class_reads_either_file(prepared_root, stock_root):
    for root in (prepared_root, stock_root):
        lengths = []
        for cls in (NuScenesEProPnPDataset, NuScenesMonoDataset):
            path = root / 'nuscenes_infos_train_mono3d.coco.json'
            dataset = cls(data_root=str(root), ann_file=str(path), pipeline=[])
            lengths.append(sum(len(dataset.get_ann_info(i)['labels']) for i in range(len(dataset))))
        assert lengths[0] == lengths[1] > 60


def test_poses_are_those_of_the_devkit(prepared_root):
    tables = load_tables(prepared_root, 'v1.0-mini')
    for image in read(prepared_root, 'val')['images'][:6]:
        data = tables.get('sample_data', image['id'])
        pose = tables.get('ego_pose', data['ego_pose_token'])
        assert image['cam_ego2global_translation'] == pose['translation']
        assert image['camera'] in CAMERAS and image['camera'] in image['file_name']
        assert Path(prepared_root, image['file_name']).is_file()
        _, boxes, _ = tables.get_sample_data(image['id'], BoxVisibility.NONE)
        centers = np.array([box.center for box in boxes])
        for annotation in read(prepared_root, 'val')['annotations']:
            if annotation['image_id'] == image['id']:
                distance = np.linalg.norm(centers - annotation['bbox_cam3d'][:3], axis=1)
                assert distance.min() < 1e-6


# ---- the other versions


def test_trainval(copy_of_root, tmp_path):
    """The scenes of mini_train and mini_val belong to train and val."""
    (copy_of_root / 'v1.0-mini').rename(copy_of_root / 'v1.0-trainval')
    paths = prepare_nuscenes(copy_of_root, 'v1.0-trainval', out=tmp_path / 'out')
    assert [path.name.split('_')[2] for path in paths] == ['train', 'val']
    for path in paths:
        content = json.loads(path.read_text())
        assert len(content['images']) == 18 and content['annotations']
        dataset = NuScenesEProPnPDataset(str(copy_of_root), str(path), [], test_mode=True)
        assert (dataset.version, dataset.eval_split) == ('v1.0-trainval', path.name.split('_')[2])


def test_the_test_set_has_no_annotations(copy_of_root, tmp_path):
    """And no objects in its tables; its file opens and formats, and is refused by evaluation."""
    folder = (copy_of_root / 'v1.0-mini').rename(copy_of_root / 'v1.0-test')
    for name in ('sample_annotation', 'instance'):
        (folder / f'{name}.json').write_text('[]')
    scenes = json.loads((folder / 'scene.json').read_text())
    for scene, name in zip(scenes, create_splits_scenes()['test']):
        scene['name'] = name
    (folder / 'scene.json').write_text(json.dumps(scenes))
    (path,) = prepare_nuscenes(copy_of_root, 'v1.0-test', out=tmp_path / 'out', workers=2)
    assert path.name == 'nuscenes_infos_test_mono3d.coco.json'
    content = json.loads(path.read_text())
    assert len(content['images']) == 36 and content['annotations'] == []
    dataset = NuScenesEProPnPDataset(str(copy_of_root), str(path), [], test_mode=True)
    nothing = {
        'boxes_3d': dataset.get_ann_info(0)['gt_bboxes_3d'],
        'scores_3d': np.zeros(0),
        'labels_3d': np.zeros(0, dtype=int),
    }
    files, _ = dataset.format_results([nothing] * 36, str(tmp_path / 'submission'))
    assert len(check_submission(files['img_bbox'], dataset.sample_tokens)['results']) == 6
    with pytest.raises(ValueError, match='no public ground truth'):
        dataset.evaluate([nothing] * 36)


# ---- misuse


@pytest.fixture
def copy_of_root(synthetic_root, tmp_path):
    """Own tables, shared images."""
    root = tmp_path / 'root'
    root.mkdir()
    shutil.copytree(synthetic_root / 'v1.0-mini', root / 'v1.0-mini')
    shutil.copytree(synthetic_root / 'samples', root / 'samples', copy_function=_link)
    shutil.copytree(synthetic_root / 'maps', root / 'maps')
    return root


def _link(source, target):
    Path(target).symlink_to(source)


def test_missing_tables_are_named(copy_of_root, tmp_path):
    (copy_of_root / 'v1.0-mini' / 'ego_pose.json').unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks the tables \['ego_pose'\]"):
        prepare_nuscenes(copy_of_root, 'v1.0-mini')
    with pytest.raises(FileNotFoundError, match='lacks any table'):
        prepare_nuscenes(tmp_path, 'v1.0-trainval')
    with pytest.raises(ValueError, match='unknown version'):
        prepare_nuscenes(copy_of_root, 'v2.0')


def test_missing_images_are_named_or_skipped(copy_of_root, tmp_path):
    removed = sorted((copy_of_root / 'samples' / 'CAM_BACK').glob('*scene-0061*'))[1]
    removed.unlink()
    with pytest.raises(FileNotFoundError, match=f'1 of 3 samples of mini_train.*{removed.name}'):
        prepare_nuscenes(copy_of_root, 'v1.0-mini', out=tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    paths = prepare_nuscenes(copy_of_root, 'v1.0-mini', out=tmp_path / 'out', skip_missing=True)
    assert [len(json.loads(path.read_text())['images']) for path in paths] == [0, 18]


@pytest.mark.parametrize('workers', [2, 5])
def test_the_number_of_processes_does_not_matter(prepared_root, tmp_path, workers):
    for path in prepare_nuscenes(prepared_root, 'v1.0-mini', out=tmp_path, workers=workers):
        assert path.read_bytes() == (prepared_root / path.name).read_bytes()
    assert not list(tmp_path.glob('.*'))


@pytest.fixture
def interruptible(copy_of_root, tmp_path, monkeypatch):
    """Runs the converter; it is interrupted in the scene of that number, and counts the scenes."""
    convert, calls = prepare.convert_samples, []

    def run(stop_at=None):
        def counted(*arguments):
            calls.append(arguments)
            if len(calls) == stop_at:
                raise KeyboardInterrupt
            return convert(*arguments)

        calls.clear()
        monkeypatch.setattr(prepare, 'convert_samples', counted)
        try:
            return prepare_nuscenes(copy_of_root, 'v1.0-mini', out=tmp_path / 'out'), len(calls)
        except KeyboardInterrupt:
            return None, len(calls)

    return run


def split_in_two(root):
    """Puts the scenes' samples alternately, so that there are several parts per split."""
    path = root / 'v1.0-mini' / 'sample.json'
    rows = json.loads(path.read_text())
    scenes = list(dict.fromkeys(row['scene_token'] for row in rows))
    groups = [[row for row in rows if row['scene_token'] == scene] for scene in scenes]
    path.write_text(json.dumps([row for pair in zip(*groups) for row in pair]))


def test_an_interrupted_run_goes_on(copy_of_root, tmp_path, interruptible, monkeypatch):
    monkeypatch.setitem(prepare.SPLITS, 'v1.0-mini', {'all': ['scene-0061', 'scene-0103']})
    split_in_two(copy_of_root)
    assert interruptible(stop_at=3) == (None, 3)
    assert not list((tmp_path / 'out').glob('*.json'))
    paths, calls = interruptible()
    assert calls == 4  # two parts were there
    expected = paths[0].read_bytes()
    assert len(json.loads(expected)['images']) == 36
    assert interruptible(stop_at=3) == (None, 3)
    table = copy_of_root / 'v1.0-mini' / 'log.json'
    table.write_text(table.read_text() + ' ')
    paths, calls = interruptible()
    assert calls == 6  # of other tables: nothing is taken up
    assert paths[0].read_bytes() == expected


def test_the_order_of_the_table_is_kept(prepared_root, copy_of_root, tmp_path):
    """Samples of scenes may lie mixed in the table; images follow it, as mmdet3d's do."""
    path = copy_of_root / 'v1.0-mini' / 'sample.json'
    order = json.loads(path.read_text())[::-1]
    path.write_text(json.dumps(order))
    for result in prepare_nuscenes(copy_of_root, 'v1.0-mini', out=tmp_path / 'out', workers=2):
        content = json.loads(result.read_text())
        tokens = [image['token'] for image in content['images'][::6]]
        assert tokens == [row['token'] for row in order if row['token'] in tokens]
        assert [a['id'] for a in content['annotations']] == list(range(len(content['annotations'])))


def test_keyframe_tables_are_the_devkits(synthetic_root, copy_of_root):
    """Rows of sweeps between the keyframes are left out; all else is as the devkit loads it."""
    folder = copy_of_root / 'v1.0-mini'
    for name in ('sample_data', 'ego_pose'):
        rows = json.loads((folder / f'{name}.json').read_text())
        sweep = {**rows[0], 'token': 'sweep'}
        if name == 'sample_data':
            sweep.update(is_key_frame=False, ego_pose_token='sweep')
        (folder / f'{name}.json').write_text(json.dumps([*rows, sweep], indent=1))
    mine = load_tables(copy_of_root, 'v1.0-mini')
    devkit = NuScenes('v1.0-mini', str(synthetic_root), verbose=False)
    for name in mine.table_names:
        if name != 'map':  # rows hold a mask object
            assert getattr(mine, name) == getattr(devkit, name)


def test_sweeps_that_were_not_downloaded_are_not_named(copy_of_root, tmp_path):
    shutil.rmtree(copy_of_root / 'samples' / 'LIDAR_TOP')
    for path in prepare_nuscenes(copy_of_root, 'v1.0-mini', out=tmp_path / 'out'):
        images = json.loads(path.read_text())['images']
        assert images and not any({'lidar_path', 'lidar2cam'} & set(image) for image in images)


def test_custom_split(prepared_root, repository, tmp_path, monkeypatch):
    token = read(prepared_root, 'val')['images'][6]['token']
    file = tmp_path / 'mine.txt'
    file.write_text(f'scene-0061\n{token}\n')
    arguments = ['x', '--version', 'v1.0-mini', '--data-root', str(prepared_root)]
    monkeypatch.setattr(sys, 'argv', [*arguments, '--out', str(tmp_path), '--split', str(file)])
    script = str(repository / 'tools' / 'prepare_nuscenes.py')
    runpy.run_path(script, run_name='__main__')
    mine = read(tmp_path, 'mine')
    tokens = [image['token'] for image in mine['images'][::6]]
    assert tokens == [i['token'] for i in read(prepared_root, 'train')['images'][::6]] + [token]
    assert mine['info']['split'] == ['scene-0061', token]


def test_one_missing_sweep_is_named(copy_of_root, tmp_path):
    removed = sorted((copy_of_root / 'samples' / 'LIDAR_TOP').glob('*scene-0061*'))[1]
    removed.unlink()
    with pytest.raises(FileNotFoundError, match=f'1 of 3 samples.*{removed.name}'):
        prepare_nuscenes(copy_of_root, 'v1.0-mini', out=tmp_path / 'out')


def test_command_writes_the_same_and_names_errors(
    prepared_root, repository, tmp_path, monkeypatch, capsys
):
    def command(*arguments):
        script = str(repository / 'tools' / 'prepare_nuscenes.py')
        monkeypatch.setattr(sys, 'argv', [script, '--version', 'v1.0-mini', *arguments])
        runpy.run_path(script, run_name='__main__')

    command('--data-root', str(prepared_root), '--out', str(tmp_path), '--prefix', 'my')
    path = tmp_path / 'my_infos_val_mono3d.coco.json'
    assert str(path) in capsys.readouterr().out
    assert json.loads(path.read_text()) == read(prepared_root, 'val')
    with pytest.raises(SystemExit, match='error: .*lacks any table'):
        command('--data-root', str(tmp_path))
