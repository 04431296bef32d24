"""The C++ compiler that compiles mmcv-full: the user's own, with the standard that torch needs.

mmcv-full 1.7.0 asks for C++14, which the headers of torch 2.1 and newer refuse. So a command `c++`
is put in front of the compiler that appends the standard: the last one given counts. Nothing of
mmcv-full is changed.

The set-up calls `write_compiler`. For an environment of your own, run with its Python:

    python tools/setup_env/compiler.py FOLDER

It writes the command into FOLDER and prints the variables that make pip use it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path


def write_compiler(folder: Path, compiler: str, standard: str) -> None:
    """Write the command `c++` into a folder.

    Args:
        folder: Where it goes; made where it is missing.
        compiler: The real one, as in `CXX`; may hold arguments.
        standard: Of C++, such as `c++20`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    real = shlex.split(compiler)
    real[0] = shutil.which(real[0]) or real[0]  # the command itself will be first on PATH
    line = ' '.join(shlex.quote(part) for part in real)
    command = folder / 'c++'
    command.write_text(f'#!/bin/sh\nexec {line} "$@" -std={standard}\n')
    command.chmod(0o755)


def build_variables(folder: Path, standard: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Name the environment variables with which pip compiles mmcv-full by `folder/c++`."""
    path = os.pathsep.join([str(folder), environ.get('PATH', os.defpath)])
    nvcc = f'{environ.get("NVCC_APPEND_FLAGS", "")} -std={standard}'.strip()
    cflags = f'-g0 -O2 {environ.get("CFLAGS", "")}'.strip()
    return {'PATH': path, 'CC': 'c++', 'CXX': 'c++', 'CFLAGS': cflags, 'NVCC_APPEND_FLAGS': nvcc}


def standard_for(torch_version: str) -> str:
    """Return the C++ standard to compile with against a torch."""
    major, minor = (int(part) for part in torch_version.split('.')[:2])
    return 'c++14' if (major, minor) < (2, 1) else 'c++20'


def main() -> int:
    """Write the command for this interpreter's torch, print what to export."""
    if len(sys.argv) != 2 or sys.argv[1].startswith('-'):
        print(__doc__)
        return 2
    import torch

    folder = Path(sys.argv[1]).resolve()
    standard = standard_for(torch.__version__)
    write_compiler(folder, os.environ.get('CXX') or 'c++', standard)
    for name, value in build_variables(folder, standard, os.environ).items():
        print(f'export {name}={shlex.quote(value)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
