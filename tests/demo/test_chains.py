"""The plans of the two demos, and the scripts that they are made of."""

import importlib.util
import json
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.datasets import NuScenesMonoDataset

from epropnp_det.engine import plain_config
from support.limits import CHILD_SECONDS

HAS_RERUN = importlib.util.find_spec('rerun') is not None


@pytest.fixture
def demo(script):
    return script('demo/run_demo.py')


@pytest.fixture
def overfit(script):
    return script('demo/overfit_keyframe.py')


def plan(demo, *arguments):
    args = demo.parse_args(list(arguments))
    config, cfg = demo.localise(args)
    return demo.plan(args, config, cfg)


def test_training_plan_writes_only_below_the_work_dir(demo, tmp_path):
    arguments = ('--work-dir', str(tmp_path / 'work'), '--iters', '3', '--seed', '5')
    steps = plan(demo, '--train', *arguments)
    assert [step.name for step in steps] == ['data', 'prepare', 'train', 'test', 'chance']
    for step in steps:
        assert all(tmp_path / 'work' in output.parents for output in step.outputs)
    synthetic, prepare, train, *_ = (' '.join(step.command) for step in steps)
    assert f'make_synthetic_nuscenes.py {tmp_path}/work/data' in synthetic
    assert '--seed 5' in synthetic and '--seed 5' in train
    assert f'--data-root {tmp_path}/work/data' in prepare
    assert 'runner.max_epochs=3' in train or 'runner.max_iters=3' in train
    cfg = Config.fromfile(str(tmp_path / 'work' / 'config.py'))
    assert cfg.data.test.ann_file == str(steps[1].outputs[0])


def test_default_training_plan_uses_the_config_itself(demo, repository, monkeypatch):
    monkeypatch.chdir(repository)
    steps = plan(demo, '--train')
    assert str(demo.CONFIG) in steps[2].command


def test_plan_detects_with_weights_that_carry_their_config(demo, config, tmp_path):
    weights = tmp_path / 'small.pth'
    torch.save({'state_dict': {}, 'meta': {'config_dict': plain_config(config)}}, str(weights))
    steps = plan(demo, '--work-dir', str(tmp_path / 'work'), '--weights', str(weights))
    assert [step.name for step in steps] == ['data', 'prepare', 'test', 'video']
    synthetic, _, test, _ = (' '.join(step.command) for step in steps)
    assert '--split mini_val --preset rich' in synthetic and str(weights) in test
    cfg = Config.fromfile(str(tmp_path / 'work' / 'config.py'))
    assert cfg.data.test.ann_file == str(steps[1].outputs[0])
    assert cfg.model == config.model


def test_arguments_that_do_not_fit_are_refused(demo, capsys):
    for arguments, word in (
        (['--train', '--scenes', '1'], 'mini_val'),
        (['--iters', '3'], 'train'),
    ):
        with pytest.raises(SystemExit):
            demo.parse_args(arguments)
        assert word in capsys.readouterr().err


@pytest.mark.parametrize('mode', [['--train'], ['--weights', 'some.pth']])
def test_summary(demo, tmp_path, mode):
    values = {f'img_bbox_NuScenes/{name}': 0.1 * i for i, name in enumerate(demo.METRICS)}
    (tmp_path / 'metrics.json').write_text(json.dumps({**values, 'other/car': 1.0}))
    metrics = demo.read_metrics(tmp_path / 'metrics.json')
    args = demo.parse_args(['--work-dir', str(tmp_path), *mode])
    (tmp_path / 'eval').mkdir()
    (tmp_path / 'eval' / 'chance.json').write_text('{"NDS": 0.1, "mAP": 0.0123}')
    text = demo.summarise(args, 'config.py', metrics, {'data': 10.2, 'train': 5.1})
    assert '| NDS | 0.0000 |' in text and '| mAP | 0.1000 |' in text
    assert '| total | 15 |' in text and ('| mAP by chance | 0.0123 |' in text) == args.train
    assert (tmp_path / 'summary.md').read_text() == text
    record = json.loads((tmp_path / 'summary.json').read_text())
    assert record['metrics']['mAAE'] == pytest.approx(0.6)


def test_video_has_a_frame_for_each_sample(script, tmp_path):
    tool = script('demo/make_video.py')
    for number, name in enumerate(('0000_ab', '0000_ab_CAM_FRONT', '0001_cd')):
        cv2.imwrite(str(tmp_path / f'{name}.jpg'), np.full((90, 161, 3), 60 * number, np.uint8))
    pictures = tool.panels(tmp_path)
    assert [path.stem for path in pictures] == ['0000_ab', '0001_cd']
    tool.write_video(pictures, tmp_path / 'a.avi', 2, 80)
    video = cv2.VideoCapture(str(tmp_path / 'a.avi'))
    means = [video.read()[1].mean() for _ in range(2)]
    assert means == pytest.approx([0, 120], abs=4) and not video.read()[0]
    with pytest.raises(FileNotFoundError, match='no pictures'):
        tool.panels(tmp_path / 'nothing')


def test_keyframe_demo_names_missing_data(overfit, tmp_path, monkeypatch, config):
    config.data_root = config.data.test.data_root
    config.dump(str(tmp_path / 'config.py'))
    arguments = ['overfit_keyframe', '--config', str(tmp_path / 'config.py')]
    arguments += ['--data-root', str(tmp_path / 'none'), '--work-dir', str(tmp_path / 'work')]
    monkeypatch.setattr('sys.argv', arguments)
    with pytest.raises(SystemExit, match='--data-root DIR'):
        overfit.main()


def run_script(script, path, monkeypatch, *arguments):
    monkeypatch.setattr('sys.argv', [path, *map(str, arguments)])
    script(path).main()


def recorded_places(path):
    import rerun

    recording = rerun.dataframe.load_recording(str(path))
    table = recording.view(index='time', contents='/world/**').select().read_all()
    return {name.split(':')[0] for name in table.column_names}


def test_train_test_and_report(script, config, tmp_path, monkeypatch, capsys):
    """The three scripts of the keyframe demo, one after the other, as a user would call them."""
    monkeypatch.setattr('mmcv.runner.epoch_based_runner.time.sleep', lambda seconds: None)
    config.dump(str(tmp_path / 'config.py'))
    work = tmp_path / 'scripts'
    options = ('--device', 'cpu', '--cfg-options', 'runner.max_epochs=4')
    run_script(
        script, 'tools/train.py', monkeypatch,
        tmp_path / 'config.py', '--work-dir', work, '--no-validate', *options,
    )  # fmt: skip
    assert (work / 'latest.pth').exists() and (work / 'config.py').exists()
    monkeypatch.setattr(NuScenesMonoDataset, 'evaluate', lambda self, results, metric: {'a/mAP': 1})
    run_script(
        script, 'tools/test.py', monkeypatch,
        tmp_path / 'config.py', work / 'latest.pth', '--eval', 'bbox', '--work-dir', work,
        '--out', work / 'results.pkl', '--show-dir', work / 'vis', '--device', 'cpu',
        *(('--rerun', work / 'out.rrd') if HAS_RERUN else ()),
    )  # fmt: skip
    assert json.loads((work / 'metrics.json').read_text()) == {'a/mAP': 1.0}
    assert len(list((work / 'vis').glob('*.jpg'))) == 7
    logged = {f'/world/CAM_BACK/{part}' for part in ('detections', 'ground_truth', 'image')}
    assert not HAS_RERUN or recorded_places(work / 'out.rrd') >= logged
    results = pickle.loads((work / 'results.pkl').read_bytes())
    depth = float(results[0]['img_bbox']['boxes_3d'].gravity_center[0, 2])
    assert depth == pytest.approx(5 + 4 * 3 * 0.1)  # 12 steps
    run_script(
        script, 'benchmarks/report_keyframe.py', monkeypatch,
        tmp_path / 'config.py', work / 'results.pkl', '--score-thr', '0.5', '--max-distance', '4',
        '--out', work / 'report.json',
    )  # fmt: skip
    first, strict = json.loads((work / 'report.json').read_text())
    assert (first['total'], first['found'], first['detections']) == (6, 6, 6)
    assert first['distance_error'] == pytest.approx(3.8, abs=1e-3)
    assert first['recall'] == strict['recall'] == 1
    assert '100.0 %' in capsys.readouterr().out


def test_report_refuses_results_of_other_images(script, config, tmp_path, monkeypatch):
    config.dump(str(tmp_path / 'config.py'))
    (tmp_path / 'results.pkl').write_bytes(pickle.dumps([]))
    with pytest.raises(SystemExit, match='0 results for 6 images'):
        run_script(
            script, 'benchmarks/report_keyframe.py', monkeypatch,
            tmp_path / 'config.py', tmp_path / 'results.pkl',
        )  # fmt: skip


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'nothing to do'),
        (['--eval', 'bbox', '--format-only'], 'exclude each other'),
        (['--out', 'a.json'], '.pkl'),
    ],
)
def test_test_script_names_a_bad_command_line(script, monkeypatch, capsys, arguments, message):
    with pytest.raises(SystemExit):
        run_script(script, 'tools/test.py', monkeypatch, 'config', 'checkpoint', *arguments)
    assert message in capsys.readouterr().err


def test_demo_runs_from_anywhere(repository, tmp_path):
    command = [sys.executable, str(repository / 'demo' / 'run_demo.py'), '--help']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=CHILD_SECONDS)
    assert b'--device' in done.stdout


def test_chance_gives_every_sample_the_results_of_another(script):
    tool = script('benchmarks/chance_level.py')
    results = [{'sample': i // 6, 'camera': i % 6} for i in range(30)]
    moved = tool.misplaced(results, 6)
    for before, after in zip(results, moved):
        assert before['camera'] == after['camera'] and before['sample'] != after['sample']
    assert sorted(map(str, moved)) == sorted(map(str, results))
    for count in (6, 13):
        with pytest.raises(ValueError, match='two or more samples'):
            tool.misplaced(results[:count], 6)
