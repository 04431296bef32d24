r"""Kill training at random moments, resume it, and compare with a run that nobody interrupted.

Every parameter, buffer and optimiser state of the last checkpoints must be equal bit for bit (CPU,
or a GPU with --deterministic networks).

Example:
    python benchmarks/kill_and_resume.py configs/epropnp_det/epropnp_det_r18_keyframe_cpu.py \
        --kills 5 --cfg-options runner.max_iters=30
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from epropnp_det.engine import find_latest

TRAIN = Path(__file__).resolve().parents[1] / 'tools' / 'train.py'


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('--kills', type=int, default=5)
    parser.add_argument('--every', type=int, default=1, help='iterations between two checkpoints')
    parser.add_argument('--work-dir', default='work_dirs/kill_and_resume')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--seed', type=int, default=0, help='of the moments')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='key=value, for both runs')
    args = parser.parse_args()
    if any((Path(args.work_dir) / name).exists() for name in ('whole', 'killed')):
        parser.error(f'{args.work_dir} holds another comparison; move it or pass --work-dir')
    return args


def write_config(source: str, every: int, folder: Path) -> Path:
    """A config that saves so often, and otherwise is the one given; returns its path.

    The command line of mmcv cannot name hooks.
    """
    path = folder / 'config.py'
    hook = {'type': 'SaveLatestHook', 'interval': every}
    path.write_text(f'_base_ = {str(Path(source).resolve())!r}\ncustom_hooks = [{hook}]\n')
    return path


def command(args: argparse.Namespace, config: Path, name: str) -> list[str]:
    """The training command of one run."""
    work_dir = str(Path(args.work_dir) / name)
    head = [sys.executable, str(TRAIN), str(config), '--work-dir', work_dir, '--auto-resume']
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    return [*head, '--device', args.device, '--no-validate', *options]


def iterations_of(work_dir: Path) -> int:
    """How far the last checkpoint is."""
    latest = find_latest(work_dir) if work_dir.is_dir() else None
    return torch.load(str(latest), map_location='cpu')['meta']['iter'] if latest else 0


def run_killed(words: list[str], work_dir: Path, delay: float | None) -> int | None:
    """Runs the command; kills it ``delay`` seconds after its first new checkpoint.

    Returns:
        The exit status, None where it was killed.
    """
    log = open(work_dir.with_suffix('.txt'), 'a')  # noqa: SIM115  outlives this function
    process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    before = find_latest(work_dir)
    stamp = before.stat().st_mtime_ns if before else 0
    while delay is not None and process.poll() is None:
        time.sleep(0.05)
        latest = find_latest(work_dir) if work_dir.is_dir() else None
        if latest is not None and latest.stat().st_mtime_ns > stamp:
            time.sleep(delay)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # loader processes, too
                process.wait()
                return None
            break
    return process.wait()


def differences(first: object, second: object, name: str = '') -> Iterator[str]:
    """Places where two nested values differ, tensors bit by bit."""
    if torch.is_tensor(first):
        if not (torch.is_tensor(second) and torch.equal(first, second)):
            yield name
    elif isinstance(first, dict):
        if not isinstance(second, dict) or first.keys() != second.keys():
            yield f'{name}: other keys'
            return
        for key in first:
            yield from differences(first[key], second[key], f'{name}.{key}')
    elif isinstance(first, (list, tuple)):
        if len(first) != len(second):
            yield f'{name}: other length'
            return
        for index, pair in enumerate(zip(first, second)):
            yield from differences(*pair, f'{name}[{index}]')
    elif first != second:
        yield name


def main() -> None:
    """Trains twice and compares; exit status 1 if anything differs."""
    args = parse_args()
    folder = Path(args.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    config = write_config(args.config, args.every, folder)
    whole, killed = (command(args, config, name) for name in ('whole', 'killed'))
    print(f'$ {shlex.join(whole)}', flush=True)
    begin = time.time()
    if run_killed(whole, folder / 'whole', None) != 0:
        sys.exit(f'error: training failed, see {folder}/whole.txt')
    total = iterations_of(folder / 'whole')
    print(f'whole run: {total} iterations in {time.time() - begin:.0f} s', flush=True)
    rng = random.Random(args.seed)
    kills = 0
    while True:
        delay = rng.uniform(0, 3) if kills < args.kills else None
        code = run_killed(killed, folder / 'killed', delay)
        if code is not None:
            break
        kills += 1
        print(f'killed after {iterations_of(folder / "killed")} of {total} iterations', flush=True)
    if code != 0:
        sys.exit(f'error: training failed, see {folder}/killed.txt')
    first, second = (
        torch.load(str(find_latest(folder / name)), map_location='cpu')
        for name in ('whole', 'killed')
    )
    found = [
        place
        for part in ('state_dict', 'optimizer')
        for place in differences(first[part], second[part], part)
    ]
    print(f'{kills} kills; {len(first["state_dict"])} tensors; {len(found)} differences')
    print(''.join(f'    {place}\n' for place in found[:20]), end='')
    sys.exit(1 if found else 0)


if __name__ == '__main__':
    main()
