"""Calibration files in the formats that people have."""

import json

import cv2
import numpy as np
import pytest

from epropnp_det.inputs import (
    InputWarning,
    calibration_of,
    camera_of_image,
    read_calibrations,
    write_image,
)
from epropnp_det.inputs.distortion import make_distortion, undistort

CAM2IMG = np.array([[1260.5, 0, 800], [0, 1255, 450.25], [0, 0, 1]])
ROWS = CAM2IMG.tolist()
FLAT = CAM2IMG.reshape(-1).tolist()
PROJECTION = np.hstack([CAM2IMG, [[44.8], [0.2], [0.003]]]).reshape(-1).tolist()
DISTORTION = [-0.31, 0.1, 0.001, -0.002, 0.01]

TABLES = {
    'commas': '1260.5,0,800\n0,1255,450.25\n0,0,1\n',
    'blanks': '1260.5 0 800\n0 1255 450.25\n\n0 0 1',
    'semicolons': '1260.5;0;800;0\n0;1255;450.25;0\n0;0;1;0',
    'tabs': '1260.5\t0\t800\n0\t1255\t450.25\n0\t0\t1',
    'decimal commas': '1260,5;0;800\n0;1255;450,25\n0;0;1',
    'trailing separators': '1260.5, 0, 800,\n0, 1255, 450.25,\n0, 0, 1,\n',
    'quoted': '"1260.5","0","800"\n"0","1255","450.25"\n"0","0","1"\n',
    'comments': '# K of my camera\n1260.5 0 800\n0 1255 450.25  # fy\n0 0 1',
    'numpy': '[[1260.5     0.    800.  ]\n [   0.   1255.    450.25]\n [   0.      0.      1.  ]]',
    'json in a text file': json.dumps(ROWS),
    'matlab': '1260.5, 0, 800; 0, 1255, 450.25; 0, 0, 1',
    'matlab in brackets': '[1260.5 0 800; 0 1255 450.25; 0 0 1]',
    'nine numbers': ' '.join(map(str, FLAT)),
    'four numbers': '1260.5, 1255, 800, 450.25',
    'named columns': 'fx,fy,cx,cy\n1260.5,1255,800,450.25\n',
    'four by four': '1260.5 0 800 0\n0 1255 450.25 0\n0 0 1 0\n0 0 0 1',
    'scientific': '1.2605e3 0 8.0E+02\n0 1255 450.25\n0 0 1',
    'no-break spaces': '1260.5\u00a00 800\n0 1255\u00a0450.25\n0 0 1\u200b',
    'kitti': f'P0: {"1 " * 12}\nP2: {" ".join(map(str, PROJECTION))}\nR0_rect: 1',
    'kitti raw': f'S_rect_02: 1600 900\nP_rect_02: {" ".join(map(str, PROJECTION))}\n',
}
ENCODINGS = ('utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32')


@pytest.mark.parametrize('name', TABLES)
def test_tables_of_numbers(name, tmp_path):
    for suffix in ('.csv', '.TXT'):
        path = tmp_path / f'k{suffix}'
        path.write_text(TABLES[name], encoding='utf-8')
        np.testing.assert_allclose(read_calibrations(path).cam2img, CAM2IMG)


@pytest.mark.parametrize('ends', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('suffix', ['.csv', '.json', '.yaml'])
def test_byte_order_marks_and_stray_white_space(suffix, encoding, ends, tmp_path):
    text = {'.csv': TABLES['commas'], '.json': json.dumps(ROWS, indent=1)}.get(suffix, 'K: [1]')
    if suffix == '.yaml':
        text = f'K: {FLAT}\nwidth: 1600\nheight: 900\n'
    path = tmp_path / f'k{suffix}'
    path.write_bytes(f'\n{text} \n\n'.replace('\n', ends).encode(encoding))
    np.testing.assert_allclose(read_calibrations(path).cam2img, CAM2IMG)


OBJECTS = {
    'cam2img': {'cam2img': ROWS},
    'camera_matrix': {'camera_matrix': ROWS, 'distortion_coefficients': DISTORTION},
    'flat K': {'K': FLAT, 'D': DISTORTION, 'width': 1600, 'height': 900},
    'upper case': {'Camera_Matrix': ROWS, 'Dist_Coeffs': [DISTORTION]},
    'python script of OpenCV': {'mtx': ROWS, 'dist': [DISTORTION]},
    'focal': {'fx': 1260.5, 'fy': 1255, 'cx': 800, 'cy': 450.25},
    'nested focal': {'intrinsics': {'fx': 1260.5, 'fy': 1255, 'cx': 800, 'cy': 450.25}},
    'rows, cols, data': {
        'image_width': 1600,
        'image_height': 900,
        'camera_name': 'front',
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': FLAT},
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': DISTORTION},
        'rectification_matrix': {'rows': 3, 'cols': 3, 'data': np.eye(3).reshape(-1).tolist()},
        'projection_matrix': {'rows': 3, 'cols': 4, 'data': [0.0] * 12},
    },
    'calibrated_sensor': {
        'token': 'a', 'sensor_token': 'b', 'translation': [1, 0, 1], 'rotation': [1, 0, 0, 0],
        'camera_intrinsic': ROWS,
    },
    'projection alone': {'P': PROJECTION},
    'kalibr': {
        'cam0': {
            'camera_model': 'pinhole', 'distortion_model': 'radtan', 'resolution': [1600, 900],
            'distortion_coeffs': DISTORTION[:4], 'intrinsics': [1260.5, 1255, 800, 450.25],
            'rostopic': '/cam0/image_raw',
        }
    },
}  # fmt: skip


@pytest.mark.parametrize('suffix', ['.json', '.yaml'])
@pytest.mark.parametrize('name', OBJECTS)
def test_objects(name, suffix, tmp_path):
    path = tmp_path / f'k{suffix}'
    path.write_text(json.dumps(OBJECTS[name], indent=2))  # json is yaml
    found = read_calibrations(path)
    np.testing.assert_allclose(found.cam2img, CAM2IMG)
    text = json.dumps(OBJECTS[name])
    assert (found.distortion is not None) == ('-0.31' in text)
    assert found.size == ((1600, 900) if '900' in text else None)


@pytest.mark.parametrize('suffix', ['.yaml', '.yml', '.xml'])
def test_what_opencv_writes(suffix, tmp_path):
    path = tmp_path / f'k{suffix}'
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write('image_width', 1600)
    storage.write('image_height', 900)
    storage.write('camera_matrix', CAM2IMG)
    storage.write('distortion_coefficients', np.array(DISTORTION)[:, None])
    storage.write('calibration_time', 'today')
    storage.release()
    found = read_calibrations(path)
    np.testing.assert_allclose(found.cam2img, CAM2IMG)
    assert found.size == (1600, 900)
    assert found.distortion.coefficients == pytest.approx(DISTORTION)


def test_opencv_yaml_without_its_first_line(tmp_path):
    (tmp_path / 'k.yaml').write_text(
        f'camera_matrix: !!opencv-matrix\n  rows: 3\n  cols: 3\n  dt: d\n  data: {FLAT}\n'
    )
    np.testing.assert_allclose(read_calibrations(tmp_path / 'k.yaml').cam2img, CAM2IMG)


def test_numpy_files(tmp_path):
    np.save(tmp_path / 'k.npy', CAM2IMG)
    np.savez(tmp_path / 'k.npz', mtx=CAM2IMG, dist=[DISTORTION])
    np.testing.assert_allclose(read_calibrations(tmp_path / 'k.npy').cam2img, CAM2IMG)
    assert read_calibrations(tmp_path / 'k.npz').distortion.coefficients == tuple(DISTORTION)


def test_one_per_image(tmp_path):
    other = (CAM2IMG + np.diag([5, 5, 0])).tolist()
    content = {'camA/0.jpg': ROWS, 'camB\\0.jpg': {'K': other, 'D': DISTORTION}}
    (tmp_path / 'k.json').write_text(json.dumps(content))
    found = read_calibrations(tmp_path / 'k.json')
    assert calibration_of('/x/camA/0.jpg', found).cam2img[0, 0] == 1260.5
    assert calibration_of('x\\camB\\0.jpg', found).cam2img[0, 0] == 1265.5
    with pytest.raises(KeyError, match=r'0\.jpg may be any of camA/0\.jpg, camB/0\.jpg'):
        calibration_of('elsewhere/0.jpg', found)
    with pytest.raises(KeyError, match='no intrinsics'):
        calibration_of('camA/1.jpg', found)


def test_one_per_camera_and_a_folder_of_files(tmp_path):
    other = (CAM2IMG + np.diag([5, 5, 0])).tolist()
    (tmp_path / 'k.json').write_text(
        json.dumps({'CAM_FRONT': {'K': ROWS}, 'CAM_BACK': {'K': other}})
    )
    found = read_calibrations(tmp_path / 'k.json')
    assert calibration_of('samples/CAM_BACK/0.jpg', found).cam2img[0, 0] == 1265.5
    (tmp_path / 'calib').mkdir()
    for number in (0, 7):
        text = TABLES['kitti'].replace('1260.5', str(1000 + number))
        (tmp_path / 'calib' / f'{number:06d}.txt').write_text(text)
    found = read_calibrations(tmp_path / 'calib')
    assert calibration_of('image_2/000007.png', found).cam2img[0, 0] == 1007


def test_the_table_of_nuscenes(tmp_path):
    rows = [
        {'token': 'a', 'camera_intrinsic': ROWS},
        {'token': 'lidar', 'camera_intrinsic': []},
    ]
    path = tmp_path / 'calibrated_sensor.json'
    path.write_text(json.dumps(rows))
    np.testing.assert_allclose(read_calibrations(path).cam2img, CAM2IMG)
    rows.append({'token': 'b', 'camera_intrinsic': (CAM2IMG + np.diag([5, 5, 0])).tolist()})
    path.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match='2 cameras; put its sample_data.json beside it'):
        read_calibrations(path)
    records = [
        {'filename': f'samples/CAM/{token}.jpg', 'calibrated_sensor_token': token}
        for token in ('a', 'b', 'lidar')
    ]
    (tmp_path / 'sample_data.json').write_text(json.dumps(records))
    assert calibration_of('b.jpg', read_calibrations(path)).cam2img[0, 0] == 1265.5


@pytest.mark.parametrize(
    'content', ['', 'a,b,c', '{}', '"x"', '[[1, 2], [3, 4]]', '{"a": 3}', '{', 'nan ' * 9, '1 2 3']
)
@pytest.mark.parametrize('suffix', ['csv', 'json', 'yaml', 'xml', 'npz'])
def test_broken_files_are_named_in_one_line(content, suffix, tmp_path):
    path = tmp_path / f'broken.{suffix}'
    path.write_text(content)
    with pytest.raises(ValueError, match=rf'broken\.{suffix}') as error:
        read_calibrations(path)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('model', 'count', 'fisheye'),
    [
        ('', 4, False), ('plumb_bob', 5, False), ('radtan', 4, False), ('plumb_bob', 2, False),
        ('rational_polynomial', 8, False), ('thin_prism', 12, False), ('', 14, False),
        ('fisheye', 4, True), ('equidistant', 4, True), ('kannala_brandt4', 4, True),
    ],
)  # fmt: skip
def test_models_of_distortion(model, count, fisheye):
    distortion = make_distortion(np.linspace(0.01, 0.02, count), model)
    assert distortion.fisheye == fisheye
    image = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    cam2img = np.array([[120.0, 0, 80], [0, 120, 45], [0, 0, 1]])
    changed = undistort(image, cam2img, distortion)
    assert changed.shape == image.shape and (changed != image).any()


def test_what_is_no_distortion_changes_nothing():
    assert make_distortion([0, 0, 0, 0, 0], 'plumb_bob') is None
    image = np.zeros((4, 4, 3), np.uint8)
    assert undistort(image, np.eye(3), None) is image


@pytest.mark.parametrize(
    ('coefficients', 'model', 'message'),
    [
        ([0.1] * 4, 'omnidirectional', 'none of OpenCV'),
        ([0.1] * 5, 'fisheye', 'has 4 coefficients'),
        ([0.1] * 20, '', 'OpenCV knows'),
        ([float('nan')] * 5, '', 'finite'),
    ],
)
def test_absurd_distortion_is_named(coefficients, model, message):
    with pytest.raises(ValueError, match=message):
        make_distortion(coefficients, model)


def test_undistorting_brings_points_to_where_a_pinhole_sees_them(tmp_path):
    cam2img = np.array([[120.0, 0, 80], [0, 120, 45], [0, 0, 1]])
    content = {'K': cam2img.tolist(), 'D': DISTORTION, 'width': 160, 'height': 90}
    (tmp_path / 'k.json').write_text(json.dumps(content))
    calibration = read_calibrations(tmp_path / 'k.json')
    point = np.array([[[0.45, 0.2, 1.0]]])
    at, _ = cv2.projectPoints(point, np.zeros(3), np.zeros(3), cam2img, np.array(DISTORTION))
    image = np.zeros((90, 160, 3), np.uint8)
    cv2.circle(image, tuple(int(v) for v in np.rint(at.reshape(-1))), 3, (255, 255, 255), -1)
    path = write_image(tmp_path / 'a.png', image)
    with pytest.warns(InputWarning, match='distortion coefficients.*--undistort'):
        camera = camera_of_image(path, calibration)
    np.testing.assert_array_equal(camera.load(), image)
    rows, columns = np.nonzero(camera.load(undistorted=True)[..., 0] > 128)
    expected = (cam2img @ point.reshape(3))[:2]
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=1)
