import io

import cv2
import numpy as np
import pytest
from PIL import Image

from epropnp_det.inputs.notices import forget_notices


@pytest.fixture(autouse=True)
def fresh_notices():
    forget_notices()


@pytest.fixture(scope='session')
def picture():
    """Smooth enough for JPEG, and different in every direction."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def encoded(pixels, kind, orientation=None, **options):
    """Bytes of an image file."""
    image, file = Image.fromarray(pixels[..., ::-1]), io.BytesIO()
    exif = image.getexif()
    if orientation is not None:
        exif[0x0112] = orientation
    options = {'WEBP': {'lossless': True}, 'JPEG': {'quality': 95}}.get(kind, {}) | options
    image.save(file, kind, exif=exif, **options)
    return file.getvalue()
