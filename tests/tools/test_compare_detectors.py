"""The plan and the report of the comparison."""

import json

import pytest

from epropnp_det.engine import load_config
from support.scripts import load


@pytest.fixture
def tool(repository):
    return load(repository / 'tools/compare_detectors.py')


@pytest.mark.parametrize('name', ['EPro-PnP', 'EPro-PnP, branches'])
@pytest.mark.parametrize('peer', ['FCOS3D', 'PGD'])
def test_detectors_train_on_the_same_terms(tool, tmp_path, name, peer):
    args = tool.parse_args(['--work-dir', str(tmp_path)])
    ours, theirs = (load_config(tool.localise(args, one)) for one in (name, peer))
    assert ours.model.backbone == theirs.model.backbone and ours.model.neck == theirs.model.neck
    for key in ('optimizer', 'lr_config', 'optimizer_config', 'runner'):
        assert ours[key] == theirs[key]
    for split in ('train', 'test'):
        one, other = (dict(cfg.data[split], pipeline=None) for cfg in (ours, theirs))
        assert one == other


@pytest.fixture
def chains(tool, monkeypatch):
    """Which chains run, in turn: their states, and the commands without the interpreter."""
    done = []

    class Chain:
        def __init__(self, state):
            self.state = state

        def run(self, steps):
            done.append((self.state, steps))

    monkeypatch.setattr(tool, 'StepChain', Chain)
    return done


def test_every_run_has_a_state_of_its_own(tool, tmp_path, chains):
    """Two commands, one for each detector, write into different files."""
    work = ['--work-dir', str(tmp_path)]
    tool.run_all(tool.parse_args([*work, '--seeds', '3', '4', '--detectors', 'EPro-PnP', 'FCOS3D']))
    tool.run_all(tool.parse_args([*work, '--seeds', '3', '--detectors', 'FCOS3D']))
    states = [state.relative_to(tmp_path).as_posix() for state, _ in chains]
    ours, theirs = 'steps/epropnp_det_small_seed{}.json', 'steps/fcos3d_small_seed{}.json'
    both = [name.format(seed) for seed in (3, 4) for name in (ours, theirs)]
    assert states == ['steps.json', *both, 'steps.json', theirs.format(3)]
    (_, shared), (_, first) = chains[:2]
    names = ['data train', 'prepare train', 'data val', 'prepare val', 'backbone']
    assert [step.name for step in shared] == names
    assert [step.name for step in first] == ['train', 'test']
    assert all('3' in step.command[step.command.index('--seed') :] for step in first)


@pytest.mark.parametrize('option', ['--iters', '--batch', '--data-seed', '--train-scenes'])
def test_a_run_on_other_terms_is_another_run(tool, tmp_path, option):
    work = ['--work-dir', str(tmp_path)]
    marks = {
        step.fingerprint
        for more in ([], [option, '11'], [option, '12'])
        for step in tool.run_steps(tool.parse_args([*work, *more]), 'FCOS3D', 0)
    }
    assert len(marks) == 3


def test_a_large_batch_has_the_loaders_that_it_needs(tool, tmp_path):
    args = tool.parse_args(['--work-dir', str(tmp_path), '--batch', '65'])
    for name in tool.DETECTORS:
        data = load_config(tool.localise(args, name)).data
        assert data.samples_per_gpu == 65 and data.workers_per_gpu == 3


def test_table_has_means_and_spread(tool):
    runs = {'A': [{'NDS': 0.2, 'mAP': 0.1}, {'NDS': 0.4, 'mAP': 0.1}], 'B': [{'NDS': 0.1}]}
    text = tool.table(runs)
    assert text.startswith('| | A (2 seeds) | B (1 seed) |')
    assert '| NDS | 0.300 ± 0.141 | 0.100 |' in text and '| mAP | 0.100 ± 0.000 | - |' in text


def test_report_reads_what_is_finished(tool, tmp_path):
    args = tool.parse_args(['--work-dir', str(tmp_path), '--seeds', '0', '1'])
    folder = tool.run_dir(args, 'FCOS3D', 1) / 'eval'
    folder.mkdir(parents=True)
    (folder / 'metrics.json').write_text(json.dumps({'a_b/NDS': 0.25, 'a_b/x': None}))
    assert tool.read_runs(args) == {'FCOS3D': [{'NDS': 0.25}]}
