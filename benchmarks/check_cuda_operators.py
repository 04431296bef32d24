"""Compiles mmcv-full's CUDA operators as published, on a machine without a GPU or a CUDA toolkit.

Example:
    .venv/bin/python benchmarks/check_cuda_operators.py [--operators all] [--arch 90]

The compiler (nvcc and its headers) comes from the package index, in the version of CUDA that the
interpreter's torch was built for (13 or newer, so the modern set), and goes into FOLDER beside the
sources of mmcv-full. By default those operators are compiled that this detector calls on a GPU.
Prints a table; status 1 if one does not compile. It neither links nor runs them: that needs a GPU.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.cpp_extension import include_paths

ROOT = Path(__file__).resolve().parents[1]
STANDARD = 'c++20'  # of torch's headers; mmcv-full asks for c++14
COMPILER = ('nvidia-cuda-nvcc', 'nvidia-nvvm', 'nvidia-cuda-crt', 'nvidia-cuda-cccl')
NEEDED = (
    'box_iou_rotated_cuda',
    'deform_conv_cuda',
    'focal_loss_cuda',
    'iou3d_cuda',
    'modulated_deform_conv_cuda',
    'nms_cuda',
    'nms_rotated_cuda',
    'roi_align_cuda',
)
"""Deformable convolutions, losses, suppression and crops of our and FCOS3D's configs."""


def pip(*arguments: str) -> None:
    """Call the interpreter's own pip."""
    subprocess.run([sys.executable, '-m', 'pip', '--quiet', *arguments], check=True)


def fetch_compiler(folder: Path, cuda: str) -> Path:
    """Install nvcc of a version of CUDA, such as 13.0, and return its root (a CUDA_HOME)."""
    root = folder / 'nvidia' / f'cu{cuda.partition(".")[0]}'
    if not (root / 'bin' / 'nvcc').exists():
        packages = [f'{name}=={cuda}.*' for name in COMPILER]
        pip('install', '--no-deps', '--no-compile', '--target', str(folder), *packages)
    return root


def fetch_sources(folder: Path) -> Path:
    """Download and unpack mmcv-full as published; return the folder of its C++ and CUDA files."""
    requirement = (ROOT / 'requirements' / 'mmcv.txt').read_text().split()[-1]
    name = requirement.replace('==', '-')
    if not (folder / name).exists():
        download = ['download', '--no-deps', '--no-build-isolation', '--no-binary', ':all:']
        pip(*download, '--dest', str(folder), requirement)
        with tarfile.open(str(next(folder.glob('*.tar.gz')))) as archive:
            archive.extractall(str(folder))
    return folder / name / 'mmcv' / 'ops' / 'csrc'


def command(root: Path, sources: Path, arch: str) -> list[str]:
    """Return the call of nvcc with the flags that mmcv-full's and torch's set-ups give it."""
    runtime = [Path(path) / 'nvidia' / root.name / 'include' for path in sys.path]
    folders = [sources / 'common', sources / 'common' / 'cuda', *include_paths()]
    folders += [sysconfig.get_path('include'), *(path for path in runtime if path.is_dir())]
    half = ('HALF_OPERATORS', 'HALF_CONVERSIONS', 'HALF2_OPERATORS', 'BFLOAT16_CONVERSIONS')
    return [
        str(root / 'bin' / 'nvcc'),
        *(f'-I{folder}' for folder in folders),
        *(f'-D__CUDA_NO_{name}__' for name in half),
        *('-DMMCV_WITH_CUDA', '-DTORCH_EXTENSION_NAME=_ext', '-DTORCH_API_INCLUDE_EXTENSION_H'),
        *('--expt-relaxed-constexpr', '-Xcompiler', '-fPIC', f'-std={STANDARD}'),
        f'-gencode=arch=compute_{arch},code=sm_{arch}',
    ]


def compile_files(call: Sequence[str], files: Sequence[Path], folder: Path) -> bool:
    """Compile one file after the other, a row of the table each; tell whether all went well."""
    print('| operator | compiles | processor time |\n|---|---|---|')
    good = True
    for file in files:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        target = ['-c', str(file), '-o', str(folder / f'{file.stem}.o')]
        result = subprocess.run([*call, *target], stderr=subprocess.PIPE, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        word = 'no' if result.returncode else 'yes'
        print(f'| {file.stem} | {word} | {seconds:.0f} s |', flush=True)
        if result.returncode:
            good = False
            print(result.stderr[-3000:], file=sys.stderr, flush=True)
    return good


def main() -> None:
    """Parse the command line, fetch what is missing, compile."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--operators', nargs='+', default=NEEDED, help='names of .cu files; `all` for every one'
    )
    parser.add_argument('--arch', default='80', help='architecture of the GPU: 80, 90, 100, ...')
    parser.add_argument('--folder', type=Path, default=ROOT / 'work_dirs/cuda_operators')
    args = parser.parse_args()
    cuda = torch.version.cuda
    if cuda is None or int(cuda.partition('.')[0]) < 13:
        sys.exit(f'error: torch {torch.__version__} is not built for CUDA 13 or newer')
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    root = fetch_compiler(folder, cuda)
    sources = fetch_sources(folder)
    known = {path.stem: path for path in sorted(sources.glob('pytorch/cuda/*.cu'))}
    names = list(known) if list(args.operators) == ['all'] else args.operators
    if unknown := [name for name in names if name not in known]:
        sys.exit(f'error: no operator {", ".join(unknown)}; there are {", ".join(known)}')
    print(f'mmcv-full, CUDA {cuda}, sm_{args.arch}, torch {torch.__version__}')
    call = command(root, sources, args.arch)
    os.environ['PATH'] = os.pathsep.join([str(root / 'bin'), os.environ.get('PATH', os.defpath)])
    sys.exit(not compile_files(call, [known[name] for name in names], folder))


if __name__ == '__main__':
    main()
