"""Find a Python that can make the environment, and a C++ compiler that can fill it.

Only looking is not enough: pyenv leaves commands that exist and fail, Debian ships Python without
`venv` or headers. So every candidate is run, and the compiler compiles a file. Standard library
only, for any Python from 3.7 on.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stacks import SetupError, Stack, asked_for, listed, supported

# What a Python must be able to do, run inside each candidate.
PROBE = """
import sys, sysconfig, os
lost = []
for name in ('ensurepip', 'venv', 'ssl', 'ctypes', 'zlib', 'bz2', 'lzma', 'sqlite3'):
    try:
        __import__(name)
    except ImportError:
        lost.append(name)
header = os.path.join(sysconfig.get_paths()['include'], 'Python.h')
version = '%d.%d.%d' % sys.version_info[:3]
print(version, os.path.isfile(header), sys.maxsize > 2 ** 32, ','.join(lost))
"""


class Python(NamedTuple):
    """An interpreter that can make the environment."""

    path: str
    version: tuple[int, int, int]


def candidates(environ: Mapping[str, str]) -> list[str]:
    """List the interpreters worth trying, best version first, without repetition."""
    if environ.get('PYTHON'):
        return [environ['PYTHON']]
    home = Path(environ.get('HOME') or '~').expanduser()
    folders = [Path(folder) for folder in environ.get('PATH', '').split(os.pathsep) if folder]
    folders += [
        Path('/usr/local/bin'),
        Path('/usr/bin'),
        Path('/opt/homebrew/bin'),
        home / '.local/bin',
    ]
    pyenv = Path(environ.get('PYENV_ROOT') or home / '.pyenv') / 'versions'
    found = []
    for major, minor in supported(asked_for(environ)):
        name = f'python{major}.{minor}'
        found += [folder / name for folder in folders]
        found += sorted(pyenv.glob(f'{major}.{minor}.*/bin/python'), reverse=True)
    found += [folder / name for name in ('python3', 'python') for folder in folders]
    files = [str(path) for path in found if os.access(str(path), os.X_OK)]
    return list(dict.fromkeys(files))


def probe(path: str, stack: Stack | None = None) -> Python:
    """Run one interpreter and return it, if it can make the environment.

    Args:
        path: The interpreter.
        stack: The set of packages that it must suit, None: any.

    Raises:
        SetupError: It does not run, has another version, or lacks a part; the message says which.
    """
    try:
        answer = subprocess.run(
            [path, '-I', '-c', PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f'does not run ({error})') from None
    if answer.returncode:
        lines = (answer.stderr or '').strip().splitlines() or ['no message']
        raise SetupError(f'does not run ({lines[0]})')
    parts = answer.stdout.rstrip('\n').split(' ')
    if len(parts) != 4:
        raise SetupError('does not answer as a Python does')
    version_text, header, wide, lost = parts
    major, minor, patch = (int(part) for part in version_text.split('.'))
    short = f'{major}.{minor}'
    if (major, minor) not in supported(stack):
        wanted = listed(supported(stack)) + (f' for STACK={stack.name}' if stack else '')
        raise SetupError(f'is Python {version_text}; {wanted} is needed')
    if wide != 'True':
        raise SetupError('is a 32-bit Python; torch has 64-bit packages only')
    if 'ensurepip' in lost or 'venv' in lost:
        raise SetupError(
            f'cannot make environments; on Debian, Ubuntu: sudo apt install python{short}-venv'
        )
    if header != 'True':
        raise SetupError(f'has no Python.h; on Debian, Ubuntu: sudo apt install python{short}-dev')
    if lost:
        raise SetupError('was built without ' + lost)
    return Python(path, (major, minor, patch))


def find_python(environ: Mapping[str, str]) -> Python:
    """Return the first interpreter that passes `probe`.

    Raises:
        SetupError: None does; the message lists what was tried and what to install.
    """
    stack = asked_for(environ)
    refused = []
    for path in candidates(environ):
        try:
            return probe(path, stack)
        except SetupError as error:
            refused.append(f'  {path} {error}')
    wanted = listed(supported(stack)) + (f' (for STACK={stack.name})' if stack else '')
    tried = '\n'.join(refused) or '  (nothing named python3 or python3.9 to python3.14)'
    raise SetupError(
        f'No usable Python {wanted}. Tried:\n{tried}\n'
        'Install one and run again, for example:\n'
        '  Debian 12 and newer, Ubuntu 22.04 and newer (their own Python will do):\n'
        '                   sudo apt install python3 python3-venv python3-dev build-essential\n'
        '  Fedora:          sudo dnf install python3.12 python3.12-devel gcc-c++\n'
        '  anywhere:        pyenv install 3.12   or   conda create -p ~/python312 python=3.12\n'
        'or name it: make setup PYTHON=/path/to/python3.12'
    )


def check_compiler(python: Python, standard: str, environ: Mapping[str, str]) -> str:
    """Compile a C++ file that includes Python.h; return the compiler's name.

    Args:
        python: The interpreter whose headers are used.
        standard: Of C++, such as `c++20`.
        environ: The environment variables; `CXX` names the compiler.

    Raises:
        SetupError: No compiler, or it cannot compile; the message says what to install.
    """
    compiler = environ.get('CXX') or 'c++'
    include = subprocess.check_output(
        [python.path, '-I', '-c', 'import sysconfig; print(sysconfig.get_paths()["include"])'],
        universal_newlines=True,
    ).strip()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / 'probe.cpp'
        source.write_text('#include <Python.h>\n#include <vector>\nstd::vector<int> probe{1};\n')
        command = [*shlex.split(compiler), f'-std={standard}', '-I', include, '-c', str(source)]
        try:
            done = subprocess.run(
                command + ['-o', str(source) + '.o'],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            trouble = (done.stdout or f'exit status {done.returncode}') if done.returncode else ''
        except OSError as error:
            trouble = str(error)
    if trouble:
        raise SetupError(
            'mmcv-full is compiled here, and no working C++ compiler was found:\n  {}\nInstall one '
            'and run again:\n  Debian, Ubuntu:  sudo apt install build-essential\n'
            '  Fedora:          sudo dnf install gcc-c++\n'
            '  macOS:           xcode-select --install\n'
            'or name it: CXX=/path/to/g++ make setup'.format('\n  '.join(trouble.splitlines()[:5]))
        )
    return compiler
