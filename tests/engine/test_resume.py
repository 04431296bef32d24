"""Going on exactly: the parameters are those of the run that nobody interrupted, bit for bit."""

import os
import random
import shutil
import signal
import time

import pytest
import torch

from support.engine_runs import assert_same, start, state_of, train_here, wait
from support.engine_tiny import tiny_config

HOOK = dict(type='SaveLatestHook', interval=1)
RUNNERS = {
    'ResumableEpochRunner': dict(_delete_=True, type='ResumableEpochRunner', max_epochs=3),
    'ResumableIterRunner': dict(_delete_=True, type='ResumableIterRunner', max_iters=18),
}


def interrupted_at(monkeypatch, runner, iteration, position):
    """Raises in the middle of an iteration: before the step or after it."""
    from epropnp_det.engine import NanSafeOptimizerHook

    method = f'{position}_train_iter'
    original = getattr(NanSafeOptimizerHook, method)

    def interrupt(self, runner):
        original(self, runner)
        if runner.iter == iteration:
            raise KeyboardInterrupt

    monkeypatch.setattr(NanSafeOptimizerHook, method, interrupt)


@pytest.mark.parametrize('runner', list(RUNNERS))
@pytest.mark.parametrize('iteration, position', [(2, 'before'), (8, 'after'), (11, 'after')])
def test_goes_on_bit_for_bit(runner, iteration, position, train, tmp_path):
    changes = {'runner': RUNNERS[runner], 'custom_hooks': [HOOK], 'data.workers_per_gpu': 0}
    whole = train('whole', **changes).state_dict()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_at(patch, runner, iteration, position)
        train('part', **changes)
    for _ in range(3):
        torch.rand(())  # what happened in between must not matter
    rest = train('part', auto_resume=True, **changes)
    assert_same(whole, rest.state_dict())
    assert_same(
        state_of(tmp_path / 'whole' / 'latest.pth'), state_of(tmp_path / 'part' / 'latest.pth')
    )


def test_goes_on_with_accumulation_and_loader_processes(train, tmp_path):
    changes = {
        'custom_hooks': [HOOK],
        'optimizer_config.cumulative_iters': 4,
        'data.workers_per_gpu': 1,
        'runner.max_epochs': 2,
    }
    whole = train('whole', **changes).state_dict()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_at(patch, None, 9, 'after')
        train('part', **changes)
    assert_same(whole, train('part', auto_resume=True, **changes).state_dict())


def test_each_image_is_seen_once_per_epoch_across_an_interruption(train, tmp_path):
    log = tmp_path / 'images.txt'
    changes = {'custom_hooks': [HOOK], 'data.train.log': str(log), 'runner.max_epochs': 1}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_at(patch, None, 3, 'before')
        train(**changes)
    lines = log.read_text().split()
    seen = lines[: 3 * 4]  # the fourth batch was loaded and not trained
    log.write_text('')
    train(auto_resume=True, **changes)
    assert sorted(map(int, seen + log.read_text().split())) == list(range(24))


def test_goes_on_with_other_batches_at_the_same_image(train, tmp_path, caplog):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_at(patch, None, 9, 'before')
        train(custom_hooks=[HOOK])  # one epoch of 6 steps, and 3 steps of 4 images
    train(custom_hooks=[HOOK], auto_resume=True, **{'data.samples_per_gpu': 2})
    meta = torch.load(tmp_path / 'work' / 'latest.pth')['meta']
    assert meta['iter'] == 3 * 12 and meta['images_per_step'] == 2


def killed(work_dir, changes):
    train_here(tiny_config(work_dir, **changes))


def test_kill_at_random_moments(train, tmp_path):
    """The short version of benchmarks/kill_and_resume.py."""
    changes = {'custom_hooks': [HOOK], 'data.samples_per_gpu': 1}
    begin = time.perf_counter()
    whole = train('whole', **changes).state_dict()
    duration = time.perf_counter() - begin
    rng, kills = random.Random(0), 0
    for _ in range(100):
        child = start(killed, tmp_path / 'part', {**changes, 'auto_resume': True})
        pause(rng.uniform(0.1, 0.6) * duration)
        os.kill(child[0], signal.SIGKILL)
        code = wait(child)[0]
        if code == 0 and kills:
            break
        if code == 0:  # done too soon: the processors have less to do than before
            shutil.rmtree(tmp_path / 'part')
            duration /= 2
            continue
        assert code == -signal.SIGKILL
        kills += 1
    assert code == 0 and kills
    assert_same(whole, state_of(tmp_path / 'part' / 'latest.pth'))
    killed(tmp_path / 'part', {**changes, 'auto_resume': True})
    assert not list((tmp_path / 'part').glob('.*.pth*'))


def pause(seconds):
    """``time.sleep`` is patched out for mmcv's sake."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        os.sched_yield()
