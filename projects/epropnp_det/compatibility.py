"""Which packages the detector stands on, and what to do when one is missing or does not fit.

The layer `epropnp_det.pnp` needs torch alone; everything else needs the stack below. Run as a
script, this file prints what is installed and checks it:

    python projects/epropnp_det/compatibility.py

Only the standard library is imported at module level, so that the check can speak where nothing
else can.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from importlib import metadata
from typing import NamedTuple

GUIDE = 'docs/install.md (or `make setup`, which installs everything) says how.'


class StackError(ImportError):
    """A package the detector needs is missing or does not fit; the message says what to do."""


class Requirement(NamedTuple):
    """A distribution and the versions of it that work: `lowest <= version < too_new`.

    The cures install the versions of the classic and of the modern set (docs/install.md).
    """

    name: str
    lowest: str
    too_new: str
    classic: str
    modern: str

    @property
    def cure(self) -> str:
        """The command that mends it in this environment."""
        return self.modern if is_modern() else self.classic


# The marks of the detector's stack: where none of them is installed, only the layer is wanted.
MARKS = ('mmcv-full', 'mmcv', 'mmdet', 'mmsegmentation', 'mmdet3d')

_MMCV = 'pip install --no-build-isolation --no-deps mmcv-full==1.7.0'
_MMDET = 'pip install mmdet==2.28.2'
_MMSEG = 'pip install mmsegmentation==0.30.0'
_MMDET3D = 'pip install --no-build-isolation --no-deps mmdet3d==1.0.0rc6 lyft-dataset-sdk==0.0.8'
_NUMPY = 'pip install numpy==' + ('2.3.5' if sys.version_info >= (3, 14) else '2.2.6')
_DEVKIT = 'pip install --no-deps nuscenes-devkit==1.2.0'  # it asks for numpy < 2, and works with 2
REQUIREMENTS = (
    Requirement(
        'torch',
        '1.13',
        '3',
        'pip install torch==2.0.1 torchvision==0.15.2',
        'pip install torch==2.14.1 torchvision==0.29.1',
    ),
    Requirement('numpy', '1.20', '3', 'pip install numpy==1.23.5', _NUMPY),
    Requirement(
        'mmcv-full',
        '1.5.2',
        '1.7.1',
        f'pip install setuptools==69.5.1 wheel ninja && {_MMCV}',
        'pip install setuptools==80.9.0 wheel ninja && eval "$(python tools/setup_env/compiler.py '
        f'/tmp/compiler)" && {_MMCV}   (in the repository; the second command writes a compiler '
        'that appends -std=c++20)',
    ),
    Requirement('mmdet', '2.24.0', '3.0.0rc0', _MMDET, _MMDET),
    Requirement('mmsegmentation', '0.20.0', '1.0.0rc0', _MMSEG, _MMSEG),
    Requirement('mmdet3d', '1.0.0rc6', '1.1.0rc0', _MMDET3D, _MMDET3D),
    Requirement('nuscenes-devkit', '1.1.0', '2', _DEVKIT, _DEVKIT),
)
MMCV = next(need for need in REQUIREMENTS if need.name == 'mmcv-full')


def parse_version(text: str) -> tuple[tuple[int, ...], int, int]:
    """Turn a version into a value that sorts: release, then pre-releases before the final one.

    Local parts (`+cu118`) and post-releases do not count.
    """
    match = re.match(r'\s*v?(\d+(?:\.\d+)*)(?:[.-]?(?:a|b|rc|dev|alpha|beta)(\d*))?', text)
    if match is None:
        raise ValueError(f'{text!r} is not a version')
    release = tuple(int(part) for part in match.group(1).split('.'))
    release += (0,) * (4 - len(release))
    final = match.group(2) is None
    return release, int(final), 0 if final else int(match.group(2) or 0)


def installed_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def is_modern() -> bool:
    """Tell whether this environment is one for the modern set: by its torch, or its Python."""
    torch = installed_version('torch')
    if torch is None:
        return sys.version_info >= (3, 12)
    return parse_version(torch) >= parse_version('2.1')


def has_detector_stack() -> bool:
    """Tell whether any package of the detector's stack is installed, fitting or not."""
    return any(installed_version(name) for name in MARKS)


def find_problems() -> list[str]:
    """Describe every requirement that is not met, each with the command that mends it."""
    problems = []
    for need in REQUIREMENTS:
        version = installed_version(need.name)
        wanted = f'{need.lowest} <= version < {need.too_new}'
        if version is None:
            found = 'is not installed'
            if need.name == 'mmcv-full' and installed_version('mmcv'):
                found = (
                    f'is not installed, but mmcv {installed_version("mmcv")} is, which lacks the '
                    'compiled operators: run `pip uninstall mmcv` first'
                )
        elif parse_version(need.lowest) <= parse_version(version) < parse_version(need.too_new):
            continue
        else:
            found = f'is installed as {version}'
        problems.append(f'{need.name} {found} (needed: {wanted})\n      cure: {need.cure}')
    return problems or find_numpy_problems() or find_operator_problems()


def find_numpy_problems() -> list[str]:
    """Describe a numpy that the installed torch does not know: before 2.3 it was built for 1."""
    torch, numpy = installed_version('torch'), installed_version('numpy')
    if torch is None or numpy is None:
        return []
    if parse_version(torch) >= parse_version('2.3') or parse_version(numpy) < parse_version('2'):
        return []
    return [
        f'numpy is installed as {numpy}, but torch {torch} was built for numpy 1'
        "\n      cure: pip install 'numpy<2'"
    ]


def find_operator_problems() -> list[str]:
    """Describe why mmcv's compiled operators do not load, if they do not.

    The usual reason is an mmcv-full compiled against another torch or CUDA.
    """
    try:
        importlib.import_module('mmcv._ext')
    except ImportError as error:
        reason = str(error).splitlines()[0]
        return [
            f'mmcv-full {installed_version("mmcv-full")} is installed, but its compiled operators '
            f'do not load beside torch {installed_version("torch")}: {reason}\n      This copy was '
            'compiled against another torch or CUDA (or for no operators at all).\n      cure: '
            'pip uninstall mmcv-full mmcv; with PIP_NO_CACHE_DIR=1 in the environment (and '
            f'FORCE_CUDA=1 for a GPU), {MMCV.cure}'
        ]
    return []


def warn_about_cuda() -> None:
    """Warn where a GPU is at hand and mmcv's operators were compiled without, or for another."""
    torch = importlib.import_module('torch')
    if not torch.cuda.is_available():
        return
    compiled = importlib.import_module('mmcv.ops').get_compiling_cuda_version()
    if compiled.split('.')[0] == str(torch.version.cuda).split('.')[0]:
        return
    warnings.warn(
        f'mmcv-full was compiled for CUDA {compiled!r}, torch for CUDA {torch.version.cuda}: the '
        'detector runs on the CPU only. Cure: with FORCE_CUDA=1 PIP_NO_CACHE_DIR=1 '
        'PIP_FORCE_REINSTALL=1 in the environment, and the nvcc of that CUDA version in CUDA_HOME, '
        f'{MMCV.cure}; {GUIDE}',
        stacklevel=2,
    )


def require_detector_stack() -> None:
    """Check the whole stack.

    Raises:
        StackError: A package is missing or does not fit.
    """
    problems = find_problems()
    if problems:
        listing = '\n'.join(f'  {number}. {text}' for number, text in enumerate(problems, 1))
        raise StackError(
            'the detector of epropnp_det needs packages that are missing or do not fit '
            f'(epropnp_det.pnp needs torch alone):\n{listing}\n{GUIDE}'
        )
    warn_about_cuda()


def is_mmcv_running() -> bool:
    """Tell whether mmcv 1.x is at work in this process, as it is when a config loads a plugin."""
    return hasattr(sys.modules.get('mmcv'), 'Config')


def main() -> int:
    """Print what is installed, check it, and return the exit status."""
    print(f'Python {sys.version.split()[0]}')
    for need in REQUIREMENTS:
        print(f'{need.name} {installed_version(need.name) or "-"}')
    try:
        require_detector_stack()
        importlib.import_module('mmdet3d.apis')
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    print('The stack fits.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
