import json

import numpy as np
import pytest

from epropnp_det.datasets.completion import OPTIONAL, complete_annotations

IMAGE = {
    'cam_intrinsic': [[800.0, 0, 400], [0, 800.0, 300], [0, 0, 1]],
    'width': 800,
    'height': 600,
}


def bare(annotation):
    return {key: value for key, value in annotation.items() if key not in OPTIONAL}


def test_the_projection_is_that_of_the_converter(prepared_root):
    """Without pitch and roll the completed fields are those that the converter wrote."""
    path = prepared_root / 'nuscenes_infos_train_mono3d.coco.json'
    content = json.loads(path.read_text())
    checked = 0
    for image in content['images']:
        given = [a for a in content['annotations'] if a['image_id'] == image['id']]
        for mine, other in zip(complete_annotations(image, map(bare, given)), given):
            np.testing.assert_allclose(mine['center2d'], other['center2d'], atol=1e-6)
            assert mine['area'] == pytest.approx(mine['bbox'][2] * mine['bbox'][3])
            # the file's yaw leaves out the tilt of the camera, a pixel or so at this size
            if other['bbox_cam3d'][2] > 8:
                np.testing.assert_allclose(mine['bbox'], other['bbox'], atol=2.5)
                checked += 1
    assert checked > 100


def test_what_is_given_is_kept():
    given = {'bbox_cam3d': [0, 0, 10.0, 4, 1.5, 2, 0], 'bbox': [1, 2, 3, 4], 'score': 1}
    mine = complete_annotations(IMAGE, [given])[0]
    assert mine['bbox'] == [1, 2, 3, 4] and mine['area'] == 12 and mine['score'] == 1
    assert mine['center2d'] == [400, 300, 10]
    assert 'area' not in given


@pytest.mark.parametrize('center', [[0, 0, -10.0], [100.0, 0, 10]])
def test_what_the_image_does_not_show_has_no_bbox(center):
    mine = complete_annotations(IMAGE, [{'bbox_cam3d': [*center, 4, 1.5, 2, 0]}])[0]
    assert mine['bbox'] == [0, 0, 0, 0] and mine['area'] == 0
    assert np.isfinite(mine['center2d']).all()


def test_no_annotation():
    assert complete_annotations(IMAGE, []) == []
