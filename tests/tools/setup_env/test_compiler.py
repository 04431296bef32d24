"""The command `c++` that compiles mmcv-full: appends the standard, precompiles torch's headers."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest
from compiler import build_variables, standard_for, write_compiler

from support.limits import CHILD_SECONDS

needs_gcc = pytest.mark.skipif(shutil.which('g++') is None, reason='no g++ on this machine')
ADD_ONE = '#include <torch/types.h>\nint add_one(int x) { return STEP + x + twice(0); }\n'


@pytest.fixture
def project(tmp_path):
    """Sources as mmcv-full has them, and a small header in the place of torch's large ones."""
    (tmp_path / 'include/torch').mkdir(parents=True)
    header = tmp_path / 'include/torch/types.h'
    header.write_text('#pragma once\ninline int twice(int x) { return 2 * x; }\n')
    (tmp_path / 'ops/csrc').mkdir(parents=True)
    for name in ('a', 'b'):
        (tmp_path / f'ops/csrc/{name}.cpp').write_text(ADD_ONE)
    return tmp_path


def stand_in(path, log):
    """Write a compiler that notes its arguments, says it is no g++, and ends with status 3."""
    path.write_text(f'#!/bin/sh\necho "$@" >> "{log}"\nexit 3\n')
    path.chmod(0o755)
    return str(path)


def run(folder, *arguments, **options):
    environ = dict(os.environ, PATH=f'{folder}:{os.environ["PATH"]}')
    return subprocess.run(['c++', *arguments], env=environ, timeout=CHILD_SECONDS, **options)


def compile_source(project, name, *more):
    source, target = project / f'ops/csrc/{name}.cpp', project / f'{name}.o'
    flags = ['-MMD', '-MF', f'{target}.d', '-I', str(project / 'include'), '-DSTEP=1', '-std=c++14']
    arguments = [*flags, '-c', '-c', str(source), '-o', str(target), *more]  # as torch calls it
    done = run(project / 'my compiler', *arguments, capture_output=True, text=True)
    return done, target


class TestArguments:
    def test_the_standard_comes_last_and_the_status_is_the_compilers(self, tmp_path):
        real = stand_in(tmp_path / 'g++', tmp_path / 'log')
        write_compiler(tmp_path / 'bin', f'env LANG=C {real}', 'c++20', sys.executable)
        assert run(tmp_path / 'bin', '-std=c++14', '-shared', 'a b.o').returncode == 3
        assert (tmp_path / 'log').read_text() == '-std=c++14 -shared a b.o -std=c++20\n'

    def test_a_compiler_that_is_not_gcc_gets_no_precompiled_header(self, project):
        real = stand_in(project / 'clang', project / 'log')
        write_compiler(project / 'my compiler', real, 'c++20', sys.executable)
        compile_source(project, 'a')
        assert 'torch.h' not in (project / 'log').read_text()

    def test_the_real_compiler_is_found_before_the_command_hides_it(self, tmp_path, monkeypatch):
        stand_in(tmp_path / 'c++', tmp_path / 'log')
        monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
        write_compiler(tmp_path / 'bin', 'c++', 'c++20', sys.executable)
        assert str(tmp_path / 'c++') in (tmp_path / 'bin/c++').read_text()


@needs_gcc
class TestPrecompiledHeader:
    def test_is_made_once_and_used(self, project):
        write_compiler(project / 'my compiler', 'g++', 'c++17', sys.executable)
        made = project / 'my compiler/torch.h.gch'
        done, first = compile_source(project, 'a', '-H')
        assert done.returncode == 0
        assert str(made) in done.stderr  # -H lists what is read: '! torch.h.gch' where it is used
        age = made.stat().st_mtime_ns
        done, second = compile_source(project, 'b', '-H')
        assert f'! {made}' in done.stderr
        assert made.stat().st_mtime_ns == age
        assert first.read_bytes().replace(b'a.cpp', b'b.cpp') == second.read_bytes()
        assert (project / 'a.o.d').exists()

    def test_one_that_does_not_fit_is_passed_over(self, project):
        header = project / 'include/torch/types.h'
        header.write_text(header.read_text() + '#if STEP > 1\nint more();\n#endif\n')
        write_compiler(project / 'my compiler', 'g++', 'c++17', sys.executable)
        compile_source(project, 'a')
        done, target = compile_source(project, 'b', '-USTEP', '-DSTEP=5', '-H')
        assert done.returncode == 0
        assert f'x {project}/my compiler/torch.h.gch' in done.stderr
        assert target.exists()

    def test_an_error_in_a_header_is_reported_as_the_compiler_does(self, project):
        (project / 'include/torch/types.h').write_text('#error too old\n')
        write_compiler(project / 'my compiler', 'g++', 'c++17', sys.executable)
        done, target = compile_source(project, 'a')
        assert done.returncode == 1
        assert 'too old' in done.stderr
        assert not target.exists()


def test_variables_keep_what_the_user_set_but_not_packages_of_elsewhere(tmp_path):
    environ = {
        'PATH': '/bin',
        'CFLAGS': '-march=native',
        'NVCC_APPEND_FLAGS': '--threads=2',
        'PYTHONPATH': '/mine',
    }
    found = build_variables(tmp_path, 'c++20', environ, '/venv/bin/python')
    assert found['PATH'] == f'{tmp_path}:/venv/bin:/bin'  # ninja lies beside the interpreter
    assert found['CFLAGS'] == '-g0 -O2 -march=native'
    assert found['NVCC_APPEND_FLAGS'] == '--threads=2 -std=c++20'
    assert found['CC'] == found['CXX'] == 'c++'
    assert found['PYTHONPATH'].endswith('/setup_env/while_building')


@pytest.mark.parametrize(
    ('torch_version', 'standard'),
    [('2.0.1+cu117', 'c++14'), ('2.1.0', 'c++20'), ('2.14.1+cu130', 'c++20'), ('1.13.1', 'c++14')],
)
def test_standard_for(torch_version, standard):
    assert standard_for(torch_version) == standard


def test_by_hand_it_prints_what_to_export(tmp_path):
    pytest.importorskip('torch')
    script = write_compiler.__code__.co_filename
    answer = subprocess.run(
        [sys.executable, script, str(tmp_path / 'cc')],
        capture_output=True,
        text=True,
        check=True,
        timeout=CHILD_SECONDS,
    )
    lines = dict(line[len('export ') :].split('=', 1) for line in answer.stdout.splitlines())
    assert shlex.split(lines['PATH'])[0].startswith(str(tmp_path / 'cc'))
    assert (tmp_path / 'cc/c++').exists()


READS_ITS_VERSION = """
def get_version():
    exec(compile("__version__ = '1.7.0'", 'version.py', 'exec'))
    return locals()['__version__']


print(get_version(), eval('1 + 1'), exec('x = 3', names := {}) or names['x'])
"""


def newer_python():
    """Return an interpreter on which an `exec` no longer writes into a function's variables."""
    if sys.version_info >= (3, 13):
        return sys.executable
    for minor in (13, 14):
        name = shutil.which(f'python3.{minor}')
        if name and subprocess.call([name, '-c', ''], stderr=subprocess.DEVNULL) == 0:
            return name
    return None


def run_as_setup(python, environ, start=''):
    return subprocess.run(
        [python, '-c', start + READS_ITS_VERSION],
        env=environ,
        capture_output=True,
        text=True,
        timeout=CHILD_SECONDS,
    )


class TestExecWhileBuilding:
    def test_replacement_writes_into_the_caller_or_into_what_is_named(self, tmp_path):
        environ = {**os.environ, **build_variables(tmp_path, 'c++20', os.environ, sys.executable)}
        start = 'import builtins, sitecustomize; builtins.exec = sitecustomize.exec_in_caller\n'
        assert run_as_setup(sys.executable, environ, start).stdout.split() == ['1.7.0', '2', '3']

    @pytest.mark.skipif(newer_python() is None, reason='no Python 3.13 or newer on the PATH')
    def test_setup_of_mmcv_finds_its_version_on_a_newer_python(self, tmp_path):
        python, before = newer_python(), {**os.environ}
        assert "KeyError: '__version__'" in run_as_setup(python, before).stderr
        environ = {**before, **build_variables(tmp_path, 'c++20', before, python)}
        assert run_as_setup(python, environ).stdout.split() == ['1.7.0', '2', '3']
