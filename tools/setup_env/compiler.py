"""The C++ compiler that compiles mmcv-full: the user's own, with two additions.

mmcv-full 1.7.0 asks for C++14, which the headers of torch 2.1 and newer refuse, and each of its
files parses the headers of torch anew, which is nearly all that compiling it costs. So a command
`c++` is put in front of the compiler. It appends the standard that torch needs (the last one given
counts), and lets g++ parse the headers of torch once, into a precompiled header, with the very
flags of the first file. Nothing of mmcv-full is changed. Where g++ finds that the precompiled
header does not fit, it reads the headers instead; other compilers always do.

The set-up calls `write_compiler`. For an environment of your own, run with its Python:

    python tools/setup_env/compiler.py FOLDER

It writes the command into FOLDER and prints the variables that make pip use it. One of them,
PYTHONPATH, is for Python 3.13 and newer, on which the setup.py of mmcv-full and of mmdet3d stop
(`while_building`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HEADER = 'torch.h'
SOURCE = re.compile(r'/csrc/.*\.cpp$')  # what nvcc hands over is preprocessed, and named otherwise
TAKES_VALUE = ('-o', '-MF', '-MT', '-MQ')
OF_ONE_FILE = ('-c', '-MMD', '-MD', '-MP')
WHILE_BUILDING = Path(__file__).resolve().parent / 'while_building'


def write_compiler(folder: Path, compiler: str, standard: str, python: str) -> None:
    """Write the command `c++` into a folder, afresh.

    Args:
        folder: Where it goes; what is in it is deleted.
        compiler: The real one, as in `CXX`; may hold arguments.
        standard: Of C++, such as `c++20`.
        python: The interpreter that the command runs on.
    """
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / HEADER).write_text('#include <torch/types.h>\n')
    real = shlex.split(compiler)
    real[0] = shutil.which(real[0]) or real[0]  # the command itself will be first on PATH
    head = [python, '-I', '-S', str(Path(__file__).resolve()), '--as', str(folder), standard]
    line = ' '.join(shlex.quote(part) for part in [*head, str(len(real)), *real])
    (folder / 'c++').write_text(f'#!/bin/sh\nexec {line} "$@"\n')
    (folder / 'c++').chmod(0o755)


def build_variables(
    folder: Path, standard: str, environ: Mapping[str, str], python: str
) -> dict[str, str]:
    """Name the environment variables with which pip compiles mmcv-full by `folder/c++`.

    The folder of the interpreter is on PATH because ninja lies there, without which torch compiles
    one file after the other.
    """
    programs = [str(folder), str(Path(python).parent), environ.get('PATH', os.defpath)]
    nvcc = f'{environ.get("NVCC_APPEND_FLAGS", "")} -std={standard}'.strip()
    cflags = f'-g0 -O2 {environ.get("CFLAGS", "")}'.strip()
    return {
        'PATH': os.pathsep.join(programs),
        'CC': 'c++',
        'CXX': 'c++',
        'CFLAGS': cflags,
        'NVCC_APPEND_FLAGS': nvcc,
        'PYTHONPATH': str(WHILE_BUILDING),  # alone: packages of elsewhere do not belong into it
    }


def standard_for(torch_version: str) -> str:
    """Return the C++ standard to compile with against a torch."""
    major, minor = (int(part) for part in torch_version.split('.')[:2])
    return 'c++14' if (major, minor) < (2, 1) else 'c++20'


def precompile(compiler: Sequence[str], arguments: Sequence[str], folder: Path) -> bool:
    """Precompile the headers of torch with the flags of one file, once; tell whether they are."""
    compiled = folder / (HEADER + '.gch')
    with (folder / 'lock').open('w') as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if not (folder / 'tried').exists():
            (folder / 'tried').touch()
            parts = iter(arguments)
            flags = []
            for part in parts:
                if part in TAKES_VALUE:
                    next(parts)
                elif part not in OF_ONE_FILE and not SOURCE.search(part):
                    flags.append(part)
            made = folder / 'made.gch'
            target = ['-x', 'c++-header', str(folder / HEADER), '-o', str(made)]
            subprocess.call([*compiler, *flags, *target])
            with contextlib.suppress(FileNotFoundError):  # it could not be made
                made.rename(compiled)
    return compiled.exists()


def is_gcc(compiler: Sequence[str]) -> bool:
    """Tell whether a compiler is g++, by its own word."""
    answer = subprocess.run([*compiler, '-v'], stderr=subprocess.PIPE, text=True)
    return 'gcc version' in answer.stderr


def compile_file(folder: Path, standard: str, compiler: list[str], arguments: list[str]) -> int:
    """Run the compiler with the additions; return its exit status."""
    full = [*arguments, f'-std={standard}']
    is_one_file = '-c' in arguments and sum(bool(SOURCE.search(part)) for part in arguments) == 1
    if is_one_file and is_gcc(compiler) and precompile(compiler, full, folder):
        quick = [*compiler, '-include', str(folder / HEADER), *full]
        if subprocess.call(quick) == 0:
            return 0
    return subprocess.call([*compiler, *full])  # also where a precompiled header is of no use


def main() -> int:
    """Write the command for this interpreter's torch, or be the command."""
    if sys.argv[1:2] == ['--as']:
        end = 5 + int(sys.argv[4])
        return compile_file(Path(sys.argv[2]), sys.argv[3], sys.argv[5:end], sys.argv[end:])
    if len(sys.argv) != 2 or sys.argv[1].startswith('-'):
        print(__doc__)
        return 2
    import torch

    folder = Path(sys.argv[1]).resolve()
    standard = standard_for(torch.__version__)
    write_compiler(folder, os.environ.get('CXX') or 'c++', standard, sys.executable)
    variables = build_variables(folder, standard, os.environ, sys.executable)
    for name, value in variables.items():
        print(f'export {name}={shlex.quote(value)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
