"""EXIF orientation: found in every format, never applied in silence, K turned along."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from epropnp_det.inputs import (
    Calibration,
    camera_from_focal,
    camera_of_image,
    decode_image,
    read_camera_image,
    read_image,
    read_image_info,
)
from epropnp_det.inputs.orientation import orient_intrinsics, orient_pixels

from .conftest import encoded

CAM2IMG = np.array([[60.0, 0, 30], [0, 62, 20], [0, 0, 1]])
TURNED = range(2, 9)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_found_and_not_applied_in_every_format(kind, orientation, picture, tmp_path):
    content = encoded(picture, kind, orientation)
    stored = decode_image(content, 'a')
    assert stored.orientation == orientation
    np.testing.assert_allclose(stored.pixels.astype(int), picture, atol=60 * (kind == 'JPEG'))
    (tmp_path / 'a').write_bytes(content)
    info = read_image_info(tmp_path / 'a')
    assert info.size == (64, 48)
    assert info.upright_size == ((64, 48) if orientation < 5 else (48, 64))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))[..., ::-1]
    ours = read_image(tmp_path / 'a', upright=True)
    assert ours.shape == upright.shape
    np.testing.assert_allclose(ours.astype(int), upright, atol=3 * (kind == 'JPEG'))


@pytest.mark.parametrize(
    'content', [b'\xff\xd8', b'II*\0', b'MM\0*\xff\xff\xff\xff', b'RIFF    WEBP']
)
def test_damaged_heads_state_nothing(content):
    with pytest.raises(ValueError, match='truncated'):
        decode_image(content, 'a')


@pytest.mark.parametrize('orientation', TURNED)
def test_intrinsics_turn_with_the_pixels(orientation, picture):
    """The pixel of a point in the turned camera is the turned pixel of the point."""
    size = (64, 48)
    turned = orient_intrinsics(CAM2IMG, size, orientation)
    assert turned[0, 0] > 0 < turned[1, 1] and turned[1, 0] == 0
    marked = np.zeros((48, 64), np.uint8)
    point = np.array([0.2567, -0.13, 1.0])
    u, v, _ = CAM2IMG @ point
    marked[int(v), int(u)] = 1
    row, column = np.argwhere(orient_pixels(marked, orientation))[0]
    axes = {2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1), 5: (0, 1, 1, 0)}
    axes |= {6: (0, -1, 1, 0), 7: (0, -1, -1, 0), 8: (0, 1, -1, 0)}
    a, b, c, d = axes[orientation]
    x, y, _ = point
    found = turned @ [a * x + b * y, c * x + d * y, 1]
    assert (int(found[0]), int(found[1])) == (column, row)


def test_skew_cannot_be_turned():
    skewed = CAM2IMG + [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match='skew'):
        orient_intrinsics(skewed, (64, 48), 6)


@pytest.fixture
def turned_file(picture, tmp_path):
    def write(orientation):
        path = tmp_path / f'{orientation}.png'
        path.write_bytes(encoded(picture, 'PNG', orientation))
        return path

    return write


@pytest.mark.parametrize('orientation', TURNED)
def test_unresolved_orientation_names_exif_and_the_choices(orientation, turned_file):
    path = turned_file(orientation)
    for read in (
        lambda: read_camera_image(path, CAM2IMG),
        lambda: camera_of_image(path, [[60, 0, 24], [0, 62, 20], [0, 0, 1]]),
    ):
        with pytest.raises(ValueError, match='EXIF orientation.*ignore.*apply.*upright'):
            read()
    with pytest.raises(ValueError, match='exif must be one of'):
        read_camera_image(path, CAM2IMG, exif='turn')


@pytest.mark.parametrize('orientation', [3, 6])
def test_modes(orientation, turned_file, picture):
    path = turned_file(orientation)
    upright = orient_pixels(picture, orientation)
    ignored = read_camera_image(path, CAM2IMG, 'ignore')
    np.testing.assert_array_equal(ignored.pixels, picture)
    np.testing.assert_array_equal(ignored.cam2img, CAM2IMG)
    applied = read_camera_image(path, CAM2IMG, 'apply')
    np.testing.assert_array_equal(applied.pixels, upright)
    np.testing.assert_array_equal(
        applied.cam2img, orient_intrinsics(CAM2IMG, (64, 48), orientation)
    )
    shown = read_camera_image(path, CAM2IMG, 'upright')
    np.testing.assert_array_equal(shown.pixels, upright)
    np.testing.assert_array_equal(shown.cam2img, CAM2IMG)
    for mode, expected in (('ignore', ignored), ('apply', applied)):
        camera = camera_of_image(path, CAM2IMG, exif=mode)
        np.testing.assert_array_equal(camera.load(), expected.pixels)
        np.testing.assert_allclose(camera.cam2img, expected.cam2img)
        assert camera.size == expected.pixels.shape[1::-1]


@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_the_stated_size_tells(orientation, turned_file):
    path = turned_file(orientation)
    assert read_camera_image(path, CAM2IMG, stated_size=(64, 48)).pixels.shape == (48, 64, 3)
    assert read_camera_image(path, CAM2IMG, stated_size=(48, 64)).pixels.shape == (64, 48, 3)
    of_shown = np.array([[60.0, 0, 24], [0, 60, 32], [0, 0, 1]])
    assert camera_of_image(path, Calibration(of_shown, (48, 64))).size == (48, 64)
    # of another resolution, which the user states
    twice = Calibration(np.diag([2, 2, 1]) @ of_shown, None)
    camera = camera_of_image(path, twice, intrinsics_size=(96, 128))
    assert camera.size == (48, 64)
    np.testing.assert_allclose(camera.cam2img, of_shown)
    # without a size the principal point does
    assert camera_of_image(path, of_shown).exif == 'upright'
    assert camera_of_image(path, [[60, 0, 32], [0, 60, 24], [0, 0, 1]]).exif == 'ignore'


@pytest.mark.parametrize('orientation', TURNED)
def test_what_makes_no_difference_is_not_asked(orientation, turned_file):
    """A focal length is that of the picture as it is shown; a centred camera may be turned."""
    camera = camera_from_focal(turned_file(orientation), 60)
    assert camera.size == camera.load().shape[1::-1] == ((64, 48) if orientation < 5 else (48, 64))
    assert camera.cam2img[0, 2] == camera.size[0] / 2
    if orientation < 5:
        centred = [[60, 0, 32], [0, 60, 24], [0, 0, 1]]
        assert camera_of_image(turned_file(orientation), centred).exif == 'upright'
