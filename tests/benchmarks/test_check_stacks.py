"""The check of both sets, on a repository whose set-up is a moment's work."""

import json
import subprocess
import sys

import pytest

from support.limits import CHILD_SECONDS

MAKEFILE = """
setup:
\t@mkdir -p .venv/bin && ln -sf {python} .venv/bin/python && echo "Ready with $$STACK"
broken:
\t@echo 'no compiler'; exit 1
"""


@pytest.fixture(scope='module')
def tool(repository):
    sys.path.insert(0, str(repository / 'benchmarks'))
    import check_stacks

    yield check_stacks
    sys.path.remove(str(repository / 'benchmarks'))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / 'source'
    folder.mkdir()
    (folder / 'Makefile').write_text(MAKEFILE.format(python=sys.executable))
    git(folder, 'init', '--quiet')
    commit(folder)
    return folder


def git(folder, *arguments):
    author = ['-c', 'user.name=a', '-c', 'user.email=a@b.example']
    subprocess.run(
        ['git', '-C', str(folder), *author, *arguments], check=True, timeout=CHILD_SECONDS
    )


def commit(folder):
    git(folder, 'add', '-A')
    git(folder, 'commit', '--quiet', '-m', 'step')


def test_the_clone_follows_the_repository_and_keeps_what_git_ignores(tool, source, tmp_path):
    clone = tmp_path / 'stacks/classic'
    tool.update_clone(clone, source)
    (clone / 'kept').write_text('an environment, say')
    (source / 'new').write_text('')
    commit(source)
    tool.update_clone(clone, source)
    assert (clone / 'new').exists()
    assert (clone / 'kept').exists()


def test_checks_run_in_the_clone_with_its_set(tool, source, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, 'VERSIONS', 'import os; print("of", os.environ["STACK"])')
    clone = tmp_path / 'modern'
    tool.update_clone(clone, source)
    checks = [tool.Check('fails', lambda python: ['make', 'broken'], tool.last_line)]
    cells = tool.check_stack('modern', clone, checks)
    assert cells['setup'].text.startswith('Ready with modern (')
    assert cells['versions'].text.startswith('of modern (')
    assert not cells['fails'].good
    assert 'no compiler' in (tmp_path / 'modern.log').read_text()
    lines = tool.table({'classic': {'setup': tool.Cell('Ready (1 s)', True)}, 'modern': cells})
    assert '| setup | Ready (1 s) | Ready with modern (' in lines
    assert '| fails | **FAILED** not run | **FAILED** make: ' in lines


def test_a_set_up_that_fails_leaves_the_rest_out(tool, source, tmp_path):
    (source / 'Makefile').write_text('setup:\n\t@false\n')
    commit(source)
    clone = tmp_path / 'classic'
    tool.update_clone(clone, source)
    assert list(tool.check_stack('classic', clone, tool.CHECKS)) == ['setup']


def test_metrics_of_the_demo(tool, tmp_path):
    assert tool.demo_metrics('Step 3 failed\n', tmp_path) == 'Step 3 failed'
    folder = tmp_path / 'work_dirs/demo'
    folder.mkdir(parents=True)
    record = {'metrics': {'NDS': 0.25, 'mAP': 0.125}}
    (folder / 'summary.json').write_text(json.dumps(record))
    assert tool.demo_metrics('', tmp_path) == 'NDS 0.2500, mAP 0.1250'
