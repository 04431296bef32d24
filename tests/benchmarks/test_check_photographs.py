"""What check_photographs.py counts, on scenes made by hand."""

import json

import numpy as np
import pytest

from epropnp_det.visualization import Objects
from support.scripts import load

CAM2IMG = np.array([[700.0, 0, 600], [0, 700, 180], [0, 0, 1]])


@pytest.fixture(scope='module')
def tool(repository):
    return load(repository / 'benchmarks' / 'check_photographs.py')


def cars(rows, scores=None):
    """Rows of (x, z, yaw)."""
    table = np.array(rows, float).reshape(-1, 3)
    boxes = np.ones((len(table), 7))
    boxes[:, [3, 5, 6]] = table
    return Objects(boxes, np.zeros(len(table), int), None if scores is None else np.array(scores))


def photograph(tool, rows, counts=None, clear=None, unlabelled=()):
    number = len(rows)
    return tool.Photograph(
        path=None,
        cam2img=CAM2IMG,
        truth=cars(rows),
        counts=np.ones(number, bool) if counts is None else np.array(counts, bool),
        clear=np.ones(number, bool) if clear is None else np.array(clear, bool),
        unlabelled=np.array(unlabelled, float).reshape(-1, 4),
    )


def scored(tool, image, found, within='2 m', threshold=0.3):
    return tool.score([image], [found], threshold, tool.TOLERANCES[within], 30.0)


def test_found_missed_wrong_and_below_the_threshold(tool):
    image = photograph(tool, [(0, 10, 0), (5, 20, 0), (-5, 25, 0)], clear=[1, 0, 1])
    found = cars([(0.5, 11, 0.1), (5, 20, 3.0), (9, 9, 0), (-5, 25, 0)], [0.9, 0.8, 0.7, 0.2])
    result = scored(tool, image, found)
    assert (result.cars, result.found, result.wrong) == (3, 2, 1)
    assert (result.clear, result.clear_found) == (2, 1)
    assert result.recall == pytest.approx(2 / 3) and result.precision == pytest.approx(2 / 3)
    assert result.f1 == pytest.approx(2 / 3)
    np.testing.assert_allclose(sorted(result.yaws), [0.1, 3.0])
    line = tool.row('2 m', 0.3, result)
    assert (line['recall'], line['turned round'], line['of clear ones']) == ('0.67', '0.50', '1/2')


def test_a_tenth_of_the_distance(tool):
    image = photograph(tool, [(0, 10, 0), (0, 28, 0)])
    found = cars([(0, 11.5, 0), (0, 25.5, 0)], [0.9, 0.9])
    assert scored(tool, image, found).found == 1  # the near one, 1.5 m off
    assert scored(tool, image, found, '10 %').found == 1  # the far one, 2.5 m off
    assert scored(tool, image, found, '4 m').found == 2
    np.testing.assert_allclose(scored(tool, image, found, '10 %').distances, 25.5 / 28)


def test_a_second_detection_of_a_car_is_wrong(tool):
    found = cars([(0, 10, 0), (0.3, 10, 0)], [0.9, 0.8])
    result = scored(tool, photograph(tool, [(0, 10, 0)]), found)
    assert (result.found, result.wrong) == (1, 1)


def test_what_need_not_be_found_is_not_wrong(tool):
    """Cars beyond the range, vans, and what lies where nobody has labelled."""
    image = photograph(
        tool, [(0, 31, 0), (4, 15, 0)], counts=[1, 0], unlabelled=[(900, 150, 1000, 260)]
    )
    found = cars([(0, 29.5, 0), (4, 15, 0), (10, 20, 0), (0, 45, 0)], [0.9] * 4)
    result = scored(tool, image, found)
    assert (result.cars, result.found, result.wrong) == (0, 0, 0)
    assert np.isnan(result.recall) and result.f1 == 0
    elsewhere = cars([(-10, 20, 0)], [0.9])
    assert scored(tool, image, elsewhere).wrong == 1


def test_the_threshold_with_the_best_f1(tool):
    image = photograph(tool, [(0, 10, 0), (5, 20, 0)])
    found = cars([(0, 10, 0), (5, 20, 0), (9, 9, 0), (-9, 9, 0)], [0.9, 0.6, 0.55, 0.3])
    assert 0.55 < tool.best_threshold([image], [found], 30.0) <= 0.6


def test_nothing_found_has_a_row(tool):
    result = scored(tool, photograph(tool, [(0, 10, 0)]), cars([], []))
    assert tool.row('2 m', 0.3, result)['recall'] == '0.00'


def test_reads_both_benchmarks(tool, tmp_path):
    folder = tmp_path / 'training'
    for name in ('image_2', 'calib', 'label_2'):
        (folder / name).mkdir(parents=True)
    from PIL import Image

    Image.new('RGB', (1242, 375)).save(folder / 'image_2' / '000003.png')
    (folder / 'calib' / '000003.txt').write_text('P2: 721.5 0 609.6 0 0 721.5 172.9 0 0 0 1 0\n')
    (folder / 'label_2' / '000003.txt').write_text(
        'Car 0.00 0 -1.1 450 170 560 240 1.5 1.6 3.9 -2 1.7 20 -1.2\n'
        'Car 0.00 2 -1.1 450 170 560 240 1.5 1.6 3.9 -4 1.7 20 -1.2\n'
        'Van 0.00 1 -1.1 650 160 700 210 2.1 1.9 5.1 3 1.7 35 -1\n'
        'Pedestrian 0.2 1 0.3 700 150 740 260 1.8 0.6 0.9 2 1.6 12 0.5\n'
        'DontCare -1 -1 -10 10 170 60 200 -1 -1 -1 -1000 -1000 -1000 -10\n'
    )
    (image,) = tool.read_photographs(folder)
    assert image.counts.tolist() == [True, True, False]
    assert image.clear.tolist() == [True, False, True]
    np.testing.assert_allclose(image.truth.boxes[0], [3.9, 1.5, 1.6, -2, 0.95, 20, -1.2])
    np.testing.assert_allclose(image.unlabelled, [[10, 170, 60, 200]])
    content = dict(
        images=[dict(id=1, file_name='a.jpg', width=8, height=8, cam_intrinsic=CAM2IMG.tolist())],
        annotations=[
            dict(id=n, image_id=1, category_id=n, bbox=[0, 0, 4, 4], area=16.0,
                 bbox_cam3d=[1.0, 2.0, 9.0, 4.0, 1.5, 1.7, 0.3], center2d=[1.0, 1.0, 9.0])
            for n in (0, 1)
        ],
        categories=[dict(id=0, name='truck'), dict(id=1, name='car')],
    )  # fmt: skip
    path = tmp_path / 'some_mono3d.coco.json'
    path.write_text(json.dumps(content))
    (image,) = tool.read_photographs(path)
    assert image.path == tmp_path / 'a.jpg' and image.counts.tolist() == [True]
    np.testing.assert_allclose(image.truth.boxes[0], [4, 1.5, 1.7, 1, 2, 9, 0.3])
    content['annotations'].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='no annotated car in 1 images'):
        tool.read_photographs(path)
