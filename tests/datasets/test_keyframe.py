import filecmp
import json
import re
import subprocess
import sys

import pytest

from epropnp_det.datasets.keyframe import extract_keyframe
from epropnp_det.datasets.prepare import prepare_nuscenes
from support.limits import CHILD_SECONDS


@pytest.fixture(scope='module')
def keyframe(synthetic_root, tmp_path_factory):
    out = tmp_path_factory.mktemp('keyframe') / 'folder' / 'new'
    path = extract_keyframe(synthetic_root, 'v1.0-mini', 1, out)
    assert path == out / 'nuscenes_infos_mono3d.coco.json'
    return out


def test_files_are_those_of_the_sample(keyframe, synthetic_root):
    content = json.loads((keyframe / 'nuscenes_infos_mono3d.coco.json').read_text())
    sample = json.loads((synthetic_root / 'v1.0-mini' / 'sample.json').read_text())[1]
    assert [image['token'] for image in content['images']] == 6 * [sample['token']]
    names = {image['file_name'] for image in content['images']}
    names |= {image['lidar_path'] for image in content['images']}
    found = {
        path.relative_to(keyframe).as_posix() for path in keyframe.rglob('*') if path.is_file()
    }
    assert found - {'nuscenes_infos_mono3d.coco.json'} == names and len(names) == 7
    assert all(filecmp.cmp(keyframe / name, synthetic_root / name, False) for name in names)


def test_boxes_are_the_converters(keyframe, synthetic_root, tmp_path):
    """The same records as in the file of the whole split, up to their numbers."""
    content = json.loads((keyframe / 'nuscenes_infos_mono3d.coco.json').read_text())
    split = {'all': [content['images'][0]['token']]}
    (path,) = prepare_nuscenes(synthetic_root, 'v1.0-mini', tmp_path, splits=split)
    whole = json.loads(path.read_text())
    assert content['images'] == whole['images'] and content['categories'] == whole['categories']
    assert content['annotations'] == whole['annotations'] != []


def test_a_token_names_the_same_keyframe(keyframe, synthetic_root, tmp_path):
    content = json.loads((keyframe / 'nuscenes_infos_mono3d.coco.json').read_text())
    token = content['images'][0]['token']
    path = extract_keyframe(synthetic_root, 'v1.0-mini', token, tmp_path / 'by_token')
    assert json.loads(path.read_text()) == content


@pytest.mark.parametrize(
    ('sample', 'message'), [('6', 'samples 0 to 5, not 6'), ('-1', 'not -1'), ('abc', 'sample abc')]
)
def test_unknown_samples(synthetic_root, tmp_path, sample, message):
    with pytest.raises(ValueError, match=message):
        extract_keyframe(synthetic_root, 'v1.0-mini', sample, tmp_path / 'out')
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(synthetic_root, tmp_path):
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='holds something'):
        extract_keyframe(synthetic_root, 'v1.0-mini', 0, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_the_command_says_in_one_line_what_is_missing(repository, tmp_path):
    command = [sys.executable, '-W', 'ignore', str(repository / 'tools' / 'extract_keyframe.py')]
    command += ['--data-root', str(tmp_path), '--out', str(tmp_path / 'out')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_SECONDS)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert re.search(r'^error: .*v1\.0-mini lacks any table', done.stderr, re.M)
