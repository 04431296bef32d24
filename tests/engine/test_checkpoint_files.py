"""Reading without running code, writing in one step, publishing."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det.checkpoints import publish_checkpoint, read_checkpoint, write_checkpoint

STATE = {'a.weight': torch.arange(6.0).view(2, 3), 'a.bias': torch.zeros(2)}


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


def test_reads_what_a_runner_wrote(tmp_path):
    meta = dict(epoch=3, CLASSES=('car', 'bus'), env_info='x', seed=None, hook_msgs={})
    torch.save(dict(meta=meta, state_dict=STATE, optimizer={'lr': 1.0}), tmp_path / 'a.pth')
    content = read_checkpoint(tmp_path / 'a.pth')
    assert content['meta'] == meta and torch.equal(content['state_dict']['a.bias'], STATE['a.bias'])


def test_reads_a_bare_state(tmp_path):
    torch.save(STATE, tmp_path / 'a.pth')
    content = read_checkpoint(tmp_path / 'a.pth')
    assert set(content['state_dict']) == set(STATE) and content['meta'] == {}


def test_runs_no_code_unless_trusted(tmp_path):
    trace = tmp_path / 'trace'
    torch.save(dict(state_dict=STATE, meta={'x': Bomb(trace)}), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'trust its source.*publish_model.py .*a.pth .*--trust'):
        read_checkpoint(tmp_path / 'a.pth')
    assert not trace.exists()
    read_checkpoint(tmp_path / 'a.pth', trust=True)
    assert trace.exists()


def test_a_trusted_copy_needs_no_trust(tmp_path):
    meta = dict(
        epoch=np.int64(3), CLASSES=('car',), seed=0, nested=dict(x=Path('/'), y=[1, Path('/')])
    )
    torch.save(dict(state_dict=STATE, meta=meta), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='trust'):
        read_checkpoint(tmp_path / 'a.pth')
    copy = publish_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', trust=True)
    content = read_checkpoint(copy)
    assert content['meta'] == dict(CLASSES=('car',), seed=0, nested=dict(y=[1]))
    assert torch.equal(content['state_dict']['a.weight'], STATE['a.weight'])


@pytest.mark.parametrize(
    'content',
    [b'', b'not a checkpoint', pickle.dumps([1, 2]), b'PK\x03\x04 broken zip'],
    ids=['empty', 'text', 'pickle', 'zip'],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'a.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='a.pth'):
        read_checkpoint(path)


@pytest.mark.parametrize('content', [[1, 2], {'state_dict': 3}, {'epoch': 3}])
def test_other_contents_are_refused(tmp_path, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='checkpoint'):
        read_checkpoint(tmp_path / 'a.pth')


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint .*a.pth'):
        read_checkpoint(tmp_path / 'a.pth')


def test_replaces_only_by_force_and_never_halfway(tmp_path):
    path = tmp_path / 'deep' / 'a.pth'
    write_checkpoint({'state_dict': STATE}, path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match='--force'):
        write_checkpoint({'state_dict': {}}, path)
    with pytest.raises(Exception, match='pickle|local object'):  # Python 3.13 says the latter
        write_checkpoint({'state_dict': lambda: 0}, path, force=True)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ['a.pth']
    write_checkpoint({'state_dict': {}}, path, force=True)
    assert path.read_bytes() != before


def test_publishing_drops_the_optimiser_and_names_the_content(tmp_path):
    big = dict(state=torch.zeros(1000))
    torch.save(
        dict(meta=dict(epoch=1, hook_msgs=dict(last_ckpt='here')), state_dict=STATE, optimizer=big),
        tmp_path / 'a.pth',
    )
    written = publish_checkpoint(tmp_path / 'a.pth', tmp_path / 'out' / 'model.pth')
    assert written.name.startswith('model-') and len(written.stem) == len('model-') + 8
    content = read_checkpoint(written)
    assert set(content) == {'meta', 'state_dict'} and content['meta'] == dict(epoch=1)
    assert all(torch.equal(content['state_dict'][name], STATE[name]) for name in STATE)
    again = publish_checkpoint(tmp_path / 'a.pth', tmp_path / 'out' / 'model.pth', force=True)
    assert again == written
    changed = {**STATE, 'a.bias': torch.ones(2)}
    torch.save(dict(state_dict=changed), tmp_path / 'b.pth')
    other = publish_checkpoint(tmp_path / 'b.pth', tmp_path / 'out' / 'model.pth')
    assert other != written
