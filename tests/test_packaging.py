"""What an installation promises: versions, the layer alone, and words where the stack is wrong."""

import importlib.metadata
import os
import re
import subprocess
import sys
import textwrap

import pytest

from epropnp_det import compatibility
from epropnp_det.compatibility import REQUIREMENTS, parse_version
from epropnp_det.version import __version__
from support.limits import CHILD_SECONDS

# Put in front of a script run in a fresh interpreter: distributions as `versions` says (None:
# absent), and modules of the absent ones that cannot be imported.
WORLD = """
import importlib.abc, importlib.metadata, sys, warnings

versions = {versions!r}
real = importlib.metadata.version

def version(name):
    if name in versions:
        if versions[name] is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]
    return real(name)

importlib.metadata.version = version

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {blocked!r} or name.split('.')[0] in {blocked!r}:
            raise ModuleNotFoundError('No module named ' + repr(name), name=name)

sys.meta_path.insert(0, Blocker())
"""
MM_DISTRIBUTIONS = ('mmcv-full', 'mmcv', 'mmdet', 'mmsegmentation', 'mmdet3d')
MM_MODULES = ('mmcv', 'mmdet', 'mmseg', 'mmdet3d', 'nuscenes')
STACKS = {'classic': ('3.9', '3.10', '3.11'), 'modern': ('3.10', '3.11', '3.12', '3.13', '3.14')}
RIGHT = {
    'mmcv-full': '1.7.0',
    'mmdet': '2.28.2',
    'mmsegmentation': '0.30.0',
    'mmdet3d': '1.0.0rc6',
    'nuscenes-devkit': '1.2.0',
    'numpy': '1.23.5',
    'torch': '2.0.1',
}
MODERN = dict(RIGHT, torch='2.14.1+cu130', numpy='2.2.6')
MODERN_NUMPY = 'numpy==2.3.5' if sys.version_info >= (3, 14) else 'numpy==2.2.6'


def run_python(repository, script, versions=None, blocked=()):
    """Run a script in a fresh interpreter in a made-up world; return the finished process."""
    world = WORLD.format(versions=versions or {}, blocked=tuple(blocked))
    environ = dict(os.environ, PYTHONPATH=str(repository / 'projects'), OMP_NUM_THREADS='1')
    return subprocess.run(
        [sys.executable, '-c', world + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env=environ,
        timeout=CHILD_SECONDS,
    )


class TestVersions:
    def test_citation_agrees(self, repository):
        cited = re.search(r'^version: (\S+)$', (repository / 'CITATION.cff').read_text(), re.M)
        assert cited.group(1) == __version__

    def test_setup_agrees(self, repository):
        answer = subprocess.run(
            [sys.executable, 'setup.py', '--version'],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
            timeout=CHILD_SECONDS,
        )
        assert answer.stdout.split()[-1] == __version__

    @pytest.mark.parametrize('stack', STACKS)
    def test_requirements_agree_with_the_import_check(self, repository, stack):
        folder = repository / 'requirements'
        names = (f'constraints-{stack}.txt', 'mmcv.txt', 'no_deps.txt')
        text = '\n'.join((folder / name).read_text() for name in names)
        pins = re.findall(r'^([\w.-]+)==([\w.]+)', text, re.M)
        for need in REQUIREMENTS:
            found = [pin for name, pin in pins if name == need.name]
            assert found, need.name
            for pin in found:
                version = parse_version(pin)
                assert parse_version(need.lowest) <= version < parse_version(need.too_new), pin
            # Of several, the one for this Python.
            assert any(f'{need.name}=={pin}' in getattr(need, stack) for pin in found), need.name

    @pytest.mark.parametrize(
        ('stack', 'release'),
        [(stack, release) for stack, releases in STACKS.items() for release in releases],
    )
    def test_constraints_cover_every_requirement_once(self, repository, stack, release):
        markers = pytest.importorskip('packaging.requirements')
        folder = repository / 'requirements'
        world = {
            'python_full_version': release + '.0',
            'python_version': release,
            'sys_platform': 'linux',
            'platform_system': 'Linux',
            'platform_machine': 'x86_64',
        }
        locked = {}
        for line in (folder / f'constraints-{stack}.txt').read_text().splitlines():
            if line.startswith('#'):
                continue
            need = markers.Requirement(line)
            if need.marker is None or need.marker.evaluate(world):
                assert need.name not in locked, f'{need.name} is locked twice'
                locked[need.name] = str(need.specifier).lstrip('=')
        for name in ('build.txt', 'detector.txt', 'dev.txt', f'{stack}.txt'):
            for line in (folder / name).read_text().splitlines():
                if line.split('#')[0].strip():
                    need = markers.Requirement(line.split('#')[0].strip())
                    if need.marker is None or need.marker.evaluate(world):
                        assert need.specifier.contains(locked[need.name]), need.name

    @pytest.mark.parametrize('stack', STACKS)
    def test_one_opencv_only(self, repository, stack):
        text = (repository / f'requirements/constraints-{stack}.txt').read_text()
        assert 'opencv-python-headless==' in text
        assert 'opencv-python==' not in text
        assert 'opencv-contrib' not in text

    @pytest.mark.parametrize(
        ('lower', 'higher'),
        [
            ('1.7.0', '1.7.1'),
            ('1.9.0', '1.10'),
            ('1.0.0rc6', '1.0.0'),
            ('1.0.0rc6', '1.0.0rc10'),
            ('1.0.0rc6', '1.1.0rc0'),
            ('2.28.2', '3.0.0rc0'),
            ('2.0.1+cu118', '2.1.0a0'),
        ],
    )
    def test_parse_version_orders(self, lower, higher):
        assert parse_version(lower) < parse_version(higher)

    def test_parse_version_ignores_local_part_and_length(self):
        assert parse_version('2.0.1+cu118') == parse_version('2.0.1')
        assert parse_version('2.1') == parse_version('2.1.0')
        with pytest.raises(ValueError, match='not a version'):
            parse_version('master')


class TestLayerAlone:
    def test_imports_with_torch_alone_and_silently(self, repository):
        versions = dict.fromkeys(MM_DISTRIBUTIONS)
        done = run_python(
            repository,
            """
            warnings.simplefilter('error')
            import epropnp_det.pnp
            from epropnp_det import __version__
            loaded = {name.split('.')[0] for name in sys.modules}
            assert not loaded & {'mmcv', 'mmdet', 'mmdet3d', 'cv2', 'nuscenes', 'scipy'}, loaded
            print('layer', __version__)
            """,
            versions,
            (*MM_MODULES, 'cv2', 'scipy', 'matplotlib', 'numba'),
        )
        assert done.stdout.strip() == f'layer {__version__}', done.stderr

    @pytest.mark.parametrize(
        'access',
        [
            'import epropnp_det.models',
            'from epropnp_det.datasets import pipelines',
            'import epropnp_det; epropnp_det.apis',
        ],
    )
    def test_detector_asked_for_names_every_missing_package(self, repository, access):
        done = run_python(repository, access, dict.fromkeys(MM_DISTRIBUTIONS), MM_MODULES)
        assert done.returncode
        assert 'StackError' in done.stderr
        for name in ('mmcv-full', 'mmdet', 'mmsegmentation', 'mmdet3d'):
            assert f'{name} is not installed' in done.stderr
        assert 'make setup' in done.stderr

    def test_stays_usable_beside_a_foreign_mmcv(self, repository):
        versions = dict.fromkeys(MM_DISTRIBUTIONS, None)
        versions['mmcv'] = '2.1.0'
        done = run_python(
            repository, "import epropnp_det.pnp; print('usable')", versions, MM_MODULES
        )
        assert done.stdout.strip() == 'usable', done.stderr
        assert 'UserWarning' in done.stderr
        assert 'mmcv 2.1.0 is, which lacks the compiled operators' in done.stderr


class TestWrongStack:
    @pytest.mark.parametrize(
        ('changes', 'words'),
        [
            ({'mmdet3d': None}, ['mmdet3d is not installed', 'mmdet3d==1.0.0rc6']),
            (
                {'mmcv-full': '1.7.2'},
                ['mmcv-full is installed as 1.7.2', '1.5.2 <= version < 1.7.1'],
            ),
            ({'mmdet': '3.3.0'}, ['mmdet is installed as 3.3.0', 'pip install mmdet==2.28.2']),
            ({'numpy': '1.19.5'}, ['numpy is installed as 1.19.5', 'pip install numpy==1.23.5']),
            ({'numpy': '2.2.6'}, ['torch 2.0.1 was built for numpy 1', "pip install 'numpy<2'"]),
        ],
    )
    def test_a_config_that_loads_the_plugin_fails_loudly(self, repository, changes, words):
        done = run_python(
            repository,
            """
            import types
            sys.modules['mmcv'] = types.SimpleNamespace(Config=object)  # as inside Config.fromfile
            import epropnp_det
            """,
            dict(RIGHT, **changes),
        )
        assert done.returncode
        assert 'StackError' in done.stderr
        for word in words:
            assert word in done.stderr

    def test_every_problem_is_named_at_once(self, monkeypatch):
        versions = dict(RIGHT, mmdet='3.0.0', numpy='3.0.0')
        monkeypatch.setattr(compatibility, 'installed_version', versions.get)
        problems = compatibility.find_problems()
        assert [text.split()[0] for text in problems] == ['numpy', 'mmdet']

    @pytest.mark.parametrize('versions', [RIGHT, MODERN, dict(MODERN, numpy='1.26.4')])
    def test_both_sets_fit(self, monkeypatch, versions):
        monkeypatch.setattr(compatibility, 'installed_version', versions.get)
        monkeypatch.setattr(compatibility.importlib, 'import_module', lambda name: None)
        assert compatibility.find_problems() == []

    @pytest.mark.parametrize(
        ('versions', 'numpy', 'compiler'),
        [(RIGHT, 'numpy==1.23.5', False), (MODERN, MODERN_NUMPY, True)],
    )
    def test_the_cure_is_that_of_the_set_at_hand(self, monkeypatch, versions, numpy, compiler):
        versions = {**versions, 'numpy': None, 'mmcv-full': None}
        monkeypatch.setattr(compatibility, 'installed_version', versions.get)
        first, second = compatibility.find_problems()
        assert numpy in first
        assert 'mmcv-full==1.7.0' in second
        assert ('tools/setup_env/compiler.py' in second) is compiler

    def test_operators_compiled_against_another_torch(self, monkeypatch):
        monkeypatch.setattr(compatibility, 'installed_version', RIGHT.get)

        def fail(name):
            raise ImportError('libcudart.so.10.2: cannot open shared object file\nmore')

        monkeypatch.setattr(compatibility.importlib, 'import_module', fail)
        with pytest.raises(compatibility.StackError) as caught:
            compatibility.require_detector_stack()
        message = str(caught.value)
        assert 'libcudart.so.10.2: cannot open shared object file' in message
        assert 'compiled against another torch or CUDA' in message
        assert 'PIP_NO_CACHE_DIR=1' in message
        assert 'more' not in message.splitlines()

    @pytest.mark.parametrize(('compiled', 'warns'), [('not available', True), ('11.7', False)])
    def test_gpu_without_cuda_operators(self, monkeypatch, compiled, warns):
        class Torch:
            class cuda:
                is_available = staticmethod(lambda: True)

            class version:
                cuda = '11.8'

        class Ops:
            get_compiling_cuda_version = staticmethod(lambda: compiled)

        modules = {'torch': Torch, 'mmcv.ops': Ops}
        monkeypatch.setattr(compatibility.importlib, 'import_module', modules.get)
        if warns:
            with pytest.warns(UserWarning, match='FORCE_CUDA=1'):
                compatibility.warn_about_cuda()
        else:
            compatibility.warn_about_cuda()

    def test_this_environment_fits(self):
        if compatibility.installed_version('mmdet3d') is None:
            pytest.skip('the detector stack is not installed')
        assert compatibility.find_problems() == []


def test_distribution_is_what_the_sources_say():
    try:
        assert importlib.metadata.version('epropnp-det') == __version__
    except importlib.metadata.PackageNotFoundError:
        pytest.skip('epropnp-det is on the path, but not installed')


def test_custom_imports_registers_the_detector(repository):
    if compatibility.installed_version('mmdet3d') is None:
        pytest.skip('the detector stack is not installed')
    done = run_python(
        repository,
        """
        import mmcv
        config = mmcv.Config.fromstring(
            "custom_imports = dict(imports=['epropnp_det'], allow_failed_imports=False)", '.py')
        mmcv.utils.import_modules_from_strings(**config.custom_imports)
        from mmdet3d.models import DETECTORS
        print('EProPnPDet' in DETECTORS.module_dict)
        """,
    )
    assert done.stdout.strip().endswith('True'), done.stderr
