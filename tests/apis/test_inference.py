import itertools

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from mmcv.runner import save_checkpoint
from mmdet3d.datasets import build_dataloader, build_dataset
from mmdet3d.models import build_model

import epropnp_det
from epropnp_det.apis import (
    ImageDetections,
    detect,
    detect_stream,
    init_detector,
    load_config,
    plain_config,
    predict_dataset,
)
from epropnp_det.engine import publish_checkpoint

CAM2IMG = np.array([[90.0, 0, 50], [0, 90, 30], [0, 0, 1]])


@pytest.fixture
def checkpoint(config, tmp_path):
    model = build_model(config.model)
    torch.nn.init.constant_(model.depth, 7.0)
    path = tmp_path / 'model.pth'
    save_checkpoint(model, str(path), meta={'CLASSES': ('car', 'other')})
    return path


def test_loads_weights_and_class_names(config, checkpoint):
    model = init_detector(config, checkpoint, 'cpu')
    assert model.depth.item() == 7
    assert model.CLASSES == ('car', 'other')
    assert not model.training
    assert config.class_names == init_detector(config, None, 'cpu').CLASSES


def test_loads_a_config_file_with_options(config, tmp_path):
    path = tmp_path / 'config.py'
    config.dump(str(path))
    model = init_detector(path, None, 'cpu', options={'model.width': 3})
    assert model.depth.shape == (3,)
    assert 'width' not in load_config(path).model


def test_refuses_a_checkpoint_of_another_model(config, checkpoint, tmp_path):
    torch.save({'state_dict': {'weight': torch.ones(1)}}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'another model: 1 missing \(depth\); 1 unexpected'):
        init_detector(config, tmp_path / 'other.pth', 'cpu')
    with pytest.raises(ValueError, match=r'of another shape \(depth \(1,\) instead of \(2,\)\)'):
        init_detector(config, checkpoint, 'cpu', options={'model.width': 2})


def test_names_missing_and_broken_files(config, tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint'):
        init_detector(config, tmp_path / 'none.pth', 'cpu')
    with pytest.raises(FileNotFoundError, match='no config'):
        init_detector(tmp_path / 'none.py', None, 'cpu')
    (tmp_path / 'broken.pth').write_bytes(b'not a checkpoint')
    with pytest.raises(ValueError, match='not a checkpoint'):
        init_detector(config, tmp_path / 'broken.pth', 'cpu')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='not a checkpoint'):
        init_detector(config, tmp_path / 'list.pth', 'cpu')


@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_detects_in_paths_and_arrays(config, checkpoint, small_data, batch_size):
    model = init_detector(config, checkpoint, 'cpu')
    paths = sorted((small_data.parent / 'samples').rglob('*.png'))[:3]
    done = []
    found = detect(model, paths, CAM2IMG, batch_size, on_progress=done.append)
    assert sum(done) == 3 == len(found)
    assert all(detections.boxes[0, 5] == 7 for detections in found)
    arrays = [cv2.imread(str(path)) for path in paths]
    copies = [array.copy() for array in arrays]
    matrices = [CAM2IMG + np.diag([i, i, 0]) for i in range(3)]
    for detections, matrix in zip(detect(model, arrays, matrices, batch_size), matrices):
        np.testing.assert_allclose(detections.cam2img, matrix)
        assert detections.image_size == (96, 64)
    for array, copy in zip(arrays, copies):
        np.testing.assert_array_equal(array, copy)


def test_one_image_gives_one_result(config, checkpoint, small_data):
    model = init_detector(config, checkpoint, 'cpu')
    path = next((small_data.parent / 'samples').rglob('*.png'))
    for image in (path, str(path), cv2.imread(str(path))):
        found = detect(model, image, CAM2IMG.tolist())
        assert isinstance(found, ImageDetections) and len(found) == 1
    assert len(detect(model, path, CAM2IMG, score_thr=0.95)) == 0


def test_images_of_one_size_share_a_pass_and_keep_their_order(config, checkpoint, monkeypatch):
    model = init_detector(config, checkpoint, 'cpu')
    passes = []
    monkeypatch.setattr(
        model, 'forward', lambda img, **kw: passes.append(len(img[0])) or forward(img, **kw)
    )
    forward = type(model).forward.__get__(model)
    rng = np.random.default_rng(0)
    heights = [64, 64, 64, 32, 32, 64]
    images = [rng.integers(0, 255, (height, 96, 3), dtype=np.uint8) for height in heights]
    found = detect(model, images, CAM2IMG, batch_size=2)
    assert passes == [2, 1, 2, 1]
    assert [detections.image_size[1] for detections in found] == heights


def test_a_stream_holds_one_batch_at_a_time(config, checkpoint):
    model = init_detector(config, checkpoint, 'cpu')
    drawn = []

    def frames():
        for index in itertools.count():
            drawn.append(index)
            yield np.zeros((64, 96, 3), dtype=np.uint8)

    stream = detect_stream(model, frames(), CAM2IMG, batch_size=4)
    assert drawn == []
    found = [next(stream) for _ in range(6)]
    assert len(found) == 6 and len(drawn) <= 9


def test_detects_nothing_in_nothing(config):
    assert detect(init_detector(config, None, 'cpu'), [], CAM2IMG) == []


def test_bad_requests_are_named(config, tmp_path):
    model = init_detector(config, None, 'cpu')
    image = np.zeros((64, 96, 3), dtype=np.uint8)
    with pytest.raises(FileNotFoundError, match=r'no image .*none\.jpg'):
        detect(model, [image, tmp_path / 'none.jpg'], CAM2IMG)
    with pytest.raises(ValueError, match='2 images need one cam2img'):
        detect(model, ['a', 'b'], np.stack([CAM2IMG] * 3))
    with pytest.raises(ValueError, match='no cam2img for frame 1'):
        list(detect_stream(model, [image, image], iter([CAM2IMG])))
    with pytest.raises(ValueError, match='image'):
        detect(model, image[..., 0], CAM2IMG)


def test_images_are_compared_with_their_intrinsics(config, tmp_path):
    """Before the first one is detected in."""
    model = init_detector(config, None, 'cpu')
    image = np.zeros((64, 96, 3), dtype=np.uint8)
    twice = np.diag([2, 2, 1]) @ CAM2IMG + [[0, 0, 2], [0, 0, 2], [0, 0, 0]]
    with pytest.raises(ValueError, match='--intrinsics-size'):
        detect(model, [image, image], [CAM2IMG, twice])
    path = tmp_path / 'turned.jpg'
    file = PIL.Image.fromarray(image)
    exif = file.getexif()
    exif[0x0112] = 6
    file.save(path, exif=exif)
    off_center = CAM2IMG + [[0, 0, -16], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match='EXIF orientation 6.*exif=apply'):
        detect(model, [image, path], [CAM2IMG, off_center])
    found = detect(model, path, off_center, exif='apply')
    assert found.image_size == (64, 96) and found.cam2img[1, 2] == off_center[0, 2]


def test_a_checkpoint_can_carry_its_config(config, checkpoint, tmp_path):
    with pytest.raises(ValueError, match='carries no config.*--config'):
        init_detector(checkpoint=checkpoint, device='cpu')
    alone = publish_checkpoint(checkpoint, tmp_path / 'alone.pth', config=plain_config(config))
    model = init_detector(checkpoint=alone, device='cpu')
    assert model.cfg.data == config.data and model.cfg.runner == config.runner
    assert float(model.depth) == 7


def test_the_api_is_found_in_the_package(config):
    assert epropnp_det.init_detector is init_detector and epropnp_det.detect is detect


def test_predicts_a_dataset_in_its_order(config, checkpoint, capsys):
    model = init_detector(config, checkpoint, 'cpu')
    dataset = build_dataset(config.data.test, {'test_mode': True})
    loader = build_dataloader(dataset, 2, 0, dist=False, shuffle=False)
    assert len(predict_dataset(model, loader)) == 6
    assert '6/6' in capsys.readouterr().err
