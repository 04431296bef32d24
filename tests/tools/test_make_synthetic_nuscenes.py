"""The command line of the synthetic data set."""

import json
import subprocess
import sys

import pytest

from support.limits import CHILD_SECONDS


@pytest.fixture
def run(repository):
    def _run(*arguments):
        tool = repository / 'tools' / 'make_synthetic_nuscenes.py'
        command = [sys.executable, '-W', 'ignore', str(tool), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=CHILD_SECONDS)

    return _run


def test_it_writes_a_split_with_its_page_and_refuses_to_replace_it(run, tmp_path):
    out = tmp_path / 'data'
    sizes = ['--split', 'mini_val', '--frames-per-scene', 1, '--scale', 0.05, '--workers', 1]
    done = run(out, *sizes, '--conditions', 'day', 'night+rain')
    assert done.returncode == 0, done.stderr
    assert '12 images' in done.stdout and (out / 'statistics.png').stat().st_size > 20_000
    scenes = json.loads((out / 'v1.0-mini' / 'scene.json').read_text())
    assert [scene['name'] for scene in scenes] == ['scene-0103', 'scene-0916']
    assert all(scene['description'].startswith('Night, rain') for scene in scenes)
    again = run(out, *sizes)
    assert again.returncode == 1 and '--force' in again.stderr
    assert 'Traceback' not in again.stderr
