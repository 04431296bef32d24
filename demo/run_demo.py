"""The whole road on a bare machine: synthetic nuScenes, training, official evaluation, pictures.

`make demo` runs it. Interrupted, it goes on where it was; done steps are skipped (`--fresh` redoes
them). Everything lies in work_dirs/demo; summary.md there says what and where.

Example:
    python demo/run_demo.py --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
from mmcv import Config, DictAction

from epropnp_det.engine import (
    Step,
    StepChain,
    StepFailed,
    config_fingerprint,
    load_config,
    with_data_root,
)
from epropnp_det.engine.steps import python

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py'
METRICS = {
    'NDS': 'nuScenes detection score',
    'mAP': 'mean average precision',
    'mATE': 'translation error, m',
    'mASE': 'scale error, 1 - IoU',
    'mAOE': 'orientation error, rad',
    'mAVE': 'velocity error, m/s',
    'mAAE': 'attribute error, 1 - accuracy',
}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', default=str(CONFIG), help='small CPU config')
    parser.add_argument('--work-dir', default='work_dirs/demo', help='where everything goes')
    parser.add_argument('--seed', type=int, default=0, help='of data and training')
    parser.add_argument('--iters', type=int, help='training iterations (or epochs) of the config')
    parser.add_argument('--scenes', type=int, default=10, help='1 to 10; the last are mini_val')
    parser.add_argument('--frames-per-scene', type=int, default=16)
    parser.add_argument('--scale', type=float, default=0.24, help='of 1600 x 900 images')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='for rendering')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    parser.add_argument('--score-thr', type=float, default=0.3, help='of the pictures')
    parser.add_argument('--show-samples', type=int, default=8, help='samples in pictures')
    parser.add_argument('--fresh', action='store_true', help='redo every step')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='for train and test')
    args = parser.parse_args(arguments)
    if args.scenes < 2:
        parser.error('--scenes must be at least 2: one of mini_train and one of mini_val')
    return args


def config_options(args: argparse.Namespace, cfg: Config) -> list[str]:
    """The ``--cfg-options`` of training and testing."""
    options = dict(args.cfg_options or {})
    if args.iters is not None:
        by_iteration = cfg.runner.type == 'ResumableIterRunner'
        options['runner.max_iters' if by_iteration else 'runner.max_epochs'] = args.iters
    return ['--cfg-options', *(f'{key}={value}' for key, value in options.items())] * bool(options)


def localise(args: argparse.Namespace) -> tuple[str, Config]:
    """The config with its data below the work dir, and the path of its file."""
    data = Path(args.work_dir) / 'data'
    cfg = load_config(args.config)
    if Path(cfg.data_root).resolve() == data.resolve():
        return args.config, cfg
    cfg = with_data_root(cfg, data)
    path = Path(args.work_dir) / 'config.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(str(path))
    return str(path), cfg


def plan(args: argparse.Namespace, config: str, cfg: Config) -> list[Step]:
    """The steps. Estimates are for two cores that do nothing else."""
    work, tools, data = Path(args.work_dir), ROOT / 'tools', Path(cfg.data_root)
    device = ['--device', args.device] if args.device else []
    common = [*device, '--seed', args.seed, *config_options(args, cfg)]
    annotations = data / 'nuscenes_infos_val_mono3d.coco.json'
    images = args.scenes * args.frames_per_scene * 6 * (args.scale / 0.24) ** 2 / 960
    shown = ['--show-score-thr', args.score_thr, '--show-samples', args.show_samples]
    sizes = ['--scenes', args.scenes, '--frames-per-scene', args.frames_per_scene]
    sizes += ['--scale', args.scale, '--seed', args.seed, '--workers', args.workers]
    synthetic = python(tools / 'make_synthetic_nuscenes.py', data, *sizes, '--force')
    prepare = python(tools / 'prepare_nuscenes.py', '--data-root', data, '--version', 'v1.0-mini')
    train = python(
        tools / 'train.py', config, '--work-dir', work / 'train', '--no-validate',
        '--auto-resume', *common,
    )  # fmt: skip
    test = python(
        tools / 'test.py', config, work / 'train' / 'latest.pth', '--eval', 'bbox',
        '--work-dir', work / 'eval', '--out', work / 'eval' / 'results.pkl',
        '--show-dir', work / 'vis', *shown, *common,
    )  # fmt: skip
    mark = config_fingerprint(cfg)
    results, chance = work / 'eval' / 'results.pkl', work / 'eval' / 'chance.json'
    misplace = python(ROOT / 'benchmarks' / 'chance_level.py', config, results, '--out', chance)
    evaluated = (work / 'eval', work / 'vis')
    return [
        Step('data', 'Write a synthetic nuScenes', synthetic, 60 * images, (data,)),
        Step('prepare', 'Prepare the annotation files', prepare, 15 * images, (annotations,)),
        Step('train', 'Train the small network', train, 570, (work / 'train',), mark),
        Step('test', 'Evaluate with nuscenes-devkit, draw', test, 30 * images, evaluated, mark),
        Step('chance', 'Score chance: the wrong frames', misplace, 20, (chance,), mark),
    ]


def read_metrics(path: Path) -> dict[str, float]:
    """NDS, mAP and the five errors of ``metrics.json``."""
    values = json.loads(path.read_text(encoding='utf-8'))
    found = {name.rpartition('/')[2]: value for name, value in values.items()}
    return {name: found[name] for name in METRICS}


def summarise(
    args: argparse.Namespace, config: str, metrics: dict[str, float], seconds: dict[str, float]
) -> str:
    """Writes ``summary.md`` and ``summary.json``; returns the former."""
    work = Path(args.work_dir)
    places = {
        'pictures': work / 'vis',
        'checkpoint': work / 'train' / 'latest.pth',
        'training log': work / 'train',
        'detections': work / 'eval' / 'results.pkl',
        'metrics': work / 'eval' / 'metrics.json',
        'synthetic nuScenes': work / 'data',
        'config': Path(config),
    }
    lines = ['# EPro-PnP-Det demo', '', '| metric | value | meaning |', '|---|---|---|']
    lines += [f'| {name} | {metrics[name]:.4f} | {METRICS[name]} |' for name in METRICS]
    chance = json.loads((work / 'eval' / 'chance.json').read_text(encoding='utf-8'))['mAP']
    lines += [f'| mAP by chance | {chance:.4f} | the same detections on the wrong frames |']
    lines += ['', f"Synthetic mini_val, nuscenes-devkit's evaluator, seed {args.seed}.", '']
    lines += ['| step | seconds |', '|---|---|']
    lines += [f'| {name} | {value:.0f} |' for name, value in seconds.items()]
    lines += [f'| total | {sum(seconds.values()):.0f} |', '', '| what | where |', '|---|---|']
    lines += [f'| {name} | {place} |' for name, place in places.items()]
    text = '\n'.join(lines) + '\n'
    (work / 'summary.md').write_text(text, encoding='utf-8')
    record = {
        'metrics': metrics,
        'chance_mAP': chance,
        'seconds': seconds,
        'seed': args.seed,
        'places': {name: str(place) for name, place in places.items()},
    }
    (work / 'summary.json').write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')
    return text


def main() -> None:
    """Run what is not done yet and print the table."""
    args = parse_args()
    start = time.time()
    try:
        config, cfg = localise(args)
        chain = StepChain(Path(args.work_dir) / 'steps.json', args.fresh)
        seconds = chain.run(plan(args, config, cfg))
    except (StepFailed, FileNotFoundError) as error:
        sys.exit(f'error: {error}')
    metrics = read_metrics(Path(args.work_dir) / 'eval' / 'metrics.json')
    print('\n' + summarise(args, config, metrics, seconds))
    print(f'This run took {time.time() - start:.0f} s; the table is in {args.work_dir}/summary.md')


if __name__ == '__main__':
    main()
