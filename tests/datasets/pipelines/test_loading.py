import cv2
import numpy as np
import pytest

from epropnp_det.datasets.pipelines import LoadImageMono3D

INTRINSICS = [[100.0, 0.0, 32.0], [0.0, 100.0, 24.0], [0.0, 0.0, 1.0]]


@pytest.fixture
def image_file(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for suffix in ('jpg', 'png'):
        assert cv2.imwrite(str(tmp_path / f'image.{suffix}'), image)
    return tmp_path


def results(prefix, name='image.jpg', **info):
    info = {'filename': name, 'cam_intrinsic': INTRINSICS, **info}
    return {'img_prefix': str(prefix) if prefix else None, 'img_info': info}


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_loads_a_file_and_copies_the_intrinsics(image_file, suffix):
    loaded = LoadImageMono3D()(results(image_file, f'image.{suffix}', width=64, height=48))
    assert loaded['img'].shape == loaded['ori_shape'] == loaded['img_shape'] == (48, 64, 3)
    assert loaded['filename'] == str(image_file / f'image.{suffix}')
    np.testing.assert_array_equal(loaded['img2net'], np.eye(3))
    loaded['cam2img'][0, 0] = -1
    assert INTRINSICS[0][0] == 100.0


def test_knows_the_ground_where_the_record_tells_the_mounting(image_file):
    mounting = dict(cam2ego_rotation=[0.5, -0.5, 0.5, -0.5], cam2ego_translation=[1.7, 0, 1.6])
    assert 'ground_plane' not in LoadImageMono3D()(results(image_file))
    loaded = LoadImageMono3D()(results(image_file, **mounting))
    np.testing.assert_allclose(loaded['ground_plane'], [0, 1 / 1.6, 0], atol=1e-6)


def test_takes_an_image_in_memory(image_file):
    image = cv2.imread(str(image_file / 'image.png'))
    info = {'cam_intrinsic': INTRINSICS}
    for given in ({'img': image, 'img_info': info}, {'img_info': {**info, 'img': image}}):
        loaded = LoadImageMono3D(to_float32=True)(given)
        np.testing.assert_array_equal(loaded['img'], image)
        assert loaded['img'].dtype == np.float32 and loaded['filename'] is None
    loaded = LoadImageMono3D()({'img': image, 'cam2img': np.array(INTRINSICS)})
    loaded['img'][:] = 0
    assert image.any()


def test_four_by_four_intrinsics_are_cut_to_three(image_file):
    matrix = np.eye(4)
    matrix[:3, :3] = INTRINSICS
    loaded = LoadImageMono3D()(results(image_file, cam_intrinsic=matrix))
    np.testing.assert_array_equal(loaded['cam2img'], INTRINSICS)


def test_missing_file_is_named(image_file):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.jpg.*data_root'):
        LoadImageMono3D()(results(image_file, 'nowhere.jpg'))


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_truncated_file_is_named(image_file, suffix):
    path = image_file / f'image.{suffix}'
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf'image\.{suffix} is a truncated'):
        LoadImageMono3D()(results(image_file, f'image.{suffix}'))


@pytest.mark.parametrize('content', [b'', b'hello world'])
def test_file_that_is_no_image_is_named(image_file, content):
    (image_file / 'text.jpg').write_bytes(content)
    with pytest.raises(ValueError, match=r'text\.jpg is not an image'):
        LoadImageMono3D()(results(image_file, 'text.jpg'))


def test_wrong_size_is_named(image_file):
    with pytest.raises(ValueError, match='64 x 48.*1600 x 900'):
        LoadImageMono3D()(results(image_file, width=1600, height=900))


@pytest.mark.parametrize(
    ('intrinsics', 'message'),
    [
        (None, 'no intrinsics'),
        ([[1.0, 0.0], [0.0, 1.0]], '3 x 3'),
        (np.zeros((3, 3)), 'expected rows'),
        ([[np.nan, 0, 1], [0, 1, 1], [0, 0, 1]], 'not finite'),
        ([[-100, 0, 32], [0, 100, 24], [0, 0, 1]], 'must be positive'),
        ([[100, 0, 32], [0, 100, 24], [0, 0.1, 1]], 'expected rows'),
    ],
)
def test_absurd_intrinsics_are_named(image_file, intrinsics, message):
    with pytest.raises(ValueError, match=message):
        LoadImageMono3D()(results(image_file, cam_intrinsic=intrinsics))


@pytest.mark.parametrize('image', [np.zeros((4, 4)), 'path.jpg', np.zeros((4, 4, 1))])
def test_wrong_array_is_named(image):
    with pytest.raises(ValueError, match=r'\(H, W, 3\)'):
        LoadImageMono3D()({'img': image, 'img_info': {'cam_intrinsic': INTRINSICS}})
