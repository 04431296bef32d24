"""The steps: done once, resumed after an interruption, redone when what they rest on changes."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from environment import DISK_GB, OPS_TEST, Environment, Step, compile_jobs
from quiet_runner import QuietRunner, child_environ, clock, cure_for
from stacks import CLASSIC, MODERN, STACKS, SetupError, asked_for, for_python

from support.limits import CHILD_SECONDS

REPOSITORY = Path(__file__).resolve().parents[3]


def free_disk(monkeypatch, gigabytes):
    """What `make setup` reads as free space; a test must not depend on the disk it runs on."""
    usage = types.SimpleNamespace(free=int(gigabytes * 2**30))
    monkeypatch.setattr('environment.shutil.disk_usage', lambda path: usage)


@pytest.fixture
def root(tmp_path):
    """A repository with a space in its path, and an environment that seems complete."""
    root = tmp_path / 'my clone'
    shutil.copytree(REPOSITORY / 'requirements', root / 'requirements')
    shutil.copy(REPOSITORY / 'setup.py', root)
    (root / '.venv/bin').mkdir(parents=True)
    (root / '.venv/bin/python').symlink_to(sys.executable)
    (root / '.venv/.setup').mkdir()
    for step in Environment(root, {}).steps():
        (root / '.venv/.setup' / step.name).write_text(step.key)
    return root


@pytest.fixture
def interruptible():
    """SIGINT interrupts, as in a terminal; a shell starts background jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_until(condition, seconds=30):
    """Returns once a condition holds; a machine at work may take its time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.05)


def interrupt_once(condition):
    """Sends this process SIGINT as soon as a condition holds."""

    def interrupt():
        wait_until(condition)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


def pending(root, **environ):
    return [step.name for step in Environment(root, environ).pending()]


class TestPending:
    def test_nothing_when_all_is_in_place(self, root):
        assert pending(root) == []

    def test_an_interrupted_step_and_all_after_it(self, root):
        (root / '.venv/.setup/mmcv').unlink()
        assert pending(root) == ['mmcv', 'no_deps', 'package', 'check', 'layer']

    @pytest.mark.parametrize(
        ('name', 'first'), [('build.txt', 'tools'), ('dev.txt', 'packages'), ('mmcv.txt', 'mmcv')]
    )
    def test_a_changed_requirement(self, root, name, first):
        with (root / 'requirements' / name).open('a') as stream:
            stream.write('another\n')
        assert pending(root)[0] == first

    def test_a_moved_clone_reinstalls_the_package_only(self, root):
        moved = root.with_name('moved')
        root.rename(moved)
        assert pending(moved) == ['package', 'check', 'layer']

    def test_everything_when_the_interpreter_is_gone(self, root):
        (root / '.venv/bin/python').unlink()
        assert pending(root)[0] == 'tools'

    def test_changed_loops_of_the_layer_are_compiled_again(self, root):
        loops = root / 'projects/epropnp_det/pnp/compiled'
        loops.mkdir(parents=True)
        (loops / 'solver.py').write_text('new')
        assert pending(root) == ['layer']

    def test_cuda_asked_for_after_a_build_without(self, root):
        assert pending(root, FORCE_CUDA='0') == []
        assert pending(root, FORCE_CUDA='1')[0] == 'mmcv'
        (root / '.venv/.setup/cuda').touch()
        assert pending(root, FORCE_CUDA='1') == []


class TestStacks:
    @pytest.mark.parametrize(
        ('version', 'stack'),
        [
            ((3, 9, 18), CLASSIC),
            ((3, 11, 7), CLASSIC),
            ((3, 12, 1), MODERN),
            ((3, 13, 0), MODERN),
            ((3, 14, 2), MODERN),
        ],
    )
    def test_each_python_has_its_set(self, version, stack):
        assert for_python(version) is stack

    def test_unknown_name(self):
        with pytest.raises(SetupError, match='`classic` or `modern`'):
            asked_for({'STACK': 'moderm'})

    def test_every_set_is_locked(self):
        for stack in STACKS:
            assert (REPOSITORY / 'requirements' / stack.constraints).is_file()

    def test_another_set_than_the_environment_holds_is_refused(self, root):
        (root / '.venv/.setup/stack').write_text('classic')
        before = sorted(path.name for path in (root / '.venv/.setup').iterdir())
        Environment(root, {'STACK': 'classic'}).make()  # nothing to do
        with pytest.raises(SetupError, match='(?s)holds the classic set.*make clean-env.*modern'):
            Environment(root, {'STACK': 'modern'}).make()
        assert sorted(path.name for path in (root / '.venv/.setup').iterdir()) == before

    def test_the_record_decides_where_nothing_is_asked_for(self, root):
        (root / '.venv/.setup/stack').write_text('modern')
        assert pending(root)[0] == 'tools'  # its stamps are those of the classic set
        assert Environment(root, {}).stack is MODERN


class Recorded(Environment):
    """An environment with two steps that only note that they ran."""

    def __init__(self, root, fail=False):
        super().__init__(root, dict(os.environ))
        self.fail = fail
        self.done = []

    def steps(self):
        return [Step(name, name, name, lambda name=name: self._note(name)) for name in 'ab']

    def _note(self, name):
        if name == 'b' and self.fail:
            raise SetupError('the network is down')
        self.done.append(name)


class TestMake:
    def test_resumes_and_then_does_nothing(self, tmp_path, capsys, monkeypatch):
        free_disk(monkeypatch, DISK_GB)
        half_made = tmp_path / '.venv/bin'
        half_made.mkdir(parents=True)
        (half_made / 'python').symlink_to('/nowhere/python')
        (tmp_path / '.venv/lib').mkdir()

        first = Recorded(tmp_path, fail=True)
        with pytest.raises(SetupError, match='network'):
            first.make()
        assert first.done == ['a']
        command = [first.python, '-c', 'import pip']
        assert subprocess.call(command, timeout=CHILD_SECONDS) == 0

        second = Recorded(tmp_path)
        second.make()
        assert second.done == ['b']
        assert 'Ready after' in capsys.readouterr().out

        third = Recorded(tmp_path)
        third.make()
        assert third.done == []
        assert capsys.readouterr().out == ''

    def test_refuses_a_full_disk_before_anything_is_made(self, tmp_path, monkeypatch):
        free_disk(monkeypatch, DISK_GB - 0.1)
        environment = Recorded(tmp_path)
        with pytest.raises(SetupError, match='7 GB of disk are needed, 6.9 GB are free'):
            environment.make()
        assert environment.done == []
        assert not Path(environment.python).exists()

    def test_refuses_an_environment_of_an_unsupported_python(self, tmp_path, monkeypatch):
        environment = Recorded(tmp_path)
        fake = Path(environment.python)
        fake.parent.mkdir(parents=True)
        fake.write_text('#!/bin/sh\necho "3.15.0 True True "\n')
        fake.chmod(0o755)
        with pytest.raises(SetupError, match='(?s)is Python 3.15.0.*make clean-env'):
            environment.make()


class Compiling(Environment):
    """An environment whose commands are noted; the first `misfits` tests of mmcv fail."""

    def __init__(self, root, misfits=0, **environ):
        super().__init__(root, environ)
        self.misfits = misfits
        self.calls = []
        self.run = self._record

    def _record(self, command, environ=None):
        self.calls.append((list(command), environ or {}))
        if '-c' in command and OPS_TEST in command and self.misfits:
            self.misfits -= 1
            raise SetupError('undefined symbol')


class TestMmcv:
    def test_compiles_with_every_core_and_little_debugging(self, root):
        environment = Compiling(root, FORCE_CUDA='0', MAX_JOBS='5', CFLAGS='-march=native')
        environment._mmcv()
        (command, environ), (test, _) = environment.calls
        assert '--no-build-isolation' in command
        assert '--no-deps' in command
        assert '--no-cache-dir' not in command
        assert environ['CFLAGS'] == '-g0 -O2 -march=native'
        assert environ['MAX_JOBS'] == '5'
        assert environ['CUDA_VISIBLE_DEVICES'] == ''
        assert test[-1] == '0'

    def test_compiles_afresh_when_the_cached_copy_does_not_fit(self, root):
        environment = Compiling(root, misfits=1, FORCE_CUDA='0')
        environment._mmcv()
        again, _ = environment.calls[2]
        assert {'--no-cache-dir', '--force-reinstall', '--no-binary'} <= set(again)
        assert len(environment.calls) == 4

    def test_gives_up_when_the_fresh_copy_does_not_fit_either(self, root):
        with pytest.raises(SetupError, match='undefined symbol'):
            Compiling(root, misfits=2, FORCE_CUDA='0')._mmcv()

    def test_notes_that_cuda_was_compiled(self, root):
        environment = Compiling(root, FORCE_CUDA='1')
        environment._mmcv()
        (_, environ), (test, _) = environment.calls
        assert environ['FORCE_CUDA'] == '1'
        assert 'CUDA_VISIBLE_DEVICES' not in environ
        assert test[-1] == '1'
        assert environment.pending() == []

    @pytest.mark.parametrize(
        ('answer', 'wanted', 'word'),
        [
            ('False|11.7|', False, ''),
            ('True|11.7|11.8', True, 'with CUDA operators'),
            ('True|11.7|13.0', False, 'for the CPU only'),
            ('True|11.7|', False, 'nvcc missing'),
        ],
    )
    def test_cuda_where_the_gpu_and_nvcc_fit(self, root, capsys, answer, wanted, word):
        python = root / '.venv/bin/python'
        python.unlink()
        python.write_text(f'#!/bin/sh\necho noise\necho "{answer}"\n')
        python.chmod(0o755)
        assert Environment(root, {})._wants_cuda() is wanted
        assert word in capsys.readouterr().out


class TestQuietRunner:
    def test_keeps_the_output_in_the_log(self, tmp_path, capfd):
        QuietRunner(tmp_path / 'log')([sys.executable, '-c', 'print(6 * 7)'])
        assert '42' in (tmp_path / 'log').read_text()
        assert capfd.readouterr().out == ''

    def test_a_failure_shows_the_end_of_its_own_output_and_the_cure(self, tmp_path):
        run = QuietRunner(tmp_path / 'log')
        run([sys.executable, '-c', 'print("earlier")'])
        script = 'import sys; print("OSError: [Errno 28] No space left on device"); sys.exit(1)'
        with pytest.raises(SetupError) as caught:
            run([sys.executable, '-c', script])
        message = str(caught.value)
        assert '| OSError: [Errno 28] No space left on device' in message
        assert 'The disk is full' in message
        assert 'earlier' not in message

    def test_tells_the_time_and_the_file(self, tmp_path, capsys):
        run = QuietRunner(tmp_path / 'log')
        run.live, run.period = False, 0.2
        script = 'import time; print("  [3/72] c++ x.o", flush=True); time.sleep(1)'
        run([sys.executable, '-c', script])
        assert 'file 3/72' in capsys.readouterr().out

    def test_an_interruption_ends_what_the_command_started(self, tmp_path, interruptible):
        note = tmp_path / 'pid'
        # The note appears complete, so that it cannot be read half written.
        script = f'sleep 60 & echo $! > {note}.part; mv {note}.part {note}; wait'
        interrupt_once(note.exists)
        with pytest.raises(KeyboardInterrupt):
            QuietRunner(tmp_path / 'log')(['sh', '-c', script])
        state = Path(f'/proc/{int(note.read_text())}/stat')
        wait_until(lambda: not state.exists() or state.read_text().split()[2] == 'Z')

    def test_commands_ask_nothing_and_see_no_other_python(self, monkeypatch):
        monkeypatch.setenv('PYTHONPATH', '/elsewhere')
        monkeypatch.setenv('PIP_FIND_LINKS', '/wheels')
        environ = child_environ({'MAX_JOBS': '3'})
        assert 'PYTHONPATH' not in environ
        assert environ['PIP_NO_INPUT'] == '1'
        assert environ['PIP_FIND_LINKS'] == '/wheels'
        assert environ['MAX_JOBS'] == '3'


@pytest.mark.parametrize(
    ('log', 'cure'),
    [
        ('c++: fatal error: Killed signal terminated program cc1plus', 'MAX_JOBS=1'),
        ('The detected CUDA version (13.0) mismatches the version', 'FORCE_CUDA=0'),
        ('Failed to resolve: Name or service not known', 'network'),
        ('ERROR: No matching distribution found for torch==2.0.1', 'PIP_INDEX_URL'),
        ('something new', 'again'),
    ],
)
def test_cures(log, cure):
    assert cure in cure_for(log)


def test_clock():
    assert clock(61.9) == '1:01'


def test_compile_jobs_follow_the_user():
    assert compile_jobs({'MAX_JOBS': '3'}) == 3
    assert 1 <= compile_jobs({}) <= (os.cpu_count() or 1)
