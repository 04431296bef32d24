"""The plan and the report of the comparison."""

import json

import pytest

from epropnp_det.engine import load_config
from support.scripts import load


@pytest.fixture
def tool(repository):
    return load(repository / 'tools/compare_detectors.py')


def test_both_detectors_train_on_the_same_terms(tool, tmp_path):
    steps = tool.plan(tool.parse_args(['--work-dir', str(tmp_path), '--seeds', '3', '4']))
    names = [step.name for step in steps]
    assert len(set(names)) == len(names) == 4 + 2 * 2 * 2
    ours, theirs = (load_config(tool.localise(tool.parse_args([]), n)) for n in tool.DETECTORS)
    assert ours.model.backbone == theirs.model.backbone and ours.model.neck == theirs.model.neck
    for key in ('optimizer', 'lr_config', 'optimizer_config', 'runner'):
        assert ours[key] == theirs[key]
    for split in ('train', 'test'):
        one, other = (dict(cfg.data[split], pipeline=None) for cfg in (ours, theirs))
        assert one == other


def test_table_has_means_and_spread(tool):
    runs = {'A': [{'NDS': 0.2, 'mAP': 0.1}, {'NDS': 0.4, 'mAP': 0.1}], 'B': [{'NDS': 0.1}]}
    text = tool.table(runs)
    assert '| NDS | 0.300 ± 0.141 | 0.100 |' in text and '| mAP | 0.100 ± 0.000 | - |' in text


def test_report_reads_what_is_finished(tool, tmp_path):
    args = tool.parse_args(['--work-dir', str(tmp_path), '--seeds', '0', '1'])
    folder = tool.run_dir(args, 'FCOS3D', 1) / 'eval'
    folder.mkdir(parents=True)
    (folder / 'metrics.json').write_text(json.dumps({'a_b/NDS': 0.25, 'a_b/x': None}))
    assert tool.read_runs(args) == {'EPro-PnP': [], 'FCOS3D': [{'NDS': 0.25}]}
