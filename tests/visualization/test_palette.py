import numpy as np
import pytest

from epropnp_det.visualization import GROUND_TRUTH_COLOR, class_color
from epropnp_det.visualization.palette import head_color

# Machado et al. 2009, complete deficiency, linear RGB.
DEFICIENCIES = {
    'none': np.eye(3),
    'protanopia': [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    'deuteranopia': [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    'tritanopia': [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(bgr, deficiency):
    """CIELAB (D65) of 8-bit colours as somebody with the deficiency sees them."""
    rgb = np.asarray(bgr, dtype=float)[:, ::-1] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(deficiency), 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750]]
    to_xyz.append([0.0193339, 0.1191920, 0.9503041])
    xyz = seen @ np.transpose(to_xyz) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )


@pytest.mark.parametrize('name', DEFICIENCIES)
def test_ten_classes_and_ground_truth_stay_apart_whatever_one_sees(name):
    colors = lab([*(class_color(i) for i in range(10)), GROUND_TRUTH_COLOR], DEFICIENCIES[name])
    distance = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert distance[~np.eye(11, dtype=bool)].min() > 24


@pytest.mark.parametrize('name', DEFICIENCIES)
def test_heads_stay_apart_whatever_one_sees(name):
    colors = lab([head_color(k) for k in range(8)], DEFICIENCIES[name])
    distance = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert distance[~np.eye(8, dtype=bool)].min() > 10


def test_further_classes_have_colours_too():
    further = [class_color(label) for label in range(10, 30)]
    assert len(set(further)) == len(further)
    assert all(0 <= channel <= 255 for color in further for channel in color)
