"""Runs the layer's tests beside other versions of torch, with nothing of MMDetection3D installed.

Example:
    python benchmarks/check_pnp_versions.py [--torch 1.13.1 2.13.0] [--onnx] [--envs FOLDER]

For each version: makes a virtual environment with that torch (pip's settings decide which build:
`PIP_INDEX_URL=https://download.pytorch.org/whl/cpu` keeps it small), installs a copy of this
repository by `pip install .`, trains a step from outside the checkout with torch as the only
package, adds numpy, pytest and hypothesis, and runs `tests/pnp` against the installed copy with
deprecation warnings as errors. Ends with a table, and with status 1 where a step failed.

Among those tests are, for every version, the bounds on the operations that a call takes and that it
never waits for the device (`test_kernel_counts.py`); from torch 2.4 on, both passes with fake
tensors on `cuda:0`, which raise at whatever would wait or use another device; from 2.11 on,
`torch.compile` (`test_compile.py`); and, where torch brings Triton 3.6 or newer and
`TRITON_INTERPRET=1` is set, Triton's kernels (`test_fused.py`). No GPU is needed, and none is used.

Environments are kept in FOLDER and used again. One takes 1 to 6 GB.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'MANIFEST.in', 'requirements')

ALONE = """
import importlib.util, sys, torch
found = [name for name in ('mmcv', 'mmdet', 'mmdet3d', 'cv2', 'scipy', 'numpy', 'matplotlib')
         if importlib.util.find_spec(name)]
assert not found or sys.argv[1] == 'again', found
import epropnp_det
from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, MonteCarloPoseLoss, PerspectiveCamera
assert 'site-packages' in epropnp_det.__file__, epropnp_det.__file__
x3d = torch.rand(3, 24, 3) - 0.5
camera = PerspectiveCamera(torch.tensor([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]))
for layer, tail in ((EProPnP4DoF, [0.3]), (EProPnP6DoF, [1.0, 0.0, 0.0, 0.0])):
    pose = torch.tensor([[0.1, 0.2, 5.0, *tail]]).expand(3, -1)
    x2d = camera.project(x3d, pose).requires_grad_()
    result = layer(mc_samples=32).monte_carlo_forward(x3d, x2d, torch.ones(3, 24, 2), camera, pose)
    MonteCarloPoseLoss()(result.log_weights, result.cost_target, 1.0).backward()
    assert torch.isfinite(x2d.grad).all() and result.valid.all()
print(torch.__version__)
"""


class Row(NamedTuple):
    """What one version showed."""

    torch: str
    alone: str
    tests: str

    @property
    def good(self) -> bool:
        """Whether nothing failed."""
        bad = re.search('failed|error', self.tests)
        return self.alone == 'yes' and ' passed' in self.tests and not bad


def numpy_requirement(torch_version: str) -> str:
    """The numpy that a torch was built for: before 2.3 it cannot talk to numpy 2."""
    major, minor = (int(part) for part in torch_version.split('.')[:2])
    return 'numpy<2' if (major, minor) < (2, 3) else 'numpy'


def summary(output: str) -> str:
    """Pytest's last line without its decoration, '12 passed, 1 skipped in 3.45s'."""
    found = re.findall(r'^=*\s*((?:\d+ \w+(?:, )?)+ in [\d.]+s).*$', output, re.MULTILINE)
    return found[-1] if found else 'did not run'


class Environment:
    """The virtual environment of one version."""

    def __init__(self, folder: Path, version: str, python: str) -> None:
        self.folder = folder
        self.version = version
        self.base = python
        self.log = folder.with_name(folder.name + '.log')
        # neither the user's site nor the checkout may lend a package
        names = ('PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV')
        self.environ = {name: text for name, text in os.environ.items() if name not in names}
        self.environ['PYTHONNOUSERSITE'] = '1'

    def run(self, *command: str, cwd: Path | None = None) -> tuple[int, str]:
        """Runs a command; its output goes to the log and to the caller."""
        result = subprocess.run(
            command,
            cwd=str(cwd or self.folder),
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with self.log.open('a') as stream:
            stream.write('$ ' + ' '.join(command) + '\n' + result.stdout)
        return result.returncode, result.stdout

    def python(self, *arguments: str, cwd: Path | None = None) -> tuple[int, str]:
        """Runs the environment's interpreter."""
        return self.run(str(self.folder / 'bin' / 'python'), *arguments, cwd=cwd)

    def pip(self, *arguments: str) -> None:
        """Installs packages.

        Raises:
            RuntimeError: If pip fails.
        """
        status, output = self.python('-m', 'pip', 'install', '--progress-bar', 'off', *arguments)
        if status:
            raise RuntimeError(f'pip install {" ".join(arguments)} failed:\n{tail(output)}')

    def check(self, onnx: bool, pytest_arguments: list[str]) -> Row:
        """Makes what is missing, then runs the checks."""
        stamp = self.folder / 'complete'
        again = stamp.is_file()
        if not again:
            shutil.rmtree(str(self.folder), ignore_errors=True)
            self.folder.mkdir(parents=True)
            status, output = self.run(self.base, '-m', 'venv', str(self.folder))
            if status:
                raise RuntimeError(f'{self.base} makes no environment:\n{tail(output)}')
            say(f'  installing torch {self.version}')
            self.pip(f'torch=={self.version}')
        say('  pip install . , and a training step with torch alone')
        self._install_copy()
        status, output = self.python('-W', 'ignore', '-c', ALONE, 'again' if again else 'first')
        alone = 'no' if status else 'yes'
        if status:
            say(tail(output))
        numpy = numpy_requirement(self.version)  # in every call: others must not upgrade it
        if not again:
            self.pip(numpy, 'pytest', 'hypothesis')
        if onnx:
            self.pip(numpy, 'onnx', 'onnxruntime')
        stamp.touch()
        say('  tests/pnp')
        strict = ('-W', 'error::DeprecationWarning', '-W', 'error::FutureWarning')
        status, output = self.python(
            *('-m', 'pytest', 'tests/pnp', '-p', 'no:cacheprovider', *strict, *pytest_arguments),
            cwd=ROOT,
        )
        if status:
            say(tail(output))
        return Row(self.version, alone, summary(output))

    def _install_copy(self) -> None:
        """Installs the package from a copy, so that no build folder appears in the checkout."""
        with tempfile.TemporaryDirectory() as scratch:
            for name in SOURCES:
                source, target = ROOT / name, Path(scratch) / name
                if source.is_dir():
                    shutil.copytree(str(source), str(target))
                else:
                    shutil.copy(str(source), str(target))
            ignore = shutil.ignore_patterns('*.egg-info', '__pycache__')
            shutil.copytree(str(ROOT / 'projects'), f'{scratch}/projects', ignore=ignore)
            self.pip('--force-reinstall', '--no-deps', scratch)


def tail(text: str, lines: int = 30) -> str:
    """The end of an output."""
    return '\n'.join(text.splitlines()[-lines:])


def say(text: str) -> None:
    """Prints at once."""
    print(text, flush=True)


def main() -> None:
    """Parses the command line, prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--torch', nargs='+', default=['1.13.1', '2.13.0'], metavar='VERSION')
    parser.add_argument('--python', default=sys.executable, help='interpreter to build upon')
    parser.add_argument('--envs', type=Path, default=ROOT / 'work_dirs' / 'pnp_versions')
    parser.add_argument('--onnx', action='store_true', help='install onnx, so that its test runs')
    parser.add_argument('pytest', nargs='*', help='further arguments of pytest, after --')
    args = parser.parse_args()
    rows = []
    for number, version in enumerate(args.torch, 1):
        start = time.monotonic()
        say(f'[{number}/{len(args.torch)}] torch {version}')
        environment = Environment(args.envs.resolve() / f'torch-{version}', version, args.python)
        try:
            rows.append(environment.check(args.onnx, args.pytest))
        except RuntimeError as error:
            say(str(error))
            rows.append(Row(version, '-', 'not installed'))
        say(f'  done in {time.monotonic() - start:.0f} s (log: {environment.log})')
    say(f'\n{"torch":12}{"with torch alone":20}tests/pnp')
    for row in rows:
        say(f'{row.torch:12}{row.alone:20}{row.tests}')
    sys.exit(not all(row.good for row in rows))


if __name__ == '__main__':
    main()
