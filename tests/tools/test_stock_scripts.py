"""mmdet3d's own scripts, unchanged, with our configs; on a CPU all but ``model.cuda()`` runs."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import mmdet3d
import pytest
import torch
from mmdet3d.datasets import NuScenesMonoDataset

from support.engine_runs import reserved_port
from support.limits import CHILD_SECONDS
from support.small_detector import config, small_data  # noqa: F401

SCRIPTS = Path(mmdet3d.__file__).parent / '.mim' / 'tools'


@pytest.fixture
def stock(monkeypatch, config, tmp_path):  # noqa: F811
    """Runs a stock script on the small detector."""
    if not SCRIPTS.is_dir():
        pytest.skip('this mmdet3d ships no scripts')
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    monkeypatch.setattr(
        NuScenesMonoDataset, 'evaluate', lambda self, results, **_: {'n': len(results)}
    )
    if not torch.cuda.is_available():
        monkeypatch.setattr(torch.nn.Module, 'cuda', lambda self, device=None: self)
    config.merge_from_dict({'load_from': None, 'resume_from': None, 'dist_params.backend': 'nccl'})
    path = tmp_path / 'config.py'

    def run(script, *arguments, **changes):
        config.merge_from_dict(changes)
        config.dump(str(path))
        words = [script, str(path), *map(str, arguments)]
        monkeypatch.setattr(sys, 'argv', words)
        runpy.run_path(str(SCRIPTS / script), run_name='__main__')

    return run


def test_stock_training_has_our_runner_and_goes_on_exactly(stock, tmp_path):
    """The runner, the safe step and the exact resumption come from the config alone."""
    whole, part = tmp_path / 'whole', tmp_path / 'part'
    stock('train.py', '--work-dir', whole, '--seed', 0, '--no-validate')
    saved = torch.load(whole / 'latest.pth')
    assert {'batches_done', 'bad_steps', 'seed'} <= set(saved['meta'])
    # 6 images in batches of 2, 2 epochs: 6 steps of SGD with lr 0.1 and gradient -1
    assert saved['state_dict']['depth'].item() == pytest.approx(5.6)
    stock('train.py', '--work-dir', part, '--seed', 0, '--no-validate', **{'runner.max_epochs': 1})
    arguments = ('--work-dir', part, '--seed', 0, '--no-validate', '--auto-resume')
    stock('train.py', *arguments, **{'runner.max_epochs': 2, 'checkpoint_config.interval': 1})
    again = torch.load(part / 'latest.pth')
    assert torch.equal(again['state_dict']['depth'], saved['state_dict']['depth'])
    assert again['meta']['iter'] == saved['meta']['iter'] == 6


SRUN = """#!/usr/bin/env bash
# stands in for srun: one task, on this machine
while [[ $1 == -* ]]; do [[ $1 == -p ]] && shift; shift; done
export SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_LOCALID=0 MASTER_ADDR=127.0.0.1 MASTER_PORT={port}
exec "$@"
"""


def test_slurm_script_starts_our_training(config, repository, tmp_path):  # noqa: F811
    """It runs tools/train.py of the folder it is called from, as a process group of one."""
    if not SCRIPTS.is_dir():
        pytest.skip('this mmdet3d ships no scripts')
    (tmp_path / 'bin').mkdir()
    config.merge_from_dict({'load_from': None, 'resume_from': None, 'dist_params.backend': 'nccl'})
    config.custom_imports.imports.append('support.small_detector')
    config.dump(str(tmp_path / 'config.py'))
    paths = [repository / 'projects', repository / 'tests']
    environment = {
        **os.environ,
        'PATH': f'{tmp_path}/bin:{Path(sys.executable).parent}:{os.environ["PATH"]}',
        'PYTHONPATH': os.pathsep.join(map(str, paths)),
    }
    words = ['part', 'job', tmp_path / 'config.py', tmp_path / 'run', '--device', 'cpu']
    with reserved_port() as port:
        (tmp_path / 'bin/srun').write_text(SRUN.format(port=port))
        (tmp_path / 'bin/srun').chmod(0o755)
        done = subprocess.run(
            ['bash', SCRIPTS / 'slurm_train.sh', *words, '--seed', '0', '--no-validate'],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            timeout=CHILD_SECONDS,
        )
    assert done.returncode == 0, done.stderr
    saved = torch.load(tmp_path / 'run' / 'latest.pth')
    assert saved['state_dict']['depth'].item() == pytest.approx(5.6)


def test_stock_script_validates_and_tests(stock, tmp_path):
    stock('train.py', '--work-dir', tmp_path / 'work', '--seed', 0, **{'evaluation.interval': 1})
    log = next((tmp_path / 'work').glob('*.log.json')).read_text().splitlines()
    assert [json.loads(line)['n'] for line in log if '"n"' in line] == [6, 6]
    out = tmp_path / 'out.pkl'
    stock('test.py', tmp_path / 'work' / 'latest.pth', '--out', out, '--eval', 'bbox')
    assert out.exists()
