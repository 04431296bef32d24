"""Which objects compare_answers.py asks for, and how it judges and compares the answers."""

import json
import pickle

import compare_answers
import numpy as np
import pytest
import torch
from ablation_study.answers import LOST, Answers
from compare_answers import (
    DETECTORS,
    Objects,
    asked,
    compare,
    finished,
    groups,
    headings,
    table,
    without_front,
)
from mmdet3d.core.bbox import CameraInstance3DBoxes

CAM2IMG = [[300.0, 0, 200], [0, 300.0, 100], [0, 0, 1]]
CATEGORIES = [{'id': 0, 'name': 'car'}, {'id': 8, 'name': 'traffic_cone'}]


def annotation(image, x=0.0, z=20.0, category=0, visibility=4):
    box = [x, 0.5, z, 4.5, 1.7, 2.0, 0.3]
    u = 200 + 300 * x / z
    return {
        'id': f'{image} {x} {z} {category}',
        'image_id': image,
        'category_id': category,
        'bbox_cam3d': box,
        'bbox': [u - 30, 90.0, 60.0, 30.0],
        'visibility': visibility,
    }


def content(*annotations):
    size = {'width': 400, 'height': 200, 'cam_intrinsic': CAM2IMG}
    images = [{'id': name, 'file_name': f'{name}.jpg', **size} for name in 'ab']
    return {'images': images, 'annotations': list(annotations), 'categories': CATEGORIES}


def detections(*boxes):
    tensor = torch.tensor([[*box, 0.0, 0.0] for box in boxes]).reshape(-1, 9)
    return {
        'boxes_3d': CameraInstance3DBoxes(tensor, box_dim=9, origin=(0.5, 0.5, 0.5)),
        'scores_3d': torch.full((len(boxes),), 0.5),
    }


def test_objects_beyond_the_range_of_their_class_are_not_asked_for():
    far_cone, far_car = annotation('a', z=35.0, category=8), annotation('a', z=35.0)
    near_cone, lost_car = annotation('b', category=8, visibility=1), annotation('b', z=55.0)
    pairs, objects = asked(content(far_cone, far_car, near_cone, lost_car))
    assert pairs == [(0, far_car), (1, near_cone)]
    assert objects.classes.tolist() == ['car', 'traffic_cone']
    assert objects.visibility.tolist() == [4, 1] and objects.distance[0] == pytest.approx(35, 1e-3)


@pytest.mark.parametrize('annotations', [(), (annotation('a', z=900.0),)])
def test_nothing_to_ask_for_is_named(annotations):
    message = f'none of {len(annotations)} annotations .*compare_detectors.py --test-scenes'
    with pytest.raises(ValueError, match=message):
        asked(content(*annotations))


def test_each_object_is_answered_by_its_own_image(tmp_path):
    one, other = annotation('a'), annotation('b', x=4.0)
    first, second = one['bbox_cam3d'], other['bbox_cam3d']
    runs = {
        'EPro-PnP': [detections(first, second), detections(first)],
        'FCOS3D': [detections(first), detections(first, second)],
    }
    files = {name: [tmp_path / f'{name}.pkl'] for name in runs}
    for name, found in runs.items():
        save(*files[name], found)
    text = compare(files, content(one, other))
    row = next(line for line in text.splitlines() if line.startswith('| cars'))
    right = [cell.partition(' ')[0] for cell in row.split(' | ')[-3:]]
    assert right == ['50', '100', '-50']  # ours sees the second car in the first image only
    yaws = [cell.partition(' ')[0] for cell in row.split(' | ')[2:4]]
    assert yaws == [f'{LOST / 2:.1f}', '0.0']


def test_the_file_holds_answers_and_costs(tmp_path, monkeypatch, capsys):
    prepare(tmp_path, monkeypatch, content(annotation('a'), annotation('b')))
    compare_answers.main()
    text = (tmp_path / 'answers.md').read_text()
    assert '| all but cones | 2 |' in text and text.endswith('\nwhat both cost\n')
    assert text in capsys.readouterr().out


def test_the_answers_stay_where_the_costs_cannot_be_measured(tmp_path, monkeypatch):
    prepare(tmp_path, monkeypatch, content(annotation('a'), annotation('b')))

    def fail(trained, repeats):
        raise FileNotFoundError('latest.pth')

    monkeypatch.setattr(compare_answers, 'costs', fail)
    with pytest.raises(SystemExit, match='error: latest.pth'):
        compare_answers.main()
    assert '| all but cones | 2 |' in (tmp_path / 'answers.md').read_text()


def test_each_of_ours_is_compared_with_each_peer(tmp_path):
    names = ('EPro-PnP', 'EPro-PnP, branches', 'FCOS3D', 'PGD')
    files = {name: [tmp_path / f'{name}.pkl'] for name in names}
    one = annotation('a')
    for (file,) in files.values():
        save(file, [detections(one['bbox_cam3d'])] * 2)
    text = compare(files, content(one, annotation('b')))
    heads = [line.split(' | ')[2:4] for line in text.splitlines() if line.startswith('| objects')]
    pairs = [[cell.rpartition(': ')[2] for cell in head] for head in heads]
    assert pairs == [[ours, peer] for ours in names[:2] for peer in names[2:]]


def test_headings_are_compared_of_what_both_place():
    classes = np.array(['car', 'car', 'car', 'bus', 'traffic_cone'])
    objects = Objects(classes, np.full(5, 20.0), np.full(5, 4))

    def answers(position, yaw):
        return Answers(np.array(position), np.ones(5), np.array(yaw), np.zeros(5))

    ours = [answers([0.1, 0.2, 0.1, 0.1, 0.1], [4, 120, 9, 5, 5]), answers([0.1] * 5, [1] * 5)]
    peer = [answers([0.1, 0.1, 0.3, 0.4, 0.1], [6, 8, 9, 5, 5]), answers([0.3] * 5, [2] * 5)]
    rows = headings({'ours': ours, 'peer': peer}, objects).splitlines()[2:]
    # Two cars of the first runs, none of the second ones; no bus, and cones have no heading.
    assert rows == ['| car | 1 | 62.0 | 7.0 | 62.0 | 7.0 | 50 | 0 |']


def test_a_test_without_annotations_ends_in_one_line(tmp_path, monkeypatch):
    prepare(tmp_path, monkeypatch, content())
    with pytest.raises(SystemExit, match='error: none of 0 annotations'):
        compare_answers.main()
    (tmp_path / 'test.json').write_text('[]')
    with pytest.raises(SystemExit, match='error: .*test.json holds a json list'):
        compare_answers.main()


def prepare(work, monkeypatch, everything):
    """A folder of the proof in which two detectors are tested."""
    names = ('EPro-PnP', 'FCOS3D')
    make_runs(work, names)
    for file in work.glob('*/eval/results.pkl'):
        save(file, [detections(annotation('a')['bbox_cam3d'])] * 2)
    (work / 'test.json').write_text(json.dumps(everything))
    for name in names:
        config = f'data = dict(test=dict(ann_file={str(work / "test.json")!r}))'
        (work / f'{DETECTORS[name]}.py').write_text(config)
    monkeypatch.setattr(compare_answers, 'costs', lambda trained, repeats: 'what both cost\n')
    monkeypatch.setattr('sys.argv', ['compare_answers.py', '--work-dir', str(work)])


def save(file, found):
    file.write_bytes(pickle.dumps([{'img_bbox': one} for one in found]))


def answers(yaw, position):
    values = np.full(len(yaw), 0.1)
    return Answers(np.array(position, float), values, np.array(yaw, float), values)


def test_a_barrier_has_no_front_and_a_lost_one_stays_lost():
    objects = Objects(np.array(['barrier', 'car', 'barrier']), np.ones(3), np.ones(3))
    judged = without_front(answers([179, 179, 180], [0.1, 0.1, np.inf]), objects)
    assert judged.yaw.tolist() == [1, 179, 180]


def test_groups_divide_the_objects():
    objects = Objects(
        np.array(['car', 'bus', 'bicycle', 'pedestrian', 'barrier', 'traffic_cone']),
        np.array([10.0, 20, 40, 14, 16, 5]),
        np.array([1, 2, 3, 4, 4, 4]),
    )
    counts = {title: int(chosen.sum()) for title, chosen in groups(objects).items()}
    assert counts.pop('all but cones') == 5
    by_distance = [counts.pop(title) for title in list(counts) if title.endswith(' m')]
    by_visibility = [counts.pop(title) for title in list(counts) if 'visible' in title]
    assert by_distance == [2, 2, 1] and by_visibility == [2, 1, 2]
    assert set(counts.values()) == {1} and sum(counts.values()) == 5


def test_the_difference_is_of_the_same_objects():
    objects = Objects(np.full(40, 'car'), np.full(40, 10.0), np.full(40, 4))
    yaws = np.linspace(1, 80, 40)
    positions = np.full(40, 0.05)
    text = table({'A': [answers(yaws - 1, positions)], 'B': [answers(yaws, positions)]}, objects)
    assert '| cars | 40 |' in text and 'larger vehicles' not in text
    row = next(line for line in text.splitlines() if line.startswith('| cars'))
    assert row.split(' | ')[4] == '-1.0 (-1.0 to -1.0)'


@pytest.mark.parametrize('there', [(), ('FCOS3D', 'PGD'), ('EPro-PnP', 'EPro-PnP, branches')])
def test_what_lacks_is_named(tmp_path, there):
    make_runs(tmp_path, there)
    with pytest.raises(
        FileNotFoundError, match='no tested runs of EPro-PnP and of a peer .*make proof'
    ):
        finished(tmp_path)


def test_two_detectors_are_enough(tmp_path):
    make_runs(tmp_path, ('EPro-PnP, branches', 'FCOS3D'))
    found = finished(tmp_path)
    assert list(found) == ['EPro-PnP, branches', 'FCOS3D']
    assert [len(files) for files in found.values()] == [2, 2]


def make_runs(work, names):
    for folder in (f'{DETECTORS[name]}_seed{seed}' for name in names for seed in (0, 7)):
        (work / folder / 'eval').mkdir(parents=True)
        (work / folder / 'eval' / 'results.pkl').touch()
