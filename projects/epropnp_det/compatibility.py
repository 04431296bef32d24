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
    """A distribution and the versions of it that work: `lowest <= version < too_new`."""

    name: str
    lowest: str
    too_new: str
    cure: str


# The marks of the detector's stack: where none of them is installed, only the layer is wanted.
MARKS = ('mmcv-full', 'mmcv', 'mmdet', 'mmsegmentation', 'mmdet3d')

REQUIREMENTS = (
    Requirement('torch', '1.13', '3', 'pip install torch==2.0.1 torchvision==0.15.2'),
    Requirement('numpy', '1.20', '1.24', 'pip install numpy==1.23.5'),
    Requirement(
        'mmcv-full',
        '1.5.2',
        '1.7.1',
        'pip install setuptools==69.5.1 wheel ninja && pip install --no-build-isolation --no-deps '
        'mmcv-full==1.7.0',
    ),
    Requirement('mmdet', '2.24.0', '3.0.0rc0', 'pip install mmdet==2.28.2'),
    Requirement('mmsegmentation', '0.20.0', '1.0.0rc0', 'pip install mmsegmentation==0.30.0'),
    Requirement(
        'mmdet3d',
        '1.0.0rc6',
        '1.1.0rc0',
        'pip install --no-build-isolation --no-deps mmdet3d==1.0.0rc6 lyft-dataset-sdk==0.0.8',
    ),
    Requirement('nuscenes-devkit', '1.1.0', '2', 'pip install nuscenes-devkit==1.2.0'),
)


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
    return problems or find_operator_problems()


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
            'pip uninstall mmcv-full mmcv; pip install --no-cache-dir --no-build-isolation '
            '--no-deps mmcv-full==1.7.0   (FORCE_CUDA=1 in front of it for a GPU)'
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
        'detector runs on the CPU only. Cure: FORCE_CUDA=1 pip install --force-reinstall '
        '--no-cache-dir --no-build-isolation --no-deps mmcv-full==1.7.0, with the nvcc of that '
        f'CUDA version in CUDA_HOME; {GUIDE}',
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
