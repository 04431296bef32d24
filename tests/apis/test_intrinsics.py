import json

import numpy as np
import pytest

from epropnp_det.apis import (
    check_intrinsics,
    intrinsics_from_focal,
    intrinsics_of,
    read_intrinsics,
)

CAM2IMG = np.array([[1260.0, 0, 800], [0, 1255, 450], [0, 0, 1]])
SIZE = (1600, 900)


@pytest.mark.parametrize(
    'text',
    [
        '1260,0,800\n0,1255,450\n0,0,1\n',
        '1260 0 800\n0 1255 450\n\n0 0 1',
        '1260;0;800;0\n0;1255;450;0\n0;0;1;0',
    ],
)
def test_reads_csv(tmp_path, text):
    path = tmp_path / 'k.csv'
    path.write_text(text)
    np.testing.assert_array_equal(read_intrinsics(path), CAM2IMG)


def test_reads_json(tmp_path, keyframe_root):
    path = tmp_path / 'k.json'
    path.write_text(json.dumps(CAM2IMG.tolist()))
    np.testing.assert_array_equal(read_intrinsics(path), CAM2IMG)
    path.write_text(json.dumps({'cam2img': CAM2IMG.tolist()}))
    np.testing.assert_array_equal(read_intrinsics(path), CAM2IMG)
    path.write_text(json.dumps({'a.jpg': CAM2IMG.tolist()}))
    np.testing.assert_array_equal(intrinsics_of('x/a.jpg', read_intrinsics(path), SIZE), CAM2IMG)
    with pytest.raises(KeyError, match=r'b\.jpg.*a\.jpg'):
        intrinsics_of('b.jpg', read_intrinsics(path), SIZE)


def test_reads_the_intrinsics_of_a_mono3d_file(keyframe_root):
    intrinsics = read_intrinsics(keyframe_root / 'nuscenes_infos_mono3d.coco.json')
    image = next(keyframe_root.rglob('CAM_FRONT/*.jpg'))
    assert intrinsics_of(str(image), intrinsics, SIZE)[0, 0] == pytest.approx(1266.417203046554)


def test_focal_puts_the_centre_in_the_middle():
    matrix = intrinsics_from_focal(1000, SIZE)
    np.testing.assert_array_equal(matrix, [[1000, 0, 800], [0, 1000, 450], [0, 0, 1]])
    assert intrinsics_from_focal(1000, SIZE, (810, 460))[1, 2] == 460


@pytest.mark.parametrize(
    ('matrix', 'message'),
    [
        (np.zeros((3, 3)), 'expected rows'),
        (np.diag([0.0, 0, 1]), 'positive'),
        (np.diag([-5.0, 5, 1]), 'positive'),
        (CAM2IMG.T, 'expected rows'),
        (CAM2IMG[:2], '3 x 3'),
        (CAM2IMG * np.nan, 'not finite'),
        ([[1, 2], [3]], 'three rows'),
        ('abc', 'three rows'),
        (np.hstack([CAM2IMG, np.ones((3, 1))]), 'translation'),
        (CAM2IMG / [[200], [200], [1]], 'another resolution'),
        (np.diag([1e6, 1e6, 1]), 'another resolution'),
        (CAM2IMG + [[0, 0, 9000], [0, 0, 0], [0, 0, 0]], 'principal point'),
    ],
)
def test_absurd_intrinsics_are_named(matrix, message):
    with pytest.raises(ValueError, match=message):
        check_intrinsics(matrix, SIZE)


@pytest.mark.parametrize('content', ['', 'a,b,c', '{}', '"x"', '[[1, 2], [3, 4]]', '{"a": 3}', '{'])
def test_broken_files_are_named(tmp_path, content):
    for suffix in ('csv', 'json'):
        path = tmp_path / f'broken.{suffix}'
        path.write_text(content)
        with pytest.raises(ValueError, match=f'broken.{suffix}'):
            read_intrinsics(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='--focal'):
        read_intrinsics(tmp_path / 'none.csv')
