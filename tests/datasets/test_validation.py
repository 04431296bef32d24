"""A data set of one's own: the short format, its validator, and training on it."""

import json
import math
import runpy
import sys

import cv2
import numpy as np
import pytest
from mmdet3d.datasets import NuScenesMonoDataset

from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.annotations import UNKNOWN_ATTRIBUTE
from epropnp_det.datasets.validation import findings, read_annotated_images, statistics

K = [[600.0, 0, 400], [0, 600.0, 240], [0, 0, 1]]


def own_content():
    """Two classes, two images, nothing but what is needed."""
    boxes = [
        (1, 'tram', [-2.0, 0.4, 14.0, 9.0, 3.2, 2.6, 1.2]),
        (1, 'dog', [1.5, 1.3, 8.0, 0.8, 0.6, 0.3, 0.2]),
        (2, 'dog', [0.5, 1.3, 6.0, 0.9, 0.7, 0.3, -2.0]),
        (2, 'dog', [-1.5, 1.3, 12.0, 0.7, 0.6, 0.3, 0.0]),
        (2, 'tram', [3.0, 0.4, 25.0, 9.4, 3.4, 2.6, 0.0]),
    ]
    ids = {'tram': 7, 'dog': 3}
    return {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'width': 800, 'height': 480, 'cam_intrinsic': K}
            for i in (1, 2)
        ],
        'annotations': [
            {'id': n, 'image_id': image, 'category_id': ids[name], 'bbox_cam3d': box}
            for n, (image, name, box) in enumerate(boxes)
        ],
        'categories': [{'id': 7, 'name': 'tram'}, {'id': 3, 'name': 'dog'}],
    }


@pytest.fixture
def own(tmp_path):
    """Writes the content of such a data set and returns the file."""
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((480, 800, 3), 90, np.uint8))

    def _own(content=None):
        path = tmp_path / 'own.json'
        path.write_text(json.dumps(content or own_content()))
        return path

    return _own


def command(repository, monkeypatch, *arguments):
    script = str(repository / 'tools' / 'validate_dataset.py')
    monkeypatch.setattr(sys, 'argv', [script, *map(str, arguments)])
    runpy.run_path(script, run_name='__main__')


def test_the_data_set_reads_the_short_form(own, tmp_path):
    path = own()
    dataset = NuScenesEProPnPDataset(
        str(tmp_path),
        str(path),
        [{'type': 'LoadImageMono3D'}],
        classes=['dog', 'tram'],
        img_prefix=str(tmp_path),
    )
    truth = dataset.get_ann_info(0)
    assert truth['labels'].tolist() == [1, 0] and truth['attr_labels'].tolist() == [-100, -100]
    center = np.array([-2.0, 0.4, 14.0]) @ np.array(K).T
    np.testing.assert_allclose(truth['centers2d'][0], center[:2] / center[2], rtol=1e-6)
    low, high = truth['bboxes'][0, :2], truth['bboxes'][0, 2:]
    assert (low < truth['centers2d'][0]).all() and (truth['centers2d'][0] < high).all()
    assert dataset[0]['img'].shape == (480, 800, 3)
    with pytest.raises(ValueError, match=r"knows no \['dog', 'tram'\]"):
        dataset.evaluate([])


def test_statistics_are_those_of_the_boxes(own):
    images, classes = read_annotated_images(own())
    assert classes == ['dog', 'tram']
    dog, tram = statistics(images, classes)
    assert (dog.total, tram.total) == (3, 2)
    np.testing.assert_allclose(dog.means, [0.8, 0.6 + 0.1 / 3, 0.3])
    np.testing.assert_allclose(tram.stds, [0.2, 0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(dog.depth, [6, 8, 12])
    absent = statistics(images, ['cat'])[0]
    assert absent.total == 0 and math.isnan(absent.means[0])


def test_the_command_draws_and_completes(own, repository, tmp_path, monkeypatch, capsys):
    out, full = tmp_path / 'out', tmp_path / 'full.json'
    command(repository, monkeypatch, own(), '--out-dir', out, '--complete', full, '--strict')
    said = capsys.readouterr().out
    assert '2 images, 5 annotations' in said and 'nothing suspicious' in said
    pictures = sorted(out.iterdir())
    assert len(pictures) == 2
    picture = cv2.imread(str(pictures[0]))
    assert (np.abs(picture[:, :800].astype(int) - 90).max(axis=2) > 40).sum() > 500  # boxes
    stock = NuScenesMonoDataset(
        str(tmp_path), str(full), [], classes=['dog', 'tram'], box_type_3d='Camera'
    )
    mine, completed = (
        NuScenesEProPnPDataset(str(tmp_path), str(path), [], classes=['dog', 'tram'])
        for path in (own(), full)
    )
    for index in range(2):
        theirs, ours = stock.get_ann_info(index), mine.get_ann_info(index)
        for key in ('bboxes', 'labels', 'centers2d', 'depths'):
            np.testing.assert_allclose(theirs[key], ours[key], rtol=1e-6)
        # What the own file does not say is unknown here; the completed file says "none" to both.
        assert (ours['attr_labels'] == UNKNOWN_ATTRIBUTE).all()
        filled = completed.get_ann_info(index)
        np.testing.assert_array_equal(theirs['attr_labels'], filled['attr_labels'])


def change_all(key, function):
    def change(content):
        for record in content['annotations']:
            record[key] = function(record[key])

    return change


def set_image(**fields):
    return lambda content: [image.update(fields) for image in content['images']]


def give(**fields):
    return lambda content: content['annotations'][0].update(fields)


def swap(box, *order):
    return [box[index] for index in order]


SUSPICIOUS = {
    'intrinsics of another resolution': (
        set_image(cam_intrinsic=[[1200.0, 0, 900], [0, 1200.0, 480], [0, 0, 1]]),
        'is outside the 800 x 480 image',
    ),
    'focal length in millimetres': (
        set_image(cam_intrinsic=[[6.0, 0, 400], [0, 6.0, 240], [0, 0, 1]]),
        'in millimetres',
    ),
    'x forward': (change_all('bbox_cam3d', lambda b: [b[2], -b[0], -b[1], *b[3:]]), 'is z the'),
    'y up': (change_all('bbox_cam3d', lambda b: [b[0], -b[1] - 3, *b[2:]]), 'does y point down'),
    'degrees': (change_all('bbox_cam3d', lambda b: [*b[:6], math.degrees(b[6])]), 'radians'),
    'millimetres': (
        change_all('bbox_cam3d', lambda b: [*(1000 * v for v in b[:6]), b[6]]),
        'dimensions in metres',
    ),
    'centimetres': (
        change_all('bbox_cam3d', lambda b: [b[0] * 100, *b[1:]]),
        'does not show the box',
    ),
    'center2d of another camera': (give(center2d=[10.0, 20.0, 14.0]), 'center2d is not'),
    'dimensions in another order': (give(bbox=[10.0, 10.0, 50.0, 60.0]), 'bbox is not around'),
    'image missing': (set_image(file_name='no.png'), 'no image'),
    'image of another size': (set_image(width=1600, height=960), '800 x 480, but the annotation'),
}


@pytest.mark.parametrize('kind', SUSPICIOUS)
def test_suspicions_are_named(kind, own, tmp_path, repository, monkeypatch, capsys):
    change, message = SUSPICIOUS[kind]
    content = own_content()
    change(content)
    path = own(content)
    images, _ = read_annotated_images(path)
    found = findings(images, tmp_path)
    assert any(message in f'{kind}: {where[0]}' for kind, where in found), found
    with pytest.raises(SystemExit):
        command(repository, monkeypatch, path, '--strict')
    assert message in capsys.readouterr().out


def test_real_files_are_not_suspicious(keyframe_root, keyframe_json, mini_val_json):
    images, _ = read_annotated_images(keyframe_json)
    assert not findings(images, keyframe_root)
    images, _ = read_annotated_images(mini_val_json)
    kinds = {finding.kind: len(finding.where) for finding in findings(images, None)}
    assert sum(kinds.values()) < 0.02 * 5441, kinds


def test_unsound_files_end_the_command(own, repository, monkeypatch, tmp_path):
    content = own_content()
    del content['annotations'][1]['bbox_cam3d']
    with pytest.raises(SystemExit, match='error: .*annotation 1 lacks bbox_cam3d'):
        command(repository, monkeypatch, own(content))
    with pytest.raises(SystemExit, match='no annotation file'):
        command(repository, monkeypatch, tmp_path / 'no.json')
