import cv2
import numpy as np
import pytest
import torch
from mmcv.runner import save_checkpoint
from mmdet3d.datasets import build_dataloader, build_dataset
from mmdet3d.models import build_model

from epropnp_det.apis import infer_images, init_detector, load_config, predict_dataset

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
def test_infers_paths_and_arrays(config, checkpoint, small_data, batch_size):
    model = init_detector(config, checkpoint, 'cpu')
    paths = sorted((small_data.parent / 'samples').rglob('*.png'))[:3]
    done = []
    results = infer_images(model, paths, CAM2IMG, batch_size, done.append)
    assert sum(done) == 3 == len(results)
    assert all(float(r['img_bbox']['boxes_3d'].gravity_center[0, 2]) == 7 for r in results)
    arrays = [cv2.imread(str(path)) for path in paths]
    copies = [array.copy() for array in arrays]
    matrices = [CAM2IMG + np.diag([i, i, 0]) for i in range(3)]
    results = infer_images(model, arrays, matrices, batch_size)
    for result, matrix in zip(results, matrices):
        np.testing.assert_allclose(result['meta']['cam2img'][:3, :3], matrix)
    for array, copy in zip(arrays, copies):
        np.testing.assert_array_equal(array, copy)


def test_infers_nothing_from_nothing(config):
    assert infer_images(init_detector(config, None, 'cpu'), [], CAM2IMG) == []


def test_bad_requests_are_named(config, tmp_path):
    model = init_detector(config, None, 'cpu')
    with pytest.raises(FileNotFoundError, match=r'no image .*none\.jpg'):
        infer_images(model, [tmp_path / 'none.jpg'], CAM2IMG)
    with pytest.raises(ValueError, match='2 images need one cam2img'):
        infer_images(model, ['a', 'b'], np.stack([CAM2IMG] * 3))


def test_predicts_a_dataset_in_its_order(config, checkpoint, capsys):
    model = init_detector(config, checkpoint, 'cpu')
    dataset = build_dataset(config.data.test, {'test_mode': True})
    loader = build_dataloader(dataset, 2, 0, dist=False, shuffle=False)
    assert len(predict_dataset(model, loader)) == 6
    assert '6/6' in capsys.readouterr().out
