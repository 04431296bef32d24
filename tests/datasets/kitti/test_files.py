import numpy as np
import pytest

from epropnp_det.datasets.kitti import (
    camera_offset,
    read_objects,
    read_projection,
    write_results,
)


def test_results_come_back_as_they_were_written(kitti_root, tmp_path):
    objects = read_objects(kitti_root / 'training' / 'label_2' / '000000.txt')
    assert list(objects.types) == ['Car', 'Van', 'DontCare', 'Tram']
    assert objects.scores.tolist() == [1, 1, 1, 1]
    found = objects._replace(scores=np.array([0.9, 0.25, 1e-3, 0.5]))
    path = write_results(tmp_path / 'out.txt', found)
    assert all(len(line.split()) == 16 for line in path.read_text().splitlines())
    again = read_objects(path)
    assert list(again.types) == list(found.types)
    for first, second in zip(again[1:], found[1:]):
        np.testing.assert_allclose(first, second, atol=1e-4)


def test_an_image_without_objects_has_an_empty_file(kitti_root, tmp_path):
    empty = read_objects(kitti_root / 'training' / 'label_2' / '000002.txt')
    assert empty.dims.shape == (0, 3)
    assert write_results(tmp_path / 'out.txt', empty).read_text() == ''


@pytest.mark.parametrize('line', ['Car 1 2', 'Car ' + 'x ' * 14, 'Car ' + '1 ' * 16])
def test_other_lines_are_named(line, tmp_path):
    path = tmp_path / 'label.txt'
    path.write_text('Car ' + '1 ' * 14 + f'\n{line}\n')
    with pytest.raises(ValueError, match=r'label\.txt:2 '):
        read_objects(path)


def test_missing_files_and_lines_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no KITTI label'):
        read_objects(tmp_path / 'none.txt')
    with pytest.raises(FileNotFoundError, match='no KITTI calibration'):
        read_projection(tmp_path / 'none.txt')
    (tmp_path / 'calib.txt').write_text('P2: 1 2 3\n')
    with pytest.raises(ValueError, match='12 numbers'):
        read_projection(tmp_path / 'calib.txt')
    with pytest.raises(ValueError, match='no line P3'):
        read_projection(tmp_path / 'calib.txt', 3)


def test_offset_is_that_of_the_projection(kitti_root):
    projection = read_projection(kitti_root / 'training' / 'calib' / '000000.txt')
    point = np.array([1.5, 1.2, 17.0])
    moved = projection[:, :3] @ (point + camera_offset(projection))
    np.testing.assert_allclose(moved, projection @ [*point, 1])
    assert camera_offset(projection)[0] == pytest.approx(0.06, abs=2e-3)
