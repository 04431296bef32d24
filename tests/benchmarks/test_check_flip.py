"""The command line of check_flip.py, with untrained weights on six small images."""

import json
import re
import sys

import pytest
from mmcv import Config
from mmcv.runner import save_checkpoint

from epropnp_det.engine.config import with_data_root
from support.scripts import load
from support.small_detector import small_data  # noqa: F401
from support.untrained import untrained_detector


@pytest.fixture
def tool(repository):
    return load(repository / 'benchmarks' / 'check_flip.py')


@pytest.fixture
def folder(repository, small_data, tmp_path):  # noqa: F811
    """Holds a config, a checkpoint of the small network, and the data."""
    path = repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py'
    cfg = with_data_root(Config.fromfile(str(path)), small_data.parent)
    content = json.loads(small_data.read_text())
    content['categories'] = [dict(id=i, name=name) for i, name in enumerate(cfg.class_names)]
    small_data.write_text(json.dumps(content))
    cfg.data.test.ann_file = str(small_data)
    cfg.data.test.pipeline[1].transforms[1].top = 0
    cfg.model.test_cfg.update(score_thr=0.01, max_per_img=10, fast_mode=False)
    (tmp_path / 'config.json').write_text(json.dumps(cfg._cfg_dict.to_dict()))
    save_checkpoint(untrained_detector(cfg), str(tmp_path / 'model.pth'))
    return tmp_path


def test_prints_all_comparisons(tool, folder, monkeypatch, capsys):
    arguments = [folder / 'config.json', folder / 'model.pth', '--limit', 2, '--device', 'cpu']
    arguments += ['--score-thr', 0.01, '--max-distance', 1000]
    monkeypatch.setattr(sys, 'argv', ['check_flip', *map(str, arguments)])
    tool.main()
    out = capsys.readouterr().out
    rows = [re.search(re.escape(name) + r'.*', out).group() for name in tool.COMPARISONS]
    cells = [[cell.strip() for cell in row.split('|')] for row in rows]
    one, conventions, both = ([int(row[1]), float(row[3].rstrip(' %'))] for row in cells)
    assert one[0] > 0 and 'rad' in rows[0]
    # The mirrored network finds the same, and the flip tests have the same candidates.
    assert conventions[0] > 0 and conventions[1] >= 95
    # Which of several optima an untrained network's points give is up to the random subsets.
    assert both[0] > 0 and both[1] >= 50

    monkeypatch.setattr(sys, 'argv', ['check_flip', str(folder / 'config.json'), 'no.pth'])
    with pytest.raises(SystemExit, match='no checkpoint no.pth'):
        tool.main()
