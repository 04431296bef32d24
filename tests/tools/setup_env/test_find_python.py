"""The finder runs its candidates: what only looks like a Python is refused, with a reason."""

import shutil
import sys

import pytest
from find_python import Python, candidates, check_compiler, find_python, probe
from stacks import CLASSIC, MODERN, SetupError


def write_fake(path, output='', status=0, complaint=''):
    """Write a command that prints what the probe would, or fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{complaint}" >&2\necho "{output}"\nexit {status}\n')
    path.chmod(0o755)
    return str(path)


class TestProbe:
    def test_accepts_a_whole_python(self, tmp_path):
        found = probe(write_fake(tmp_path / 'python3.10', '3.10.13 True True '))
        assert found.version == (3, 10, 13)

    @pytest.mark.parametrize(
        ('output', 'reason'),
        [
            (
                '3.16.1 True True ',
                'is Python 3.16.1; 3.9, 3.10, .*, 3.13 or 3.14 is needed',
            ),
            ('3.8.18 True True ', 'is Python 3.8.18'),
            ('3.11.2 True True ensurepip', 'apt install python3.11-venv'),
            ('3.10.2 False True ', 'apt install python3.10-dev'),
            ('3.11.2 True False ', '32-bit'),
            ('3.11.2 True True bz2,lzma', 'was built without bz2,lzma'),
            ('', 'does not answer'),
        ],
    )
    def test_refuses_with_the_reason(self, tmp_path, output, reason):
        with pytest.raises(SetupError, match=reason):
            probe(write_fake(tmp_path / 'python', output))

    @pytest.mark.parametrize(
        ('stack', 'version', 'reason'),
        [
            (CLASSIC, '3.12.1', '3.9, 3.10 or 3.11 for STACK=classic is needed'),
            (MODERN, '3.9.18', '3.10, 3.11, 3.12, 3.13 or 3.14 for STACK=modern is needed'),
        ],
    )
    def test_refuses_what_the_set_asked_for_lacks(self, tmp_path, stack, version, reason):
        fake = write_fake(tmp_path / 'python', f'{version} True True ')
        assert probe(fake).version[:2] not in stack.pythons
        with pytest.raises(SetupError, match=reason):
            probe(fake, stack)

    def test_refuses_a_shim_that_exists_and_fails(self, tmp_path):
        shim = write_fake(tmp_path / 'python3.9', status=127, complaint='pyenv: command not found')
        with pytest.raises(SetupError, match='does not run .*pyenv: command not found'):
            probe(shim)

    def test_refuses_what_is_not_there(self, tmp_path):
        with pytest.raises(SetupError, match='does not run'):
            probe(str(tmp_path / 'nowhere'))


class TestCandidates:
    def test_versioned_names_and_pyenv_come_before_python3(self, tmp_path):
        newer = write_fake(tmp_path / 'bin/python3')
        shim = write_fake(tmp_path / 'bin/python3.10')
        pyenv = write_fake(tmp_path / '.pyenv/versions/3.10.13/bin/python')
        paths = candidates({'HOME': str(tmp_path), 'PATH': str(tmp_path / 'bin')})
        mine = [path for path in paths if path.startswith(str(tmp_path))]
        assert mine == [shim, pyenv, newer]

    @pytest.mark.parametrize(
        ('stack', 'order'),
        [
            ('', ['3.11.7', '3.10.13', '3.9.18', '3.14.2', '3.13.0', '3.12.1']),
            ('classic', ['3.11.7', '3.10.13', '3.9.18']),
            ('modern', ['3.14.2', '3.13.0', '3.12.1', '3.11.7', '3.10.13']),
        ],
    )
    def test_the_set_asked_for_orders_them(self, tmp_path, stack, order):
        for version in ('3.9.18', '3.11.7', '3.12.1', '3.14.2', '3.10.13', '3.13.0'):
            write_fake(tmp_path / f'versions/{version}/bin/python')
        paths = candidates(
            {'PYENV_ROOT': str(tmp_path), 'PATH': '', 'HOME': str(tmp_path), 'STACK': stack}
        )
        mine = [path.split('/')[-3] for path in paths if path.startswith(str(tmp_path))]
        assert mine == order

    def test_lists_each_once_and_only_what_runs(self, tmp_path):
        write_fake(tmp_path / 'python3.11')
        (tmp_path / 'python3.10').write_text('not executable')
        folder = str(tmp_path)
        paths = candidates({'PATH': f'{folder}:{folder}:', 'HOME': folder})
        assert [path for path in paths if path.startswith(folder)] == [folder + '/python3.11']

    def test_the_users_choice_is_the_only_one(self):
        assert candidates({'PYTHON': '/opt/mine', 'PATH': '/usr/bin'}) == ['/opt/mine']


@pytest.fixture
def only(tmp_path, monkeypatch):
    """Let these interpreters be all that the machine has."""

    def install(*paths):
        monkeypatch.setattr(find_python.__module__ + '.candidates', lambda environ: list(paths))

    return install


class TestFindPython:
    def test_skips_the_broken_one(self, tmp_path, only):
        broken = write_fake(tmp_path / 'a/python3.11', status=127)
        good = write_fake(tmp_path / 'b/python3.9', '3.9.18 True True ')
        only(broken, good)
        assert find_python({}).path == good

    def test_takes_the_only_python_of_a_new_distribution(self, tmp_path, only):
        own = write_fake(tmp_path / 'python3', '3.13.5 True True ')
        only(own)
        assert find_python({}).path == own

    def test_says_what_was_tried_and_what_to_install(self, tmp_path, only):
        newer = write_fake(tmp_path / 'python3', '3.16.0 True True ')
        bare = write_fake(tmp_path / 'python3.13', '3.13.2 True True ensurepip,venv')
        only(newer, bare)
        with pytest.raises(SetupError) as caught:
            find_python({})
        message = str(caught.value)
        assert f'{newer} is Python 3.16.0' in message
        assert f'{bare} cannot make environments' in message
        assert 'sudo apt install python3.13-venv' in message
        assert 'apt install python3 python3-venv python3-dev build-essential' in message
        assert 'make setup PYTHON=' in message

    def test_says_which_set_it_looked_for(self, tmp_path, only):
        only(write_fake(tmp_path / 'python3', '3.13.5 True True '))
        with pytest.raises(SetupError, match=r'3.9, 3.10 or 3.11 \(for STACK=classic\)'):
            find_python({'STACK': 'classic'})

    def test_says_so_when_there_is_nothing(self, only):
        only()
        with pytest.raises(SetupError, match='nothing named python3 or python3.9'):
            find_python({})


class TestCompiler:
    def test_missing_compiler(self, this_python):
        with pytest.raises(SetupError, match='apt install build-essential'):
            check_compiler(this_python, 'c++20', {'CXX': '/nowhere/g++'})

    def test_compiler_that_fails_is_quoted(self, tmp_path, this_python):
        fake = write_fake(tmp_path / 'g++', status=1, complaint='fatal error: no vector file')
        with pytest.raises(SetupError, match='no vector file'):
            check_compiler(this_python, 'c++20', {'CXX': fake})

    def test_compiler_that_fails_without_a_word(self, tmp_path, this_python):
        fake = tmp_path / 'g++'
        fake.write_text('#!/bin/sh\nexit 4\n')
        fake.chmod(0o755)
        with pytest.raises(SetupError, match='exit status 4'):
            check_compiler(this_python, 'c++20', {'CXX': str(fake)})

    def test_compiler_behind_a_wrapper(self, tmp_path, this_python):
        log = tmp_path / 'log'
        fake = tmp_path / 'g++'
        fake.write_text(f'#!/bin/sh\necho "$@" > {log}\n')
        fake.chmod(0o755)
        check_compiler(this_python, 'c++20', {'CXX': f'env LANG=C {fake}'})
        assert '-std=c++20' in log.read_text()

    @pytest.mark.skipif(shutil.which('c++') is None, reason='no C++ compiler on this machine')
    def test_the_compiler_of_this_machine(self, this_python):
        assert check_compiler(this_python, 'c++20', {}) == 'c++'


@pytest.fixture
def this_python():
    return Python(sys.executable, tuple(sys.version_info[:3]))
