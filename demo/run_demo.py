"""The whole road on a bare machine: synthetic nuScenes, detection, official evaluation, pictures.

`make demo` runs it with the weights that ship, on scenes that they have not seen; `make demo-train`
(`--train`) trains a small network from scratch first. Interrupted, it goes on where it was; done
steps are skipped (`--fresh` redoes them). summary.md in the work dir says what lies where.

Example:
    python demo/run_demo.py --seed 1
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
from mmcv import Config, DictAction

from epropnp_det.apis.chains import data_steps, training_step, write_config
from epropnp_det.engine import (
    Step,
    StepChain,
    StepFailed,
    config_fingerprint,
    config_of,
    load_config,
    read_checkpoint,
    with_data_root,
)
from epropnp_det.engine.steps import python
from epropnp_det.weights import default_weights

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py'
ANNOTATIONS = 'nuscenes_infos_val_mono3d.coco.json'
SHIPPED = {
    'work_dir': 'work_dirs/demo',
    'scenes': 2,
    'frames_per_scene': 8,
    'scale': 0.32,
    'preset': 'rich',
}
TRAINED = {
    'work_dir': 'work_dirs/demo_train',
    'scenes': 10,
    'frames_per_scene': 16,
    'scale': 0.24,
    'preset': 'simple',
}
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
    parser.add_argument('--train', action='store_true', help='train a network from scratch first')
    parser.add_argument('--config', default=str(CONFIG), help='small CPU config, with --train')
    parser.add_argument('--weights', help='checkpoint with a config inside; by default the shipped')
    parser.add_argument('--work-dir', help='where everything goes')
    parser.add_argument('--seed', type=int, default=0, help='of data and training')
    parser.add_argument('--iters', type=int, help='training iterations (or epochs) of the config')
    parser.add_argument('--scenes', type=int, help='of mini_val, 1 or 2; with --train of mini')
    parser.add_argument('--frames-per-scene', type=int)
    parser.add_argument('--scale', type=float, help='of 1600 x 900 images')
    parser.add_argument('--preset', choices=['simple', 'rich'], help='conditions of the scenes')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='for rendering')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    parser.add_argument('--score-thr', type=float, default=0.2, help='of the pictures')
    parser.add_argument('--show-samples', type=int, default=16, help='samples in pictures')
    parser.add_argument('--fresh', action='store_true', help='redo every step')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='for train and test')
    args = parser.parse_args(arguments)
    for name, value in (TRAINED if args.train else SHIPPED).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.train and args.scenes < 2:
        parser.error('--scenes must be at least 2: one of mini_train and one of mini_val')
    if not args.train and args.iters is not None:
        parser.error('--iters is about training; pass --train')
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
    if args.train:
        cfg = load_config(args.config)
        if Path(cfg.data_root).resolve() == data.resolve():
            return args.config, cfg
        cfg = with_data_root(cfg, data)
    else:
        weights = weights_of(args)
        cfg = with_test_data(config_of(read_checkpoint(weights)['meta'], weights), data)
    return str(write_config(cfg, Path(args.work_dir) / 'config.py')), cfg


def weights_of(args: argparse.Namespace) -> Path:
    """The checkpoint that the demo tests."""
    if args.train:
        return Path(args.work_dir) / 'train' / 'latest.pth'
    return Path(args.weights) if args.weights else default_weights()


def with_test_data(cfg: Config, data: Path) -> Config:
    """The config with ``data`` as the data set that is tested."""
    cfg = copy.deepcopy(cfg)
    root = f'{data}/'
    cfg.data.test.update(data_root=root, ann_file=f'{root}{ANNOTATIONS}', img_prefix=root)
    cfg.data_root = root
    return cfg


def plan(args: argparse.Namespace, config: str, cfg: Config) -> list[Step]:
    """The steps. Estimates are for two cores that do nothing else."""
    work, tools, data = Path(args.work_dir), ROOT / 'tools', Path(cfg.data_root)
    device = ['--device', args.device] if args.device else []
    common = [*device, '--seed', args.seed, *config_options(args, cfg)]
    images = args.scenes * args.frames_per_scene * 6 * (args.scale / 0.24) ** 2 / 960
    split = 'mini' if args.train else 'mini_val'
    sizes = ['--split', split, '--preset', args.preset, '--scenes', args.scenes]
    sizes += ['--frames-per-scene', args.frames_per_scene, '--scale', args.scale]
    sizes += ['--seed', args.seed, '--workers', args.workers]
    test = python(
        tools / 'test.py', config, weights_of(args), '--eval', 'bbox',
        '--work-dir', work / 'eval', '--out', work / 'eval' / 'results.pkl', '--show-dir',
        work / 'vis', '--show-score-thr', args.score_thr, '--show-samples', args.show_samples,
        *common,
    )  # fmt: skip
    mark = config_fingerprint(cfg)
    results, chance = work / 'eval' / 'results.pkl', work / 'eval' / 'chance.json'
    misplace = python(ROOT / 'benchmarks' / 'chance_level.py', config, results, '--out', chance)
    film = python(ROOT / 'demo' / 'make_video.py', work / 'vis', work / 'demo.mp4')
    steps = [
        *data_steps(
            tools, data, data / ANNOTATIONS, 'v1.0-mini', sizes, (10 + 60 * images, 15)
        ),
        training_step(tools, config, cfg, work / 'train', 570, common),
        Step(
            'test', 'Evaluate with nuscenes-devkit, draw', test, 10 + 30 * images,
            (work / 'eval', work / 'vis'), mark,
        ),
        Step('chance', 'Score chance: the wrong frames', misplace, 20, (chance,), mark),
        Step('video', 'Make a video', film, 5, (work / 'demo.mp4',), mark),
    ]  # fmt: skip
    wanted = ('train', 'chance') if args.train else ('video',)
    return [step for step in steps if step.name in ('data', 'prepare', 'test', *wanted)]


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
        'video': work / 'demo.mp4',
        'checkpoint': weights_of(args),
        'training log': work / 'train',
        'detections': work / 'eval' / 'results.pkl',
        'metrics': work / 'eval' / 'metrics.json',
        'synthetic nuScenes': work / 'data',
        'config': Path(config),
    }
    del places['video' if args.train else 'training log']
    lines = ['# EPro-PnP-Det demo', '', '| metric | value | meaning |', '|---|---|---|']
    lines += [f'| {name} | {metrics[name]:.4f} | {METRICS[name]} |' for name in METRICS]
    record = {
        'metrics': metrics,
        'seconds': seconds,
        'seed': args.seed,
        'places': {name: str(place) for name, place in places.items()},
    }
    if args.train:
        chance = json.loads((work / 'eval' / 'chance.json').read_text(encoding='utf-8'))['mAP']
        record['chance_mAP'] = chance
        lines += [f'| mAP by chance | {chance:.4f} | the same detections on the wrong frames |']
    lines += ['', f"Synthetic mini_val, nuscenes-devkit's evaluator, seed {args.seed}.", '']
    lines += ['| step | seconds |', '|---|---|']
    lines += [f'| {name} | {value:.0f} |' for name, value in seconds.items()]
    lines += [f'| total | {sum(seconds.values()):.0f} |', '', '| what | where |', '|---|---|']
    lines += [f'| {name} | {place} |' for name, place in places.items()]
    text = '\n'.join(lines) + '\n'
    (work / 'summary.md').write_text(text, encoding='utf-8')
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
    except (StepFailed, FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    metrics = read_metrics(Path(args.work_dir) / 'eval' / 'metrics.json')
    print('\n' + summarise(args, config, metrics, seconds))
    print(f'This run took {time.time() - start:.0f} s; the table is in {args.work_dir}/summary.md')


if __name__ == '__main__':
    main()
