"""What can be wrong with one's files, and the error that each kind gives (docs/data.md lists them).

Every case goes the way of a user: it damages a copy of a sound synthetic data set and then opens,
loads or converts it. ``test_bad_results.py`` goes on with results, splits and submissions.
"""

import json
import re

import numpy as np
import pytest

from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.prepare import prepare_nuscenes

LIDAR = [{'type': 'LoadImageMono3D'}, {'type': 'LoadLidarMono3D'}]
CROP = [{'type': 'LoadImageMono3D'}, {'type': 'CropMono3D', 'top': 900}]


def damaged(path, size):
    return path.read_bytes()[:size]


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


@case('box of texts', ValueError, r"annotation 3 has a box .* not seven numbers: \['1', ")
def _(w):
    w.annotations[3]['bbox_cam3d'][0] = '1'
    w.open()


@case('image size as text', ValueError, "has width '400', which is not a number")
def _(w):
    w.images[2]['width'] = '400'
    w.open()


@case('attribute by name', ValueError, "attribute_id 'vehicle.parked', which is not an index")
def _(w):
    w.annotations[3]['attribute_id'] = 'vehicle.parked'
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


@case('row of another kind', ValueError, 'sample .* translation')
def _(w):
    w.edit_table('sample_annotation', lambda rows: [{**r, 'translation': None} for r in rows])
    w.prepare()


@case('rotation that is none', ValueError, 'sample .* rotation')
def _(w):
    w.edit_table('calibrated_sensor', lambda rows: [{**r, 'rotation': [0, 0, 0, 0]} for r in rows])
    w.prepare()


@case('intrinsics missing in the tables', ValueError, 'sample .* intrinsic')
def _(w):
    w.edit_table('calibrated_sensor', lambda rows: [{**r, 'camera_intrinsic': []} for r in rows])
    w.prepare()


@case('unknown attribute in the tables', ValueError, "attribute 'vehicle.flying'")
def _(w):
    w.edit_table('attribute', lambda rows: [{**r, 'name': 'vehicle.flying'} for r in rows])
    w.prepare()


@case('row without token', ValueError, 'lacks the column token')
def _(w):
    w.edit_table('sample', lambda rows: [{k: v for k, v in rows[0].items() if k != 'token'}])
    w.prepare()


@case('unknown version', ValueError, 'unknown version v2.0; it is one of')
def _(w):
    prepare_nuscenes(w.root, 'v2.0')


@pytest.mark.parametrize('kind', CASES)
def test_error_names_what_is_wrong(kind, workspace):
    function, error, message = CASES[kind]
    with pytest.raises(error) as caught:
        function(workspace)
    assert re.search(message, str(caught.value), re.DOTALL), caught.value
    assert not (workspace.root / 'out' / workspace.ann_file.name).exists()


def test_the_undamaged_data_set_passes(workspace):
    assert workspace.load(LIDAR)['img'].ndim == 3
    assert workspace.open([{'type': 'LoadImageMono3D'}], test_mode=False)[0]['img'].ndim == 3
    assert len(workspace.prepare()) == 2
