"""Draw what training logs say: losses, gradient norm, learning rate, time, scores.

Example:
    python tools/plot_logs.py work_dirs/first work_dirs/second --keys loss loss_pose
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np

NOT_DRAWN = {'mode', 'epoch', 'iter', 'memory', 'seed'}

Curves = dict[str, tuple[list[float], list[float]]]


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('logs', nargs='+', help='work_dirs or *.log.json files, one line each')
    parser.add_argument('--out', default='curves.png', help='picture to write')
    parser.add_argument('--keys', nargs='+', help='only these, such as loss loss_pose grad_norm')
    return parser.parse_args()


def find_logs(path: str) -> list[Path]:
    """Log files of a run in the order of time; a run that was interrupted has several."""
    found = sorted(Path(path).glob('*.log.json')) if Path(path).is_dir() else [Path(path)]
    if not found or not all(file.is_file() for file in found):
        raise FileNotFoundError(f'no training log {path}; tools/train.py writes *.log.json')
    return found


def read_curves(files: list[Path]) -> Curves:
    """Values by name over iterations; where runs overlap the later one counts."""
    values: dict[str, dict[float, float]] = defaultdict(dict)
    length, last = 0, 0.0
    for file in files:
        for line in file.read_text('utf-8').splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the last line of a run that was killed
            if 'mode' not in entry:
                continue
            training = entry['mode'] == 'train'
            if training:
                length = max(length, entry['iter'])
                last = (entry.get('epoch', 1) - 1) * length + entry['iter']
            for name, value in entry.items():
                if name not in NOT_DRAWN and isinstance(value, (int, float)):
                    values[name][last] = value
    return {
        name: (sorted(points), [points[at] for at in sorted(points)])
        for name, points in values.items()
    }


def chosen(runs: dict[str, Curves], keys: list[str] | None) -> list[str]:
    """Names to draw: losses first, then the rest; numbers per class only where asked for."""
    names = {name for curves in runs.values() for name in curves}
    if keys:
        absent = [key for key in keys if key not in names]
        if absent:
            raise ValueError(f'the logs have no {absent}; they have {sorted(names)}')
        return keys
    plain = [name for name in names if name.count('_') < 3 or name.startswith('loss')]
    return sorted(plain, key=lambda name: (name != 'loss', 'loss' not in name, name))[:24]


def draw(runs: dict[str, Curves], names: list[str], out: Path) -> None:
    """One panel per name, one line per run; the thick line is a running mean."""
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4 * columns, 2.8 * rows), squeeze=False, constrained_layout=True
    )
    for axis, name in zip(axes.flat, names):
        for color, (run, curves) in enumerate(runs.items()):
            if name not in curves:
                continue
            at, values = (np.array(part, dtype=float) for part in curves[name])
            width = max(1, len(values) // 20)
            axis.plot(at, values, color=f'C{color}', alpha=0.35, linewidth=0.8)
            if len(values) > width:
                smooth = np.convolve(values, np.ones(width) / width, 'valid')
                axis.plot(at[width - 1 :], smooth, color=f'C{color}', label=run)
            else:
                axis.plot(at, values, 'o-', color=f'C{color}', label=run)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel('iteration', fontsize=8)
        axis.grid(alpha=0.3)
    for axis in list(axes.flat)[len(names) :]:
        axis.remove()
    if len(runs) > 1:
        axes[0, 0].legend(fontsize=8)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def main() -> None:
    """Reads, draws, and says how each run ended."""
    args = parse_args()
    try:
        runs = {str(path): read_curves(find_logs(path)) for path in args.logs}
        names = chosen(runs, args.keys)
        if not names:
            raise ValueError('the logs hold no training yet')
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    draw(runs, names, Path(args.out))
    for run, curves in runs.items():
        if 'loss' in curves:
            at, values = curves['loss']
            print(f'{run}: loss {values[0]:.4g} -> {values[-1]:.4g} at iteration {at[-1]:.0f}')
    print(args.out)


if __name__ == '__main__':
    main()
