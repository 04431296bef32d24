"""A KITTI folder of three frames, written here, and the 70 real frames where they lie at hand."""

import cv2
import numpy as np
import pytest

# The projection of a real frame: camera 2 lies six centimetres beside camera 0.
P2 = (
    '7.215377e+02 0.0 6.095593e+02 4.485728e+01 0.0 7.215377e+02 1.728540e+02 2.163791e-01 '
    '0.0 0.0 1.0 2.745884e-03'
)
LABELS = {
    '000000': [
        'Car 0.00 0 -1.10 450.00 170.00 560.00 240.00 1.50 1.60 3.90 -2.00 1.70 20.00 -1.20',
        'Van 0.00 1 -1.10 650.00 160.00 700.00 210.00 2.10 1.90 5.10 3.00 1.70 35.00 -1.00',
        'DontCare -1 -1 -10 10.00 170.00 60.00 200.00 -1 -1 -1 -1000 -1000 -1000 -10',
        'Tram 0.00 0 -1.10 300.00 100.00 400.00 200.00 3.50 2.60 15.0 -9.00 1.70 30.00 -1.20',
    ],
    '000001': [
        'Pedestrian 0.20 1 0.30 700.00 150.00 740.00 260.00 1.80 0.60 0.90 2.00 1.60 12.00 0.50',
        'Cyclist 0.00 2 0.10 500.00 150.00 540.00 240.00 1.70 0.60 1.70 -2.50 1.60 16.00 0.00',
    ],
    '000002': [],
}


@pytest.fixture
def kitti_root(tmp_path):
    """``training`` with three frames and ``ImageSets``."""
    root = tmp_path / 'kitti'
    rng = np.random.default_rng(0)
    for folder in ('image_2', 'label_2', 'calib'):
        (root / 'training' / folder).mkdir(parents=True)
    for name, lines in LABELS.items():
        image = rng.integers(0, 255, (375, 1242, 3), dtype=np.uint8)
        cv2.imwrite(str(root / 'training' / 'image_2' / f'{name}.png'), image)
        (root / 'training' / 'label_2' / f'{name}.txt').write_text('\n'.join(lines) + '\n')
        (root / 'training' / 'calib' / f'{name}.txt').write_text(f'P0: 0\nP2: {P2}\n')
    (root / 'ImageSets').mkdir()
    (root / 'ImageSets' / 'train.txt').write_text('000000\n000001\n000002\n')
    return root
