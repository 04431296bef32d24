"""What can be wrong with one's files, and the error that each kind gives (docs/data.md lists them).

Every case goes the way of a user: it damages a copy of a sound synthetic data set and then opens,
loads, converts, formats or scores it.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import LiDARInstance3DBoxes

from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.prepare import prepare_nuscenes
from epropnp_det.datasets.submission_check import check_submission

LOAD = [{'type': 'LoadImageMono3D'}]
LIDAR = [{'type': 'LoadImageMono3D'}, {'type': 'LoadLidarMono3D'}]
CROP = [{'type': 'LoadImageMono3D'}, {'type': 'CropMono3D', 'top': 900}]


class Workspace:
    """A data set of which every file may be damaged."""

    def __init__(self, source, root, perfect_results):
        shutil.copytree(source / 'v1.0-mini', root / 'v1.0-mini')
        shutil.copytree(source / 'samples', root / 'samples', symlinks=False, copy_function=_link)
        (root / 'maps').symlink_to(source / 'maps')
        self.root, self.ann_file = root, root / 'nuscenes_infos_val_mono3d.coco.json'
        self.content = json.loads((source / self.ann_file.name).read_text())
        self.images, self.annotations = self.content['images'], self.content['annotations']
        self.image_file = root / self.images[0]['file_name']
        self.lidar_file = root / self.images[0]['lidar_path']
        self._perfect_results = perfect_results

    def open(self, pipeline=(), text=None, **kwargs):
        self.ann_file.write_text(json.dumps(self.content) if text is None else text)
        options = {'test_mode': True, 'img_prefix': str(self.root), **kwargs}
        return NuScenesEProPnPDataset(str(self.root), str(self.ann_file), list(pipeline), **options)

    def load(self, pipeline=LOAD):
        return self.open(pipeline)[0]

    def evaluate(self, change=lambda results: results, **kwargs):
        dataset = self.open(**kwargs)
        return dataset.evaluate(change(self._perfect_results(dataset)))

    def submission(self):
        dataset = self.open()
        files, _ = dataset.format_results(self._perfect_results(dataset), str(self.root / 'out'))
        return files['img_bbox']

    def replace(self, path, content):
        """Other bytes instead of a file that may be a link to the sound one."""
        path.unlink()
        path.write_bytes(content)

    def edit_table(self, name, change):
        path = self.root / 'v1.0-mini' / f'{name}.json'
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    def prepare(self):
        return prepare_nuscenes(self.root, 'v1.0-mini', self.root / 'out')


def _link(source, target):
    Path(target).symlink_to(source)


@pytest.fixture
def workspace(prepared_root, perfect_results, tmp_path):
    root = tmp_path / 'root'
    root.mkdir()
    return Workspace(prepared_root, root, perfect_results)


def damaged(path, size):
    return path.read_bytes()[:size]


def first_detection(**fields):
    return lambda r: [{'img_bbox': {**r[0]['img_bbox'], **fields}}, *r[1:]]


CASES = {}


def case(name, error, message):
    def register(function):
        CASES[name] = (function, error, message)
        return function

    return register


# ---- the annotation file


@case('annotation file missing', FileNotFoundError, 'no annotation file .*prepare_nuscenes')
def _(w):
    NuScenesEProPnPDataset(str(w.root), str(w.root / 'no.json'), [])


@case('annotation file cut short', ValueError, 'mono3d.coco.json is not json, or was cut short')
def _(w):
    w.open(text=json.dumps(w.content)[:-200])


@case('annotation file of another kind', ValueError, 'holds a json list')
def _(w):
    w.open(text='[]')


@case('no categories', ValueError, r"lacks \['categories'\]")
def _(w):
    del w.content['categories']
    w.open()


@case('unknown class', ValueError, r"no categories \['tram'\]; it has .*'car'")
def _(w):
    w.open(classes=['car', 'tram'])


@case('image id twice', ValueError, 'image id .* not unique')
def _(w):
    w.images.append(dict(w.images[0]))
    w.open()


@case('annotation id twice', ValueError, 'annotation id 0 .* not unique')
def _(w):
    w.annotations[5]['id'] = 0
    w.open()


@case('annotation without image', ValueError, "annotation 3 belongs to image 'gone', which is not")
def _(w):
    w.annotations[3]['image_id'] = 'gone'
    w.open()


@case('annotation without category', ValueError, 'annotation 3 has category 42, which is not')
def _(w):
    w.annotations[3]['category_id'] = 42
    w.open()


@case('only 2D boxes', ValueError, 'annotation 3 lacks bbox_cam3d; .*mono3d=True')
def _(w):
    del w.annotations[3]['bbox_cam3d']
    w.open()


@case('NaN box', ValueError, 'annotation 3 has a box that is not finite')
def _(w):
    w.annotations[3]['bbox_cam3d'][2] = float('nan')
    w.open()


@case('box without size', ValueError, 'annotation 3 has a box without extent')
def _(w):
    w.annotations[3]['bbox_cam3d'][4] = 0
    w.open()


@case('nine-column box', ValueError, 'annotation 3 has a box .* not seven numbers')
def _(w):
    w.annotations[3]['bbox_cam3d'] += [0.0, 0.0]
    w.open()


@case('intrinsics with zeros', ValueError, 'has intrinsics without positive focal lengths')
def _(w):
    w.images[2]['cam_intrinsic'][0][0] = 0
    w.open()


@case('intrinsics 2 x 3', ValueError, 'has intrinsics that are not 3 x 3')
def _(w):
    del w.images[2]['cam_intrinsic'][2]
    w.open()


@case('intrinsics missing', ValueError, r"lacks \['cam_intrinsic'\]")
def _(w):
    del w.images[2]['cam_intrinsic']
    w.open()


@case('image without size', ValueError, 'has the size 0 x ')
def _(w):
    w.images[2]['width'] = 0
    w.open()


@case('nothing to train on', ValueError, 'no image with an object that passes the filters')
def _(w):
    w.annotations.clear()
    w.open(test_mode=False)


# ---- images and LiDAR


@case('image missing', FileNotFoundError, 'no image .*CAM_.*check data_root and img_prefix')
def _(w):
    w.image_file.unlink()
    w.load()


@case('truncated JPEG', ValueError, 'is a truncated JPEG file; copy or download it again')
def _(w):
    w.replace(w.image_file, damaged(w.image_file, 4000))
    w.load()


@case('empty image file', ValueError, 'is not an image that OpenCV can read')
def _(w):
    w.replace(w.image_file, b'')
    w.load()


@case('text as image', ValueError, 'is not an image that OpenCV can read')
def _(w):
    w.replace(w.image_file, b'<html>404</html>')
    w.load()


@case('other image size', ValueError, r'is \d+ x \d+, but the annotation file says 1600 x')
def _(w):
    w.images[0]['width'] = 1600
    w.load()


@case('crop of everything', ValueError, 'leaves nothing of a .* adapt the margins')
def _(w):
    w.load(CROP)


@case('LiDAR sweep missing', FileNotFoundError, 'LIDAR_TOP')
def _(w):
    w.lidar_file.unlink()
    w.load(LIDAR)


@case('LiDAR sweep cut short', ValueError, 'LIDAR_TOP')
def _(w):
    w.replace(w.lidar_file, damaged(w.lidar_file, 4007))
    w.load(LIDAR)


@case('LiDAR pose malformed', ValueError, 'lidar2cam .* 4 x 4')
def _(w):
    w.images[0]['lidar2cam'] = np.eye(3).tolist()
    w.load(LIDAR)


# ---- tables


@case('table missing', FileNotFoundError, r"lacks the tables \['ego_pose'\]")
def _(w):
    (w.root / 'v1.0-mini' / 'ego_pose.json').unlink()
    w.prepare()


@case('table cut short', ValueError, 'sample_annotation.json is cut short or not a nuScenes table')
def _(w):
    path = w.root / 'v1.0-mini' / 'sample_annotation.json'
    path.write_bytes(damaged(path, 5000))
    w.prepare()


@case('table of another kind', ValueError, 'log.json is cut short or not .*does not start with')
def _(w):
    w.edit_table('log', lambda rows: {'rows': rows})
    w.prepare()


@case('row missing', ValueError, 'sample .* refers to .*, which the tables do not hold')
def _(w):
    w.edit_table('ego_pose', lambda rows: rows[:-1])
    w.prepare()


@case('camera missing in the tables', ValueError, r"has no keyframe of \['CAM_")
def _(w):
    w.edit_table('sample_data', lambda rows: [r for r in rows if 'CAM_BACK/' not in r['filename']])
    w.prepare()


@case('keyframe image missing', FileNotFoundError, '1 of 3 samples of mini_val lack .*--skip')
def _(w):
    w.image_file.unlink()
    w.prepare()


@case('unknown version', ValueError, 'unknown version v2.0; it must be one of')
def _(w):
    prepare_nuscenes(w.root, 'v2.0')


# ---- results, splits, submissions


@case('results of a 2D detector', ValueError, 'are they of a 2D detector')
def _(w):
    w.evaluate(lambda r: [[np.zeros((0, 5))] * 10 for _ in r])


@case('results of another model', ValueError, r'result 0 \(samples/.*another kind of model')
def _(w):
    w.evaluate(lambda r: [{'img_bbox': {'boxes': []}}, *r[1:]])


@case('results in the LiDAR frame', ValueError, 'LiDARInstance3DBoxes, not Camera')
def _(w):
    w.evaluate(first_detection(boxes_3d=LiDARInstance3DBoxes(torch.zeros(1, 7))))


@case('results of other images', ValueError, '17 results for 18 images; were they made')
def _(w):
    w.evaluate(lambda r: r[:-1])


@case('results of more classes', ValueError, 'labels beyond the 10 classes')
def _(w):
    w.evaluate(lambda r: first_detection(labels_3d=r[0]['img_bbox']['labels_3d'] + 10)(r))


@case(
    'results of unequal lengths',
    ValueError,
    'different numbers of boxes, scores_3d, labels_3d, attrs_3d',
)
def _(w):
    w.evaluate(first_detection(scores_3d=torch.zeros(1)))


@case('labels that are no numbers', ValueError, r'result 0 .* labels_3d that are not numbers')
def _(w):
    w.evaluate(lambda r: first_detection(labels_3d=['car'] * len(r[0]['img_bbox']['scores_3d']))(r))


@case('attributes of another model', ValueError, 'attr_scores_3d of fewer than the 8 attributes')
def _(w):
    w.evaluate(
        lambda r: first_detection(
            attr_scores_3d=torch.zeros(len(r[0]['img_bbox']['scores_3d']), 3)
        )(r)
    )


@case('no list of results', ValueError, 'results must be a list, one per image, got dict')
def _(w):
    w.evaluate(lambda r: r[0])


@case('split mismatch', ValueError, 'cannot be scored on mini_train: it lacks 3 of its 3 samples')
def _(w):
    w.evaluate(eval_split='mini_train')


@case('unknown split', ValueError, "'vall' is neither an official split")
def _(w):
    w.evaluate(eval_split='vall')


@case('test split', ValueError, 'no public ground truth: format only')
def _(w):
    w.evaluate(eval_split='test')


@case('classes that nuScenes lacks', ValueError, r"knows no \['tram'\]")
def _(w):
    w.content['categories'][0]['name'] = 'tram'
    w.evaluate(classes=['tram', *(c['name'] for c in w.content['categories'][1:])])


@case('no poses', ValueError, r"lacks \['ego2global_rotation'\]: a nuScenes submission is in")
def _(w):
    del w.images[4]['ego2global_rotation']
    w.evaluate()


@case('submission cut short', ValueError, 'is not json, or was cut short')
def _(w):
    path = w.root / 'short.json'
    path.write_bytes(damaged(w.root / 'v1.0-mini' / 'sample.json', 500))
    check_submission(path)


@case('submission of part of the split', ValueError, '1 of 4 samples of the split are absent')
def _(w):
    check_submission(w.submission(), [*dict.fromkeys(i['token'] for i in w.images), 'another'])


@pytest.mark.parametrize('kind', CASES)
def test_error_names_what_is_wrong(kind, workspace):
    function, error, message = CASES[kind]
    with pytest.raises(error) as caught:
        function(workspace)
    assert re.search(message, str(caught.value), re.DOTALL), caught.value
    assert not (workspace.root / 'out' / workspace.ann_file.name).exists()


def test_the_undamaged_data_set_passes_everywhere(workspace):
    assert workspace.load(LIDAR)['img'].ndim == 3
    assert workspace.open(LOAD, test_mode=False)[0]['img'].ndim == 3
    assert workspace.evaluate()['img_bbox_NuScenes/mAP'] > 0.3
    assert check_submission(workspace.submission(), {i['token'] for i in workspace.images})
    assert len(workspace.prepare()) == 2


def test_there_are_enough_kinds():
    assert len(CASES) >= 40
