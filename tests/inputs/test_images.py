"""One reader for all images: what follows their end, what is missing, how deep, how named."""

import os
import sys

import cv2
import numpy as np
import pytest

from epropnp_det.inputs import (
    InputWarning,
    decode_image,
    read_image,
    read_image_info,
    write_image,
)

from .conftest import encoded

KINDS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP')
TRAILERS = {
    'zeros': b'\0' * 5000,
    'film of a motion photo': b'\0\0\0\x18ftypmp42' + bytes(range(256)) * 40,
    'text': b'MotionPhoto_Data' * 100,
    'fill bytes': b'\xff' * 2000,
    'second image': None,
}


@pytest.mark.parametrize('trailer', TRAILERS)
@pytest.mark.parametrize('kind', KINDS)
def test_bytes_after_the_end_do_not_matter(kind, trailer, picture):
    content = encoded(picture, kind)
    rest = content if TRAILERS[trailer] is None else TRAILERS[trailer]
    expected = decode_image(content, 'a').pixels
    np.testing.assert_array_equal(decode_image(content + rest, 'a').pixels, expected)


@pytest.mark.parametrize('padding', [b'', b'\0' * 5000])
@pytest.mark.parametrize('kind', KINDS)
def test_truncated_files_are_named_also_where_zeros_fill_them_up(kind, padding, picture):
    if padding and kind in ('BMP', 'TIFF', 'WEBP'):
        pytest.skip('black pixels are no error, and WebP states its length only')
    content = encoded(picture, kind)
    with pytest.raises(ValueError, match=r'a\.x is a .*truncated .*; copy'):
        decode_image(content[: len(content) * 2 // 3] + padding, 'a.x')


@pytest.mark.parametrize('progressive', [False, True])
@pytest.mark.parametrize('cut', [2, 40, 400])
def test_jpeg_without_its_end_marker_is_complete_only_with_all_its_data(
    progressive, cut, picture, tmp_path
):
    content = encoded(picture, 'JPEG', progressive=progressive)
    (tmp_path / 'a.jpg').write_bytes(content[:-cut])
    if cut == 2:  # as some cameras write them
        expected = decode_image(content, 'a').pixels
        np.testing.assert_array_equal(read_image(tmp_path / 'a.jpg'), expected)
        assert read_image_info(tmp_path / 'a.jpg').size == (64, 48)
        return
    for reader in (read_image, read_image_info):
        with pytest.raises(ValueError, match='truncated'):
            reader(tmp_path / 'a.jpg')


def test_thumbnail_inside_is_not_the_end(picture):
    """A preview in the head of the file has an end marker of its own."""
    content = encoded(picture, 'JPEG')
    preview = encoded(picture[::4, ::4], 'JPEG')
    segment = b'\xff\xe5' + (len(preview) + 2).to_bytes(2, 'big') + preview
    content = content[:2] + segment + content[2:]
    decode_image(content, 'a')
    with pytest.raises(ValueError, match='truncated'):
        decode_image(content[: len(segment) + 900], 'a')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        (b'hello world', 'is not an image'),
        (b'\0\0\0\x18ftypheic' + b'x' * 99, 'HEIC, convert it'),
        (b'\0\0\0\x18ftypavif' + b'x' * 99, 'AVIF, convert it'),
        (b'GIF89a' + b'x' * 99, 'GIF, convert it'),
    ],
)
def test_what_is_no_image_is_named(content, message, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(content)
    for reader in (read_image, read_image_info):
        with pytest.raises(ValueError, match=rf'a\.jpg.*{message}'):
            reader(tmp_path / 'a.jpg')


def test_missing_file_and_folder_are_named(tmp_path):
    for path in (tmp_path / 'none.jpg', tmp_path):
        with pytest.raises(FileNotFoundError, match='no image'):
            read_image(path)


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
def test_bits_are_detected_and_said(bits, suffix, picture):
    deep = picture.astype(np.uint16) << (bits - 8)
    deep[0, 0] = 2**bits - 1
    content = cv2.imencode(suffix, deep)[1].tobytes()
    with pytest.warns(InputWarning, match=f'{bits} bits.*state value_range'):
        pixels = decode_image(content, 'a').pixels
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[1:], picture[1:])


def test_stated_range_is_taken_in_silence(picture, recwarn):
    deep = picture.astype(np.uint16) * 4  # a dark image of twelve bits
    content = cv2.imencode('.png', deep)[1].tobytes()
    pixels = decode_image(content, 'a', value_range=4095).pixels
    np.testing.assert_allclose(pixels, picture / 4, atol=0.51)
    assert not recwarn.list
    with pytest.raises(ValueError, match='value_range must be positive'):
        decode_image(content, 'a', value_range=0)


@pytest.mark.parametrize('scale', [1 / 255, 1.0])
def test_floating_point_pixels(scale, picture):
    pixels = picture.astype(np.float32) * np.float32(scale)
    uncompressed = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    content = cv2.imencode('.tiff', pixels, uncompressed)[1].tobytes()
    with pytest.warns(InputWarning, match='float32'):
        pixels = decode_image(content, 'a').pixels
    np.testing.assert_allclose(pixels, picture, atol=1)


def test_gray_and_transparent_images_get_three_channels(picture):
    gray = cv2.imencode('.png', picture[..., 0])[1].tobytes()
    assert decode_image(gray, 'a').pixels.shape == (48, 64, 3)
    assert decode_image(gray, 'a', gray=True).pixels.shape == (48, 64)
    alpha = np.dstack([picture, np.full((48, 64), 7, np.uint8)])
    pixels = decode_image(cv2.imencode('.png', alpha)[1].tobytes(), 'a').pixels
    np.testing.assert_array_equal(pixels, picture)


@pytest.mark.skipif(sys.platform != 'linux', reason='other systems have no such names')
def test_names_that_are_no_utf8_are_read_and_written(picture, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b'/caf\xe9.png')
    write_image(path, picture)
    np.testing.assert_array_equal(read_image(path), picture)
    with open(path, 'wb') as file:
        file.write(b'none')
    with pytest.raises(ValueError) as error:
        read_image(path)
    str(error.value).encode('utf-8')  # any terminal can show it


def test_writing_where_nothing_can_be_is_named(picture, tmp_path):
    for name in ('none/a.png', 'a.unknown'):
        with pytest.raises(OSError, match='cannot write'):
            write_image(tmp_path / name, picture)
