import json
import runpy
import sys
import zipfile

import mmcv
import pytest

from epropnp_det.datasets.submission_check import (
    SubmissionError,
    check_submission,
    zip_submission,
)

META = dict.fromkeys(('use_lidar', 'use_radar', 'use_map', 'use_external'), False)


def box(**changes):
    return {
        'sample_token': 'b',
        'translation': [600.0, 1600.0, 1.0],
        'size': [2.0, 4.5, 1.6],
        'rotation': [1.0, 0.0, 0.0, 0.0],
        'velocity': [0.0, 0.0],
        'detection_name': 'car',
        'detection_score': 0.5,
        'attribute_name': 'vehicle.parked',
        **changes,
    }


def content(*boxes, **changes):
    results = {'a': [], 'b': [box(), *boxes]}
    return {'meta': {**META, 'use_camera': True}, 'results': results, **changes}


def write(tmp_path, submission):
    path = tmp_path / 'results_nusc.json'
    path.write_text(submission if isinstance(submission, str) else json.dumps(submission))
    return path


SECOND = 'sample b, box 1: '
without_size = {key: value for key, value in box().items() if key != 'size'}
BAD = {
    'no meta': ({'results': {}}, 'two parts meta and results'),
    'meta incomplete': (content(meta=META), 'meta must say true or false'),
    'results a list': (content(results=[]), 'results must map'),
    'sample absent': (content(results={'b': []}), '1 of 2 samples .* first is a; .* empty list'),
    'sample of another split': (content(results={'a': [], 'b': [], 'c': []}), 'first is c'),
    'boxes not a list': (content(results={'a': {}, 'b': []}), 'sample a: a list'),
    '501 boxes': (content(*[box()] * 500), 'sample b: 501 boxes, at most 500'),
    'field absent': (content(without_size), SECOND + r"lacks \['size'\]"),
    'no object': (content(3), SECOND + 'is not an object'),
    'two numbers': (content(box(size=[1.0, 2.0])), SECOND + 'size must be 3 numbers'),
    'text as number': (content(box(velocity=['0', 0])), SECOND + 'velocity is not finite'),
    'huge number': (
        json.dumps(content(box())).replace('[600.0', '[1e999', 1),
        'sample b, box 0: translation is not finite',
    ),
    'NaN': (content(box(velocity=[float('nan'), 0])), 'holds NaN'),
    'score': (content(box(detection_score=-0.1)), SECOND + 'detection_score'),
    'other token': (content(box(sample_token='a')), SECOND + 'sample_token is a'),
    'no extent': (content(box(size=[0, 1, 1])), SECOND + 'size must be positive'),
    'rotation': (content(box(rotation=[1, 1, 0, 0])), SECOND + 'rotation is no unit quaternion'),
    'class': (content(box(detection_name='van')), SECOND + "detection_name 'van' is not one"),
    'attribute': (
        content(box(attribute_name='cycle.with_rider')),
        SECOND + "attribute_name 'cycle.with_rider' of a car is not one",
    ),
    'attribute of a cone': (
        content(box(detection_name='traffic_cone')),
        SECOND + "attribute_name 'vehicle.parked' of a traffic_cone",
    ),
    'cut short': (json.dumps(content())[:-9], 'is not json, or was cut short'),
    'token twice': ('{"meta": {}, "results": {"a": [], "a": []}}', "names 'a' twice"),
}


@pytest.mark.parametrize('kind', BAD)
def test_the_first_offence_is_named(kind, tmp_path):
    submission, message = BAD[kind]
    with pytest.raises(SubmissionError, match=message):
        check_submission(write(tmp_path, submission), ['a', 'b'])


def test_a_sound_file_passes_packed_or_not(tmp_path):
    cone = box(detection_name='traffic_cone', attribute_name='')
    path = write(tmp_path, content(cone, box(attribute_name=''), *[box()] * 497))
    archive = zip_submission(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['results_nusc.json', 'results_nusc.zip']
    for file in (path, archive):
        assert check_submission(file, ['a', 'b']) == json.loads(path.read_text())
    assert check_submission(path)['meta']['use_camera']


def test_unsound_archives_are_named(tmp_path):
    path = tmp_path / 'x.zip'
    path.write_bytes(b'PK no')
    with pytest.raises(SubmissionError, match='not a sound zip'):
        check_submission(path)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('folder/results.json', '{}')
    with pytest.raises(SubmissionError, match='top level'):
        check_submission(path)
    with pytest.raises(FileNotFoundError, match='make_submission'):
        check_submission(tmp_path / 'no.json')


# ---- the commands


@pytest.fixture
def run(repository, monkeypatch, capsys):
    def _run(script, *arguments):
        monkeypatch.setattr(sys, 'argv', [script, *map(str, arguments)])
        runpy.run_path(str(repository / 'tools' / script), run_name='__main__')
        return capsys.readouterr().out

    return _run


@pytest.fixture
def results(prepared_root, build, perfect_results, tmp_path):
    path = prepared_root / 'nuscenes_infos_val_mono3d.coco.json'
    mmcv.dump(perfect_results(build(json.loads(path.read_text()))), str(tmp_path / 'results.pkl'))
    return tmp_path / 'results.pkl'


@pytest.fixture
def config(repository, prepared_root, tmp_path):
    base = repository / 'configs/_base_/datasets/nuscenes_mono3d.py'
    ann_file = prepared_root / 'nuscenes_infos_val_mono3d.coco.json'
    path = tmp_path / 'config.py'
    path.write_text(
        f"_base_ = ['{base}']\ncustom_imports = dict(imports=['epropnp_det'])\n"
        f"data = dict(test=dict(ann_file='{ann_file}', data_root='{prepared_root}'))\n"
    )
    return path


def test_make_check_and_evaluate(run, config, results, prepared_root, tmp_path):
    out = tmp_path / 'out'
    said = run('make_submission.py', config, '--results', results, '--out-dir', out)
    assert '3 samples' in said and 'for the server' in said
    archive = out / 'img_bbox' / 'results_nusc.zip'
    ann_file = prepared_root / 'nuscenes_infos_val_mono3d.coco.json'
    assert 'is sound: 3 samples' in run('check_submission.py', archive, '--ann-file', ann_file)
    tables = ['--data-root', prepared_root, '--version', 'v1.0-mini']
    assert 'is sound: 3 samples' in run('check_submission.py', archive, *tables)
    assert 'not checked' in run('check_submission.py', archive)
    with pytest.raises(SystemExit, match='3 of 3 samples of the split are absent'):
        run('check_submission.py', archive, *tables, '--split', 'mini_train')
    said = run(
        'evaluate_submission.py', archive.with_suffix('.json'), *tables, '--ranges', 0, 25, 50
    )
    assert 'mean, NDS' in said and '25 - 50 m' in said and 'errors_by_distance.png' in said


@pytest.mark.parametrize(
    ('file', 'message'),
    [
        (lambda folder: folder / 'no.json', 'no submission'),
        (lambda folder: write(folder, {'results': {}}), 'two parts meta and results'),
        (lambda folder: zip_submission(write(folder, {})), 'packed for the server; unzip it'),
        (lambda folder: write(folder, '{"meta": '), 'cut short'),
    ],
)
def test_the_evaluation_names_what_is_no_submission(run, prepared_root, tmp_path, file, message):
    tables = ['--data-root', prepared_root, '--version', 'v1.0-mini']
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        run('evaluate_submission.py', file(tmp_path), *tables)


@pytest.mark.parametrize(
    ('file', 'message'),
    [
        (lambda folder: folder / 'no.json', 'no annotation file'),
        (lambda folder: write(folder, []), 'holds a json list'),
        (lambda folder: write(folder, {'images': []}), 'lacks'),
    ],
)
def test_the_check_names_what_is_no_annotation_file(run, tmp_path, file, message):
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        run('check_submission.py', 'any.json', '--ann-file', file(tmp_path))


def test_results_of_something_else_are_refused(run, config, results, tmp_path):
    few = tmp_path / 'few.pkl'
    mmcv.dump(mmcv.load(str(results))[:4], str(few))
    with pytest.raises(SystemExit, match='4 results for 18 images'):
        run('make_submission.py', config, '--results', few, '--out-dir', tmp_path / 'out')
    few.write_bytes(b'nothing')
    with pytest.raises(SystemExit, match='not what tools/test.py --out writes'):
        run('make_submission.py', config, '--results', few, '--out-dir', tmp_path / 'out')
    with pytest.raises(SystemExit, match='no results'):
        none = tmp_path / 'no.pkl'
        run('make_submission.py', config, '--results', none, '--out-dir', tmp_path / 'out')
