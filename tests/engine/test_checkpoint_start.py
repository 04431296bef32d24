"""What a run can start from, and what of a checkpoint is a hook's."""

import pytest
import torch
from torch import nn

from epropnp_det.engine.checkpoint_files import publish_checkpoint, read_checkpoint
from epropnp_det.engine.checkpoint_loading import check_start, load_weights

CLASSES = ('car', 'pedestrian')


def network():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 2, 1)))
    model.CLASSES = CLASSES
    return model


def with_averages(model, buffers):
    """The state as mmcv's (parameters) and mmdet's (buffers, too) hooks leave it."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    names = state if buffers else dict(model.named_parameters())
    copies = {f'ema_{name.replace(".", "_")}': torch.zeros_like(state[name]) for name in names}
    return {**state, **copies}


def save(path, state, meta=None, **rest):
    torch.save({'state_dict': state, **({} if meta is None else {'meta': meta}), **rest}, path)
    return path


META = {'epoch': 2, 'iter': 40, 'CLASSES': CLASSES}


@pytest.mark.parametrize('buffers', [False, True])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_checkpoints_of_averaging_hooks_load_and_publish(buffers, prefix, tmp_path):
    trained, model = network(), network()
    state = {prefix + name: value for name, value in with_averages(trained, buffers).items()}
    path = save(tmp_path / 'a.pth', state, META, optimizer={})
    assert load_weights(model, path)['epoch'] == 2
    for name, value in model.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name])
    assert check_start(network(), path, resume=True) is None


def test_published_copies_hold_the_weights_once(tmp_path):
    model = network()
    path = save(tmp_path / 'a.pth', with_averages(model, True), META, optimizer={})
    published = publish_checkpoint(path, tmp_path / 'copy.pth')
    assert set(read_checkpoint(published)['state_dict']) == set(model.state_dict())
    load_weights(network(), published)


def test_names_that_only_look_like_copies_stay(tmp_path):
    model = nn.Module()
    model.ema_scale = nn.Parameter(torch.ones(1))
    path = save(tmp_path / 'a.pth', model.state_dict(), META)
    load_weights(model, path)


@pytest.mark.parametrize('meta', [None, {}, {'CLASSES': CLASSES}, {'epoch': 2}, {'iter': 3}])
def test_nothing_to_go_on_from_is_named_with_the_way_to_start(meta, tmp_path):
    path = save(tmp_path / 'a.pth', network().state_dict(), meta)
    with pytest.raises(ValueError, match='not where a run stopped.*--load-from .*a.pth') as error:
        check_start(network(), path, resume=True)
    assert '\n' not in str(error.value)
    assert check_start(network(), path) is None


def test_a_bare_state_is_something_to_start_from(tmp_path):
    torch.save(network().state_dict(), tmp_path / 'a.pth')
    assert check_start(network(), tmp_path / 'a.pth') is None
    with pytest.raises(ValueError, match='--load-from'):
        check_start(network(), tmp_path / 'a.pth', resume=True)


def test_a_missing_optimiser_is_said(tmp_path):
    path = save(tmp_path / 'a.pth', network().state_dict(), META)
    assert 'no optimiser state' in check_start(network(), path, resume=True)
    assert check_start(network(), path) is None
    whole = save(tmp_path / 'b.pth', network().state_dict(), META, optimizer={})
    assert check_start(network(), whole, resume=True) is None


def test_other_classes_end_a_resumed_run_and_are_said_of_a_new_one(tmp_path):
    meta = {**META, 'CLASSES': CLASSES[::-1]}
    path = save(tmp_path / 'a.pth', network().state_dict(), meta, optimizer={})
    with pytest.raises(ValueError, match='same order: pedestrian, car and car, pedestrian'):
        check_start(network(), path, resume=True)
    assert 'same order' in check_start(network(), path)
