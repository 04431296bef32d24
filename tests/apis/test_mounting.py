"""``detect`` with a camera whose mounting is known, by the weights that ship."""

import json
import warnings

import cv2
import numpy as np
import PIL.Image
import pytest
from mmdet3d.datasets import build_dataloader, build_dataset

from epropnp_det.apis import (
    ImageDetections,
    detect,
    detect_samples,
    detect_stream,
    init_detector,
    mounting_for,
    mounting_from_height,
    predict_dataset,
    read_frames,
    uses_mounting,
)
from epropnp_det.apis.inference import network_inputs
from epropnp_det.inputs import InputWarning
from epropnp_det.inputs.notices import forget_notices

CAM2IMG = np.array([[80.0, 0, 48], [0, 80, 32], [0, 0, 1]])
# Noise holds no object, so all the network's guesses are taken.
OPTIONS = {'model.test_cfg.score_thr': 0.0, 'model.test_cfg.max_per_img': 12}


@pytest.fixture(scope='module')
def model():
    return init_detector(device='cpu', options=OPTIONS)


@pytest.fixture(scope='module')
def blind():
    """The same without the ground."""
    return init_detector(device='cpu', options={**OPTIONS, 'model.test_cfg.ground': None})


@pytest.fixture(autouse=True)
def fresh_notices():
    forget_notices()


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)


def planes(model, images, cam2img=CAM2IMG, exif='auto', cam2ego=None):
    """What the network is told of the ground, None where it is not."""
    count = len(images)
    items = network_inputs(model, images, iter([cam2img] * count), exif, iter([cam2ego] * count))
    return [item['img_metas'][0].data.get('ground_plane') for item in items]


def test_the_ground_reaches_the_network_whatever_becomes_of_the_image(model, image):
    expected = [0, np.cos(np.radians(4)) / 1.4, np.sin(np.radians(4)) / 1.4]
    cam2ego = mounting_from_height(1.4, pitch=4)
    (plane,) = planes(model, [image], cam2ego=cam2ego)
    np.testing.assert_allclose(plane, expected, atol=1e-6)
    larger, twice = cv2.resize(image, (192, 128)), np.diag([2.0, 2, 1]) @ CAM2IMG
    (again,) = planes(model, [larger], twice, cam2ego=cam2ego)
    np.testing.assert_array_equal(again, plane)
    assert planes(model, [image]) == [None]


def test_detects_as_the_test_command_does(model, small_data):
    """Bit for bit, with the mounting of the annotation file; by height and pitch nearly."""
    content = json.loads(small_data.read_text())
    tilted = mounting_from_height(1.8, pitch=2.5)
    half = np.radians(2.5) / 2
    pitch, ahead = np.array([np.cos(half), 0, np.sin(half), 0]), [0.5, -0.5, 0.5, -0.5]
    w, _, y, _ = pitch
    a, b, c, d = ahead
    content['images'][1].update(
        cam2ego_rotation=[w * a - y * c, w * b + y * d, w * c + y * a, w * d - y * b],
        cam2ego_translation=[1.0, 0.5, 1.8],
    )
    content['images'] = content['images'][:2]
    content['annotations'] = content['annotations'][:2]
    content['categories'] = [{'id': i, 'name': name} for i, name in enumerate(model.CLASSES)]
    small_data.write_text(json.dumps(content))
    root = str(small_data.parent)
    test = {**model.cfg.data.test, 'data_root': root, 'ann_file': str(small_data)}
    dataset = build_dataset({**test, 'img_prefix': root, 'test_mode': True})
    loader = build_dataloader(dataset, 1, 0, dist=False, shuffle=False)
    frames = read_frames(small_data, root, model.CLASSES)
    for frame, result in zip(frames, predict_dataset(model, loader, progress=False)):
        expected = ImageDetections.from_result(result, model.CLASSES, frame.cam2img, frame.size)
        found = detect(model, frame.path, frame.cam2img, cam2ego=frame.mounting)
        assert len(found) > 3
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.pose_cov, expected.pose_cov)
        without = detect(model, frame.path, frame.cam2img)
        assert len(without) != len(found) or np.abs(without.boxes - found.boxes).max() > 0.01
    simple = detect(model, frames[1].path, frames[1].cam2img, cam2ego=tilted)
    np.testing.assert_allclose(simple.boxes, found.boxes, rtol=1e-3, atol=1e-3)


def test_one_for_all_images_or_one_each(model, image):
    images, cam2ego = [image, image], mounting_from_height(1.2)
    known = detect(model, image, CAM2IMG, cam2ego=cam2ego.tolist())
    unknown = detect(model, image, CAM2IMG)
    assert len(known) != len(unknown) or np.abs(known.boxes - unknown.boxes).max() > 0.01
    mixed = detect_stream(model, iter(images), CAM2IMG, cam2ego=iter([cam2ego, None]))
    for results, expected in (
        (detect(model, images, CAM2IMG, cam2ego=cam2ego), (known, known)),
        (detect(model, images, CAM2IMG, cam2ego=[None, cam2ego]), (unknown, known)),
        (mixed, (known, unknown)),
    ):
        for found, known_as in zip(results, expected):
            np.testing.assert_array_equal(found.boxes, known_as.boxes)


def test_frames_of_an_annotation_file_bring_it_along(model, blind, small_data):
    content = json.loads(small_data.read_text())
    del content['images'][1]['cam2ego_rotation']
    content['images'][2]['cam2ego_translation'] = [0, 0, 0]
    small_data.write_text(json.dumps(content))
    frames = read_frames(small_data, small_data.parent, model.CLASSES)[:3]
    assert [frame.mounting is None for frame in frames] == [False, True, True]
    assert mounting_for(blind, frames[0]) is None
    ((_, found),) = detect_samples(model, [frames[:2]], score_thr=0, batch_size=1)
    for frame, cam2ego, detections in zip(frames, (frames[0].cam2ego, None), found):
        expected = detect(model, frame.path, frame.cam2img, cam2ego=cam2ego, with_samples=True)
        np.testing.assert_array_equal(detections.boxes, expected.boxes)
        np.testing.assert_array_equal(detections.samples, expected.samples)


def test_a_model_without_ground_says_once_that_it_changes_nothing(blind, model, image):
    assert uses_mounting(model) and not uses_mounting(blind)
    plain = detect(blind, image, CAM2IMG)
    with pytest.warns(InputWarning, match='does not use the mounting.*test_cfg.ground') as said:
        found = detect(blind, [image, image], CAM2IMG, cam2ego=mounting_from_height(1.5))
    assert len([w for w in said if w.category is InputWarning]) == 1
    np.testing.assert_array_equal(found[1].boxes, plain.boxes)
    with warnings.catch_warnings():
        warnings.simplefilter('error', InputWarning)
        planes(model, [image], cam2ego=mounting_from_height(1.5))
        planes(blind, [image])


def test_the_cure_that_is_named_is_one(blind, image):
    options = {**OPTIONS, 'model.test_cfg.ground': {}}
    model = init_detector(device='cpu', options=options)
    cam2ego = mounting_from_height(1.2)
    found, plain = (detect(network, image, CAM2IMG, cam2ego=cam2ego) for network in (model, blind))
    assert len(found) != len(plain) or np.abs(found.boxes - plain.boxes).max() > 0.01


def test_a_pipeline_that_drops_the_ground_is_named(image, config):
    small = init_detector(config, None, 'cpu')
    small.bbox_head = type('Head', (), {'test_cfg': {'ground': {}}})()
    with pytest.warns(InputWarning, match="list 'ground_plane' in meta_keys"):
        detect(small, image, CAM2IMG, cam2ego=mounting_from_height(1.5))


def test_files_turn_with_their_mounting(model, image, tmp_path):
    path, file = tmp_path / 'turned.jpg', PIL.Image.fromarray(image)
    exif = file.getexif()
    exif[0x0112] = 6
    file.save(path, exif=exif)
    level, rolled = mounting_from_height(1.5), mounting_from_height(1.5, roll=90)
    for mode, cam2ego in (('ignore', level), ('upright', level), ('apply', rolled)):
        (plane,) = planes(model, [path], CAM2IMG, mode, cam2ego)
        np.testing.assert_allclose(plane, [0, 1 / 1.5, 0], atol=1e-6)
    with pytest.raises(ValueError, match='once EXIF has turned it'):
        detect(model, path, CAM2IMG, exif='apply', cam2ego=level)


@pytest.mark.parametrize(
    ('cam2ego', 'message'),
    [
        (1.5, r'4 x 4 matrix, got 1\.5; mounting_from_height'),
        ([mounting_from_height(1.5)] * 3, '2 images need one cam2ego, or as many.*got 3'),
        ([mounting_from_height(1.5), np.eye(4)], 'metres|0 m above the ground'),
        (mounting_from_height(1.5)[:3], 'got shape'),
        (mounting_from_height(1.5, roll=180), 'upside down'),
    ],
)
def test_bad_mountings_are_named_before_the_work(model, image, cam2ego, message, monkeypatch):
    monkeypatch.setattr(model, 'forward', lambda *args, **kw: pytest.fail('the work began'))
    with pytest.raises(ValueError, match=message) as error:
        detect(model, [image, image], CAM2IMG, cam2ego=cam2ego)
    assert '\n' not in str(error.value)


def test_mountings_that_end_early_are_named(model, image):
    with pytest.raises(ValueError, match='no cam2ego for frame 1: the mountings have ended'):
        list(detect_stream(model, [image, image], CAM2IMG, cam2ego=iter([None])))
