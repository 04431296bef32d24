"""The command `c++` that compiles mmcv-full appends the standard that torch needs."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest
from compiler import build_variables, standard_for, write_compiler


def run(folder, *arguments):
    environ = dict(os.environ, PATH=f'{folder}:{os.environ["PATH"]}')
    return subprocess.run(['c++', *arguments], env=environ).returncode


@pytest.fixture
def stand_in(tmp_path):
    """A compiler that notes its arguments and ends with status 3."""
    path = tmp_path / 'real' / 'c++'
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/log"\nexit 3\n')
    path.chmod(0o755)
    return path


def test_the_standard_comes_last_and_the_status_is_the_compilers(tmp_path, stand_in):
    write_compiler(tmp_path / 'my bin', f'env LANG=C {stand_in}', 'c++20')
    assert run(tmp_path / 'my bin', '-std=c++14', '-shared', 'a b.o') == 3
    assert (tmp_path / 'log').read_text() == '-std=c++14 -shared a b.o -std=c++20\n'


def test_the_real_compiler_is_found_before_the_command_hides_it(tmp_path, stand_in, monkeypatch):
    monkeypatch.setenv('PATH', f'{stand_in.parent}:{os.environ["PATH"]}')
    write_compiler(tmp_path / 'bin', 'c++', 'c++20')
    assert run(tmp_path / 'bin', '-v') == 3


@pytest.mark.parametrize('compiler', ['g++', 'clang++'])
def test_a_source_of_the_newer_standard_compiles(tmp_path, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f'no {compiler} on this machine')
    source = tmp_path / 'a.cpp'
    source.write_text('static_assert(__cplusplus >= 201703L);\n')
    arguments = ['-std=c++14', '-c', str(source), '-o', str(tmp_path / 'a.o')]
    assert subprocess.run([compiler, *arguments], stderr=subprocess.DEVNULL).returncode
    write_compiler(tmp_path / 'bin', compiler, 'c++17')
    assert run(tmp_path / 'bin', *arguments) == 0


def test_variables_keep_what_the_user_set(tmp_path):
    environ = {'PATH': '/bin', 'CFLAGS': '-march=native', 'NVCC_APPEND_FLAGS': '--threads=2'}
    found = build_variables(tmp_path, 'c++20', environ)
    assert found['PATH'] == f'{tmp_path}:/bin'
    assert found['CFLAGS'] == '-g0 -O2 -march=native'
    assert found['NVCC_APPEND_FLAGS'] == '--threads=2 -std=c++20'
    assert found['CC'] == found['CXX'] == 'c++'


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
    )
    lines = dict(line[len('export ') :].split('=', 1) for line in answer.stdout.splitlines())
    assert shlex.split(lines['PATH'])[0].startswith(str(tmp_path / 'cc'))
    assert (tmp_path / 'cc/c++').exists()
