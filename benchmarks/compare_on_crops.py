"""EPro-PnP-Det beside FCOS3D on crops of cars, small enough to converge on a CPU.

Trains EPro-PnP, EPro-PnP with the branches of the detector that ships, and FCOS3D
(configs/proof/*_crops.py: same crops, backbone from ImageNet, neck, optimiser, steps and flips)
with each learning rate, chooses the rate of each on crops for that, trains the other seeds, and
asks all for the poses of cars in streets that they have not seen. All crops have one focal length,
since FCOS3D knows none. What is there is kept: interrupted, or with more seeds, the same command
goes on. The backbone's file comes from tools/convert_mobilenet.py.

Example:
    python benchmarks/compare_on_crops.py --detectors EPro-PnP FCOS3D --rates 1e-3
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
import numpy as np
import torch
from ablation_study.answers import COLUMNS, Answers, ask, is_right
from ablation_study.costs import costs
from ablation_study.crops import CropSpec, make_crops
from ablation_study.report import Run, difference, draw_intervals, markdown_table
from mmcv import Config

from epropnp_det.apis.chains import data_steps, training_step, write_config
from epropnp_det.engine import (
    StepChain,
    StepFailed,
    config_fingerprint,
    load_config,
    with_data_root,
)

ROOT = Path(__file__).resolve().parents[1]
DETECTORS = {
    'EPro-PnP': 'epropnp_det_crops.py',
    'EPro-PnP, branches': 'epropnp_det_branches_crops.py',
    'FCOS3D': 'fcos3d_crops.py',
}
"""Their configs."""
SPEC = CropSpec(size=80, focal=330.0, min_side=16.0, room=(1.15, 1.15))


class Source(NamedTuple):
    """A synthetic nuScenes: split, version of the tables, scenes, keyframes of each, and seed."""

    split: str
    version: str
    scenes: int
    frames: int
    seed: int


SOURCES = {
    'a': Source('train', 'v1.0-trainval', scenes=60, frames=3, seed=2000),
    'b': Source('train', 'v1.0-trainval', scenes=60, frames=3, seed=2001),
    'c': Source('mini', 'v1.0-mini', scenes=10, frames=6, seed=3000),
}
CROPS = {
    'train_a': ('a', 'train', 3),
    'train_b': ('b', 'train', 3),
    'tune': ('c', 'val', 3),
    'test': ('c', 'train', 1),
}
"""Source, split, and crops of each car, by the name of the annotation file."""


class Choice(NamedTuple):
    """One training: which detector, learning rate and seed."""

    name: str
    rate: float
    seed: int


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out', default='work_dirs/compare_on_crops', help='gets everything')
    parser.add_argument(
        '--detectors',
        nargs='+',
        choices=list(DETECTORS),
        default=list(DETECTORS),
        metavar='NAME',
        help='the others are compared with the last one: ' + '; '.join(DETECTORS),
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], help='first one: tuning')
    parser.add_argument('--rates', nargs='+', type=float, default=[1e-3, 2e-3], metavar='RATE')
    parser.add_argument('--iters', type=int, help='steps of each; by default those of the config')
    parser.add_argument(
        '--backbone', default='work_dirs/proof/mobilenet_v2.pth', help='of convert_mobilenet.py'
    )
    parser.add_argument('--repeats', type=int, default=15, help='iterations that are timed')
    args = parser.parse_args(arguments)
    if not Path(args.backbone).is_file():
        parser.error(
            f'no file {args.backbone}; tools/convert_mobilenet.py {args.backbone} makes it'
        )
    return args


# ---- data


def prepare_objects(args: argparse.Namespace) -> Path:
    """The folder of the crops, made if missing, and the data sets too."""
    objects = Path(args.out) / 'objects'
    for name, (source, split, copies) in CROPS.items():
        if (objects / f'{name}.json').is_file():
            continue
        root = Path(args.out) / 'data' / source
        file = root / f'nuscenes_infos_{split}_mono3d.coco.json'
        if not file.is_file():
            render(args, source, root, file)
        make_crops(file, root, objects / f'{name}.json', SPEC._replace(copies=copies))
    return objects


def render(args: argparse.Namespace, name: str, root: Path, file: Path) -> None:
    """Writes a synthetic nuScenes and its annotation files."""
    source = SOURCES[name]
    options = ['--split', source.split, '--scenes', source.scenes, '--seed', source.seed]
    options += ['--frames-per-scene', source.frames, '--preset', 'rich', '--scale', 0.32]
    options += ['--no-statistics', '--workers', 1]
    steps = data_steps(ROOT / 'tools', root, file, source.version, options, (300, 60), name)
    StepChain(Path(args.out) / f'data_{name}.json').run(steps)


# ---- runs


def run_config(args: argparse.Namespace, choice: Choice, objects: Path) -> Config:
    """The config of one training."""
    path = ROOT / 'configs' / 'proof' / DETECTORS[choice.name]
    cfg = with_data_root(load_config(path), objects.resolve())
    files = [str(objects.resolve() / f'{name}.json') for name in CROPS if name.startswith('train')]
    cfg.data.train = [{**copy.deepcopy(cfg.data.train), 'ann_file': file} for file in files]
    cfg.model.backbone.init_cfg.checkpoint = str(Path(args.backbone).resolve())
    cfg.optimizer.lr = choice.rate
    if args.iters is not None:
        cfg.runner.max_iters = args.iters
    return cfg


def run_folder(args: argparse.Namespace, choice: Choice) -> Path:
    """Where one training lies."""
    return Path(args.out) / 'runs' / f'{choice.name}-{choice.rate:g}-{choice.seed}'


def answers(args: argparse.Namespace, choice: Choice, objects: Path, part: str) -> Answers:
    """Answers of one training for ``val`` or ``test``; trains and asks unless that is done."""
    cfg = run_config(args, choice, objects)
    folder = run_folder(args, choice)
    record = folder / f'{part}.json'
    mark = config_fingerprint(cfg)
    known = json.loads(record.read_text(encoding='utf-8')) if record.is_file() else {}
    if known.get('fingerprint') != mark:
        options = ['--seed', choice.seed, '--device', 'cpu']
        title = f'Train {choice.name}, learning rate {choice.rate:g}, seed {choice.seed}'
        seconds = 0.6 * cfg.runner.max_iters
        config = write_config(cfg, folder / 'config.py')
        step = training_step(
            ROOT / 'tools', config, cfg, folder / 'train', seconds, options, title=title
        )
        StepChain(folder / 'steps.json').run([step])
        found = ask(cfg, folder / 'train' / 'latest.pth', part)
        values = {name: field.tolist() for name, field in found._asdict().items()}
        known = {'fingerprint': mark, 'answers': values}
        record.write_text(json.dumps(known), encoding='utf-8')
    return Answers(*(np.array(known['answers'][name]) for name in Answers._fields))


def quality(found: Answers) -> float:
    """By which learning rates are chosen: the share of answers right in yaw and position."""
    return float(is_right(found).mean())


def choose_rate(args: argparse.Namespace, name: str, objects: Path) -> float:
    """The best learning rate of a detector on the crops for tuning, by its first seed."""
    if len(args.rates) == 1:
        return args.rates[0]
    shares = {}
    for rate in args.rates:
        found = answers(args, Choice(name, rate, args.seeds[0]), objects, 'val')
        shares[rate] = quality(found)
        print(f'{name}, learning rate {rate:g}: {summary(found)} on the crops for tuning')
    return max(shares, key=lambda rate: shares[rate])


def summary(found: Answers) -> str:
    """One line of what a run reached."""
    values = [f'{column.head} ' + column.text.format(column.value(found)) for column in COLUMNS]
    return '; '.join(values)


# ---- report


def report(args: argparse.Namespace, runs: Sequence[Run]) -> str:
    """Writes table and picture of the runs; returns the table."""
    out = Path(args.out)
    cars = len(runs[0].curve[-1].yaw)
    table = markdown_table(runs, COLUMNS, 'detector')
    text = f'{runs[0].steps[-1]} steps each, {cars} held-out cars; in brackets 95 % intervals over '
    text += f'cars and seeds, in bold what they do not tell from the best.\n\n{table}'
    text += f'\n{gaps(runs)}\n'
    (out / 'table.md').write_text(text, encoding='utf-8')
    draw_intervals(runs, out / 'intervals.png', COLUMNS[:6])
    return text


def gaps(runs: Sequence[Run]) -> str:
    """A line for each detector but the last: by how much its values are larger, same cars."""
    titles = dict.fromkeys(run.title for run in runs)
    answers_of = {name: [run.curve[-1] for run in runs if run.title == name] for name in titles}
    *names, peer = titles
    lines = []
    for name in names:
        parts = []
        for column in COLUMNS[:6]:
            gap = difference(answers_of[name], answers_of[peer], column.value)
            parts.append(f'{column.head} {gap.value:+.1f} ({gap.low:+.1f} to {gap.high:+.1f})')
        lines.append(f'{name} less {peer}, the same cars: ' + '; '.join(parts) + '.')
    return '\n\n'.join(lines)


def main() -> None:
    """Train and ask what is missing, then report."""
    args = parse_args()
    torch.set_num_threads(1)
    os.environ['OMP_NUM_THREADS'] = '1'
    runs: list[Run] = []
    try:
        objects = prepare_objects(args)
        rates = {name: choose_rate(args, name, objects) for name in args.detectors}
        for seed in args.seeds:
            for name, rate in rates.items():
                choice = Choice(name, rate, seed)
                steps = [run_config(args, choice, objects).runner.max_iters]
                runs.append(Run(name, seed, steps, [answers(args, choice, objects, 'test')]))
            print('\n' + report(args, runs), flush=True)
        trained = {}
        for name, rate in rates.items():
            choice = Choice(name, rate, args.seeds[0])
            weights = run_folder(args, choice) / 'train' / 'latest.pth'
            trained[name] = run_config(args, choice, objects), weights
        print(costs(trained, args.repeats))
    except (StepFailed, FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'table.md and intervals.png lie in {args.out}')


if __name__ == '__main__':
    main()
