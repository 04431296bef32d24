"""Compare losses of EPro-PnP-Det on cropped cars of a synthetic nuScenes, at small scale, on a CPU.

Trains the same network from scratch on the same crops for the same number of steps with different
losses, asks each for the poses of cars of streets that it has not seen, and prints a table. What is
there is kept: interrupted, or with more variants or seeds, the same command goes on.

Example:
    python benchmarks/ablation.py --iters 300 --points 2 --seeds 0 1
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import ablation_study.losses  # noqa: F401  registers the surrogate
import numpy as np
import torch
from ablation_study.crops import CropSpec, make_crops
from ablation_study.measure import Measured, Shown, measure
from ablation_study.report import Run, draw_intervals, draw_objects, markdown_table
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
CONFIG = ROOT / 'configs' / 'epropnp_det' / 'epropnp_det_r18_objects_cpu.py'
LOSSES, AUXILIARY = 'model.bbox_head.losses', 'model.bbox_head.auxiliary'


class Variant(NamedTuple):
    """One line of the table.

    Attributes:
        name: What ``--variants`` calls it.
        title: What the table calls it.
        options: Changes to the config, which has all losses of v2.
    """

    name: str
    title: str
    options: dict


NO_REGULARISATION = {f'{LOSSES}.loss_reg_pos': None, f'{LOSSES}.loss_reg_orient': None}
NO_AUXILIARY = {AUXILIARY: None}
NO_MONTE_CARLO = {f'{LOSSES}.loss_pose': None}
VARIANTS = (
    Variant('mc', 'Monte Carlo loss alone', {**NO_REGULARISATION, **NO_AUXILIARY}),
    Variant('mc_reg', '+ derivative regularisation', NO_AUXILIARY),
    Variant('mc_aux', '+ auxiliary losses', NO_REGULARISATION),
    Variant('mc_reg_aux', '+ both, as in v2', {}),
    Variant(
        'reg',
        'derivative regularisation alone',
        {
            **NO_MONTE_CARLO,
            **NO_AUXILIARY,
            # All that teaches the pose, so it weighs what the Monte Carlo loss weighs elsewhere.
            f'{LOSSES}.loss_reg_pos.loss_weight': 0.5,
            f'{LOSSES}.loss_reg_orient.loss_weight': 1.0,
        },
    ),
    Variant(
        'surrogate',
        'surrogate, no loss through PnP',
        {**NO_MONTE_CARLO, **NO_REGULARISATION, f'{LOSSES}.type': 'SurrogateLosses'},
    ),
)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    names = [variant.name for variant in VARIANTS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--variants', nargs='+', choices=names, default=names, metavar='NAME')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], metavar='SEED')
    parser.add_argument('--data', help='prepared synthetic nuScenes; made in OUT/data if not given')
    parser.add_argument('--out', default='work_dirs/ablation', help='where everything goes')
    parser.add_argument('--iters', type=int, default=900, help='training steps of each run')
    parser.add_argument('--points', type=int, default=3, help='measurements along each run')
    parser.add_argument('--frames-per-scene', type=int, default=40, help='of data made here')
    parser.add_argument('--workers', type=int, default=1, help='processes that render')
    args = parser.parse_args(arguments)
    if args.iters < args.points or args.points < 1:
        parser.error('--points must be at least 1, and --iters at least --points')
    return args


def prepare_objects(args: argparse.Namespace) -> Path:
    """The folder of the crops, made if missing, and the data set too."""
    objects = Path(args.out) / 'objects'
    missing = [name for name in ('train', 'val') if not (objects / f'{name}.json').is_file()]
    if not missing:
        return objects
    data = Path(args.data or Path(args.out) / 'data')
    if args.data is None:
        file = data / 'nuscenes_infos_val_mono3d.coco.json'
        sizes = ['--frames-per-scene', args.frames_per_scene, '--scale', 0.4]
        sizes += ['--workers', args.workers]
        steps = data_steps(ROOT / 'tools', data, file, 'v1.0-mini', sizes, (300, 30))
        StepChain(Path(args.out) / 'data_steps.json').run(steps)
    for name in missing:
        spec = CropSpec(copies=3 if name == 'train' else 1)
        source = data / f'nuscenes_infos_{name}_mono3d.coco.json'
        make_crops(source, data, objects / f'{name}.json', spec)
    return objects


def run_config(args: argparse.Namespace, variant: Variant, objects: Path) -> Config:
    """The config of one variant."""
    cfg = with_data_root(load_config(CONFIG), objects.resolve())
    cfg.merge_from_dict(variant.options)
    cfg.runner.max_iters = args.iters
    # All checkpoints are measured.
    cfg.checkpoint_config.update(interval=args.iters // args.points, max_keep_ckpts=-1)
    cfg.custom_imports.imports = [*cfg.custom_imports.imports, 'ablation_study.losses']
    return cfg


def train(args: argparse.Namespace, variant: Variant, seed: int, folder: Path, cfg: Config) -> None:
    """Trains one variant with one seed unless that is done."""
    step = training_step(
        ROOT / 'tools',
        write_config(cfg, folder / 'config.py'),
        cfg,
        folder / 'train',
        0.5 * args.iters,
        ['--seed', seed, '--device', 'cpu'],
        title=f'Train {variant.name}, seed {seed}',
    )
    StepChain(folder / 'steps.json').run([step])


def is_measured(folder: Path, cfg: Config) -> bool:
    """Whether a run of this config is done."""
    record = folder / 'measured.json'
    if not record.is_file():
        return False
    return json.loads(record.read_text(encoding='utf-8'))['fingerprint'] == config_fingerprint(cfg)


def measure_run(args: argparse.Namespace, folder: Path, cfg: Config) -> None:
    """Measures the checkpoints of a run and keeps the last of them."""
    interval = args.iters // args.points
    steps = [interval * (i + 1) for i in range(args.points)]
    curve: list[Measured] = []
    for step in steps:
        print(f'measuring {folder.name} after {step} steps', flush=True)
        measured, shown = measure(cfg, folder / 'train' / f'iter_{step}.pth')
        curve.append(measured)
    np.savez_compressed(folder / 'shown.npz', **shown._asdict())
    values = [{k: v.tolist() for k, v in measured._asdict().items()} for measured in curve]
    record = {'fingerprint': config_fingerprint(cfg), 'steps': steps, 'curve': values}
    (folder / 'measured.json').write_text(json.dumps(record), encoding='utf-8')
    for step in steps[:-1]:
        (folder / 'train' / f'iter_{step}.pth').unlink()


def read_run(title: str, seed: int, folder: Path) -> Run:
    """What was measured of a run."""
    record = json.loads((folder / 'measured.json').read_text(encoding='utf-8'))
    curve = [Measured(**{k: np.array(v) for k, v in m.items()}) for m in record['curve']]
    return Run(title, seed, record['steps'], curve)


def report(args: argparse.Namespace, done: Sequence[tuple[Variant, int, Path]]) -> str:
    """Writes table and pictures of the runs that are done; returns the table."""
    out = Path(args.out)
    order = [variant.name for variant in VARIANTS]
    done = sorted(done, key=lambda run: (order.index(run[0].name), run[1]))
    runs = [read_run(variant.title, seed, folder) for variant, seed, folder in done]
    first: dict[str, Shown] = {}
    for variant, _, folder in done:
        if variant.title not in first:
            first[variant.title] = Shown(**np.load(folder / 'shown.npz'))
    cars = len(runs[0].curve[-1].yaw)
    text = (
        f'{args.iters} steps each, {cars} held-out cars; in brackets 95 % intervals over cars and '
        f'seeds, in bold what they do not tell from the best.\n\n{markdown_table(runs)}'
    )
    (out / 'table.md').write_text(text, encoding='utf-8')
    draw_intervals(runs, out / 'intervals.png')
    draw_objects(list(first.items()), out / 'objects.png')
    return text


def main() -> None:
    """Train and measure what is missing, then report."""
    args = parse_args()
    torch.set_num_threads(1)
    # tools/train.py runs as a process of its own and imports the surrogate by name.
    paths = [str(ROOT / 'benchmarks'), os.environ.get('PYTHONPATH', '')]
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
    named = {variant.name: variant for variant in VARIANTS}
    chosen = [named[name] for name in args.variants]
    pairs = [(variant, seed) for seed in args.seeds for variant in chosen]
    done: list[tuple[Variant, int, Path]] = []
    try:
        objects = prepare_objects(args)
        for number, (variant, seed) in enumerate(pairs, start=1):
            left = 0.5 * args.iters * (len(pairs) - number + 1) / 60
            print(f'\nrun {number} of {len(pairs)}; left about {left:.0f} min on an idle machine')
            folder = Path(args.out) / 'runs' / f'{variant.name}-{seed}'
            cfg = run_config(args, variant, objects)
            if not is_measured(folder, cfg):
                train(args, variant, seed, folder, cfg)
                measure_run(args, folder, cfg)
            done.append((variant, seed, folder))
            print('\n' + report(args, done), flush=True)
    except (StepFailed, FileNotFoundError, FileExistsError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'table.md, intervals.png and objects.png lie in {args.out}')


if __name__ == '__main__':
    main()
