import json
import subprocess
import sys

from support.limits import CHILD_SECONDS


def run(repository, *arguments):
    script = str(repository / 'benchmarks' / 'benchmark_pnp.py')
    return subprocess.run(
        [sys.executable, script, '--threads', '1', *arguments],
        capture_output=True,
        text=True,
        timeout=CHILD_SECONDS,
    )


def test_accuracy_on_real_boxes_beats_unrobust_solvers(repository, mini_val_json):
    result = run(repository, '--accuracy-only', '--accuracy', str(mini_val_json), '--limit', '150')
    assert result.returncode == 0, result.stderr
    share = {}
    for line in result.stdout.splitlines():
        if line.startswith(('OpenCV', 'ours')):
            name, rest = line[:28].strip(), line[28:].split()
            share[name] = float(rest[1].rstrip('%'))
    assert share['ours 6DoF, delta 0.05, 10 LM'] > 95
    assert share['ours 4DoF, delta 0.05, 5 GN'] > 95
    assert share['ours 6DoF, delta 0.05, 10 LM'] > share['OpenCV EPNP + refine'] + 50


def test_missing_file_is_named(repository, tmp_path):
    result = run(repository, '--accuracy', str(tmp_path / 'none.json'))
    assert result.returncode == 2
    assert 'none.json' in result.stderr


def test_a_file_without_truth_is_named_before_anything_is_timed(repository, tmp_path):
    file = tmp_path / 'test_split.json'
    file.write_text(json.dumps({'images': [], 'annotations': []}))
    result = run(repository, '--accuracy', str(file))
    assert result.returncode == 2 and not result.stdout
    assert 'test_split.json has no annotated box' in result.stderr


def test_more_iterations_converge_more_often(repository, mini_val_json):
    result = run(repository, '--iterations', '--accuracy', str(mini_val_json), '--limit', '300')
    assert result.returncode == 0, result.stderr
    rows = {
        int(line.split()[0]): [float(cell.rstrip('%')) for cell in line.split()[1::2]]
        for line in result.stdout.splitlines()
        if line[:2].strip().isdigit() and 'DoF' in line
    }
    assert list(rows) == [3, 5, 10, 20]
    for fewer, more in zip((3, 5, 10), (5, 10, 20)):
        assert all(one <= other for one, other in zip(rows[fewer], rows[more]))
    assert min(rows[10][:2]) > 99 and rows[5][2] < 70
