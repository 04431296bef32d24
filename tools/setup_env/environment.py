"""The environment in `.venv` and the steps that make it.

Each step leaves a stamp in `.venv/.setup` that holds the hash of what went into it and into the
steps before, so that an interrupted run goes on where it stopped, a changed requirement redoes
what it must, and a run with nothing to do ends at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, NamedTuple

from compiler import WHILE_BUILDING, build_variables, write_compiler
from find_python import Python, check_compiler, find_python, probe
from quiet_runner import QuietRunner, clock
from stacks import CLASSIC, STACKS, SetupError, Stack, asked_for, for_python

DISK_GB = 7.0
GB_PER_COMPILER = 1.5
MMCV_MINUTES = 10  # of one core, to compile mmcv-full

# Run in the environment: does the compiled part of mmcv load, and has it CUDA where it must?
OPS_TEST = """
import sys, torch, mmcv._ext
from mmcv.ops import get_compiling_cuda_version
cuda = get_compiling_cuda_version()
assert sys.argv[1] == '0' or cuda != 'not available', 'mmcv-full was compiled without CUDA'
print('mmcv operators load; CUDA:', cuda)
"""

# Run in the environment: GPU visible | CUDA of torch | CUDA of nvcc.
CUDA_TEST = """
import re, subprocess, torch
from torch.utils.cpp_extension import CUDA_HOME
nvcc = ''
if CUDA_HOME and torch.cuda.is_available():
    try:
        text = subprocess.check_output([CUDA_HOME + '/bin/nvcc', '--version']).decode()
        nvcc = re.search(r'release ([\\d.]+)', text).group(1)
    except (OSError, AttributeError, subprocess.CalledProcessError):
        pass
print(torch.cuda.is_available(), torch.version.cuda or '', nvcc, sep='|')
"""

# Run in the environment: the layer as detectors call it, so that its loops are compiled and kept in
# the user's cache now and not while the first images wait.
LAYER_TEST = """
import torch
from epropnp_det.pnp import EProPnP4DoF, PerspectiveCamera
torch.manual_seed(0)
x3d, x2d, w2d = torch.randn(8, 64, 3), 300 * torch.rand(8, 64, 2), torch.rand(8, 64, 2)
cam2img = torch.tensor([[500.0, 0, 150], [0, 500, 150], [0, 0, 1]])
camera = PerspectiveCamera.from_image_size(cam2img, torch.tensor([300, 300]))
result = EProPnP4DoF().monte_carlo_forward(x3d, x2d, w2d, camera, fast_mode=True)
assert result.valid.all(), 'the layer finds no poses'
print('the layer solves')
"""


class Step(NamedTuple):
    """One stage of the set-up: skipped while its stamp holds the same key."""

    name: str
    title: str
    key: str
    run: Callable[[], None]


def compile_jobs(environ: dict[str, str]) -> int:
    """Choose the number of parallel compilers: every core, fewer where memory is short."""
    if environ.get('MAX_JOBS'):
        return int(environ['MAX_JOBS'])
    affinity = getattr(os, 'sched_getaffinity', None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with contextlib.suppress(OSError):  # no /proc: not Linux
        for free in re.findall(r'MemAvailable:\s+(\d+)', Path('/proc/meminfo').read_text()):
            return max(1, min(cores, int(int(free) / 2**20 / GB_PER_COMPILER)))
    return cores


def digest(*parts: str) -> str:
    """Hash the things a step depends on."""
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]


class Environment:
    """The environment at `root/.venv` and the steps that make it."""

    def __init__(self, root: Path, environ: dict[str, str]) -> None:
        self.root = root
        self.environ = environ
        self.venv = root / '.venv'
        self.stamps = self.venv / '.setup'
        self.run = QuietRunner(self.venv / 'setup.log')
        # An environment without a record is of the time before there were two sets. Where there is
        # none yet, the set follows from the Python that `_prepare` finds.
        self.stack = self._recorded_stack() or asked_for(environ) or CLASSIC

    @property
    def python(self) -> str:
        """The environment's own interpreter."""
        return str(self.venv / 'bin' / 'python')

    def steps(self) -> list[Step]:
        """List what has to be done, in order; each key covers the steps before it."""
        jobs = compile_jobs(self.environ)
        minutes = max(2, round(MMCV_MINUTES / jobs))
        locked = self.stack.constraints
        plan = (
            ('tools', 'pip, setuptools, ninja', ('build.txt', locked), '', self._tools),
            (
                'packages',
                'torch, mmdet and all that has wheels (2 GB or more, 2-5 min)',
                ('detector.txt', 'dev.txt', locked),
                '',
                self._packages,
            ),
            (
                'mmcv',
                f'compiling mmcv-full (about {minutes} min on {jobs} cores; seconds if pip has it '
                'in its cache)',
                ('mmcv.txt',),
                '',
                self._mmcv,
            ),
            ('no_deps', 'mmdet3d, devkits', ('no_deps.txt',), '', self._no_deps),
            ('package', 'epropnp_det, editable', (), self._package_key(), self._package),
            ('check', 'importing it all', (), '', self._check),
            (
                'layer',
                "compiling the layer's loops (half a minute)",
                (),
                self._loops(),
                self._layer,
            ),
        )
        steps, key = [], ''
        for name, title, files, extra, action in plan:
            texts = [(self.root / 'requirements' / file).read_text() for file in files]
            key = digest(key, name, extra, *texts)
            steps.append(Step(name, title, key, action))
        return steps

    def pending(self) -> list[Step]:
        """Return the steps whose stamp is missing or old, and all that follow the first of them."""
        steps = self.steps()
        if not os.path.exists(self.python):
            return steps
        for index, step in enumerate(steps):
            stamp = self.stamps / step.name
            if not stamp.is_file() or stamp.read_text() != step.key:
                return steps[index:]
            if step.name == 'mmcv' and self._lacks_cuda():
                return steps[index:]
        return []

    def _lacks_cuda(self) -> bool:
        return self.environ.get('FORCE_CUDA') == '1' and not (self.stamps / 'cuda').exists()

    def make(self) -> None:
        """Bring the environment up to date.

        Raises:
            SetupError: Something the user has to mend.
        """
        self._refuse_another_stack()
        if not self.pending():
            return
        start = time.monotonic()
        say('Setting up {} (log: {})'.format(self.venv, self.venv / 'setup.log'))
        with self._lock():
            base = self._prepare()
            todo = self.pending()
            total = len(self.steps())
            for number, step in enumerate(todo, total - len(todo) + 1):
                say(f'[{number}/{total}] {step.title}')
                begin = time.monotonic()
                step.run()
                (self.stamps / step.name).write_text(step.key)
                say(f'      done in {clock(time.monotonic() - begin)}')
        say(f'Ready after {clock(time.monotonic() - start)}: {self.python} ({base})')

    def _recorded_stack(self) -> Stack | None:
        """Return the set that the environment was made for, None where it does not say."""
        record = self.stamps / 'stack'
        name = record.read_text() if record.is_file() else ''
        return next((stack for stack in STACKS if stack.name == name), None)

    def _refuse_another_stack(self) -> None:
        """Stop where the variable STACK asks for another set than the environment holds.

        Raises:
            SetupError: It does.
        """
        asked = asked_for(self.environ)
        if asked not in (None, self.stack) and os.path.exists(self.python):
            raise SetupError(
                f'{self.venv} holds the {self.stack.name} set. Remove it (`make clean-env`), then '
                f'run again with STACK={asked.name}; or use another clone for it.'
            )

    def _prepare(self) -> str:
        """Check the machine, then make or repair the bare environment; say what it stands on."""
        works = self._works()
        python = self._own_python() if works else find_python(self.environ)
        if not (works and self._recorded_stack()):
            self.stack = asked_for(self.environ) or for_python(python.version)
        compiler = check_compiler(python, self.stack.standard, self.environ)
        free = shutil.disk_usage(str(self.root)).free / 2**30
        if free < DISK_GB and not (self.stamps / 'packages').is_file():
            raise SetupError(f'About {DISK_GB:.0f} GB of disk are needed, {free:.1f} GB are free.')
        if not works:
            text = 'Making the environment with {} ({}.{}.{}), the {} set'
            say(text.format(python.path, *python.version, self.stack.name))
            for name in ('bin', 'lib', 'lib64', 'include', 'pyvenv.cfg', '.setup'):
                remove(self.venv / name)
            self.venv.mkdir(exist_ok=True)
            self.run([python.path, '-m', 'venv', str(self.venv)])
        self.stamps.mkdir(exist_ok=True)
        (self.stamps / 'stack').write_text(self.stack.name)
        return 'Python {}.{}.{}, {} set, {}'.format(*python.version, self.stack.name, compiler)

    def _works(self) -> bool:
        """Tell whether the environment's interpreter runs and has pip."""
        if not os.path.exists(self.python):
            return False
        command = [self.python, '-c', 'import pip']
        return subprocess.call(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0

    def _own_python(self) -> Python:
        """Return the environment's interpreter, made by us or by the user.

        Raises:
            SetupError: It is of an unsupported version, or cannot compile extensions.
        """
        try:
            return probe(self.python, asked_for(self.environ))
        except SetupError as error:
            raise SetupError(
                f'{self.python} {error}.\nRemove the folder (`make clean-env`) and run again.'
            ) from None

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep a second set-up of the same environment waiting until this one is done."""
        self.venv.mkdir(exist_ok=True)
        with (self.venv / '.lock').open('w') as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say('Another set-up of this environment is running; waiting for it.')
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _pip(self, *arguments: str, environ: dict[str, str] | None = None) -> None:
        command = [self.python, '-m', 'pip', 'install', '--progress-bar', 'off']
        self.run(command + list(arguments), environ)

    def _files(self, *names: str) -> list[str]:
        folder = self.root / 'requirements'
        found = ['-c', str(folder / self.stack.constraints)]
        for name in names:
            found += ['-r', str(folder / name)]
        return found

    def _tools(self) -> None:
        self._pip('--upgrade', *self._files('build.txt'))

    def _packages(self) -> None:
        self._pip(*self._files('detector.txt', 'dev.txt'))

    def _mmcv(self) -> None:
        """Compile mmcv-full, or take it from pip's cache if that copy fits this torch."""
        cuda = self._wants_cuda()
        folder = self.venv / 'compiler'
        real = self.environ.get('CXX') or 'c++'
        write_compiler(folder, real, self.stack.standard, self.python)
        environ = {
            **build_variables(folder, self.stack.standard, self.environ, self.python),
            'MAX_JOBS': str(compile_jobs(self.environ)),
            'MMCV_WITH_OPS': '1',
            'FORCE_CUDA': '1' if cuda else '0',
        }
        if not cuda:
            environ['CUDA_VISIBLE_DEVICES'] = ''
        arguments = ['-v', '--no-build-isolation', '--no-deps', *self._files('mmcv.txt')]
        self._pip(*arguments, environ=environ)
        test = [self.python, '-c', OPS_TEST, '1' if cuda else '0']
        try:
            self.run(test)
        except SetupError:
            say('      the copy at hand does not fit this torch: compiling afresh')
            again = ['--force-reinstall', '--no-cache-dir', '--no-binary', 'mmcv-full']
            self._pip(*again, *arguments, environ=environ)
            self.run(test)
        remove(folder)  # the precompiled header is large
        if cuda:
            (self.stamps / 'cuda').touch()

    def _wants_cuda(self) -> bool:
        """Decide whether mmcv's CUDA operators are compiled, and say so where a GPU is seen."""
        if self.environ.get('FORCE_CUDA') in ('0', '1'):
            return self.environ['FORCE_CUDA'] == '1'
        answer = subprocess.check_output(
            [self.python, '-c', CUDA_TEST], stderr=subprocess.DEVNULL, text=True
        )
        gpu, torch_cuda, nvcc = answer.strip().splitlines()[-1].split('|')
        if gpu != 'True':
            return False
        fits = nvcc.split('.')[0] == torch_cuda.split('.')[0]
        if fits:
            say(f'      a GPU and nvcc {nvcc}: with CUDA operators (longer)')
        else:
            say(
                '      a GPU, but nvcc {} beside torch for CUDA {}: operators for the CPU only '
                '(docs/install.md says how to use the GPU)'.format(nvcc or 'missing', torch_cuda)
            )
        return fits

    def _no_deps(self) -> None:
        arguments = ['--no-deps', '--no-build-isolation', *self._files('no_deps.txt')]
        self._pip(*arguments, environ={'PYTHONPATH': str(WHILE_BUILDING)})

    def _package_key(self) -> str:
        return digest(str(self.root), (self.root / 'setup.py').read_text())

    def _package(self) -> None:
        self._pip('--no-deps', '--no-build-isolation', '-e', str(self.root))

    def _check(self) -> None:
        self.run([self.python, str(self.root / 'projects/epropnp_det/compatibility.py')])

    def _loops(self) -> str:
        """What the loops rest on: they are compiled anew when one of them changes."""
        sources = self.root.glob('projects/epropnp_det/pnp/compiled/*.py')
        return digest(*(path.read_text() for path in sorted(sources)))

    def _layer(self) -> None:
        self.run([self.python, '-c', LAYER_TEST])


def remove(path: Path) -> None:
    """Delete a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    elif path.exists() or path.is_symlink():
        path.unlink()


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)
