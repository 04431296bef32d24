"""The parts of the check that need no download; the environments themselves take minutes."""

import subprocess
import sys

import pytest

from support.limits import CHILD_SECONDS
from support.scripts import load


@pytest.fixture(scope='module')
def tool(repository):
    return load(repository / 'benchmarks' / 'check_pnp_versions.py')


def test_numpy_fits_the_torch(tool):
    assert tool.numpy_requirement('1.13.1') == tool.numpy_requirement('2.0.1') == 'numpy<2'
    assert tool.numpy_requirement('2.13.0') == tool.numpy_requirement('2.3.0') == 'numpy'


@pytest.mark.parametrize(
    'output, text, good',
    [
        ('..\n9 passed, 187 deselected in 49.00s\n', '9 passed, 187 deselected in 49.00s', True),
        ('== 3 passed in 62.10s (0:01:02) ==', '3 passed in 62.10s', True),
        ('4 failed, 187 passed, 5 errors in 2.0s', '4 failed, 187 passed, 5 errors in 2.0s', False),
        ('187 passed, 1 error in 2.0s', '187 passed, 1 error in 2.0s', False),
        ('5 skipped in 0.10s', '5 skipped in 0.10s', False),
        ('Segmentation fault', 'did not run', False),
    ],
)
def test_reads_what_pytest_says(tool, output, text, good):
    assert tool.summary(output) == text
    assert tool.Row('2.13.0', 'yes', text).good == good
    assert not tool.Row('2.13.0', 'no', text).good


def test_step_with_torch_alone_refuses_other_packages(tool):
    """Run in this environment, which has much besides torch."""
    command = [sys.executable, '-c', tool.ALONE, 'first']
    result = subprocess.run(command, capture_output=True, text=True, cwd='/', timeout=CHILD_SECONDS)
    assert result.returncode == 1
    assert "AssertionError: ['mmcv'" in result.stderr


def test_unknown_version_is_reported(tool, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['check', '--torch', '0.0.0', '--envs', str(tmp_path)])
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.delenv('PIP_FIND_LINKS', raising=False)
    with pytest.raises(SystemExit) as stop:
        tool.main()
    assert stop.value.code == 1
    output = capsys.readouterr().out
    assert 'torch==0.0.0' in output and 'not installed' in output
    assert 'torch==0.0.0' in (tmp_path / 'torch-0.0.0.log').read_text()
