"""benchmarks/check_cuda_operators.py with a stand-in for nvcc, which is large and slow."""

import sys

import pytest


@pytest.fixture(scope='module')
def tool(repository):
    sys.path.insert(0, str(repository / 'benchmarks'))
    import check_cuda_operators

    yield check_cuda_operators
    sys.path.remove(str(repository / 'benchmarks'))


@pytest.fixture
def toolkit(tmp_path):
    """A CUDA_HOME whose nvcc refuses files named `bad` and writes what it was called with."""
    root = tmp_path / 'nvidia' / 'cu13'
    (root / 'bin').mkdir(parents=True)
    (root / 'bin' / 'nvcc').write_text(
        '#!/bin/sh\n'
        'case "$*" in *bad.cu*) echo "bad.cu(7): error" >&2; exit 2;; esac\n'
        'while [ "$1" != -o ]; do line="$line $1"; shift; done\n'
        'echo "$line" > "$2"\n'
    )
    (root / 'bin' / 'nvcc').chmod(0o755)
    return root


def test_a_row_for_each_file_and_the_error_of_the_one_that_fails(tool, toolkit, tmp_path, capsys):
    call = tool.command(toolkit, tmp_path / 'csrc', '90')
    files = [tmp_path / f'{name}.cu' for name in ('bad', 'good')]
    assert not tool.compile_files(call, files, tmp_path)
    shown = capsys.readouterr()
    rows = shown.out.splitlines()[2:]
    assert [row.split(' | ')[:2] for row in rows] == [['| bad', 'no'], ['| good', 'yes']]
    assert 'bad.cu(7): error' in shown.err
    flags = (tmp_path / 'good.o').read_text().split()
    assert flags[-2:] == ['-c', str(files[1])]
    assert '-std=c++20' in flags and '-gencode=arch=compute_90,code=sm_90' in flags
    assert tool.compile_files(call, files[1:], tmp_path)


def test_a_compiler_that_is_there_is_not_fetched_again(tool, toolkit, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, 'pip', lambda *_: pytest.fail('fetched'))
    assert tool.fetch_compiler(tmp_path, '13.0') == toolkit
