"""EPro-PnP against FCOS3D and PGD on equal terms: same images, backbone, neck, optimiser and steps.

Fetches a backbone that knows ImageNet, writes a synthetic nuScenes, trains the detectors with
several seeds, evaluates them by the official devkit and writes table.md, results.json and
comparison.png. Their configs are in configs/proof. Finished runs are kept: the same command goes on
where it was, and with more seeds it trains only what is new. With the data in place, two commands
can train one detector each at the same time.

Example:
    python tools/compare_detectors.py --seeds 0 1 2
    python tools/compare_detectors.py --detectors FCOS3D    # one of them, beside the other
    python tools/compare_detectors.py --iters 750 --batch 64 --train-scenes 160    # on a GPU
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from epropnp_det.apis.chains import data_steps, training_step, write_config
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
DETECTORS = {
    'EPro-PnP': ROOT / 'configs' / 'proof' / 'epropnp_det_small.py',
    'EPro-PnP, branches': ROOT / 'configs' / 'proof' / 'epropnp_det_branches_small.py',
    'FCOS3D': ROOT / 'configs' / 'proof' / 'fcos3d_small.py',
    'PGD': ROOT / 'configs' / 'proof' / 'pgd_small.py',
}
SUMMARY = {'NDS': 1, 'mAP': 1, 'mATE': -1, 'mASE': -1, 'mAOE': -1, 'mAVE': -1, 'mAAE': -1}
"""Metrics of the table, and whether more (1) or less (-1) is better."""
WINDOWS_PER_PROCESS = 32
"""Of a batch: what one process loads while a GPU takes a step."""
RANGES = ((0, 20), (20, 30), (30, 50))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--work-dir', default='work_dirs/proof', help='where everything goes')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='of the trainings')
    parser.add_argument(
        '--detectors', nargs='+', choices=list(DETECTORS), default=list(DETECTORS), help='to train'
    )
    parser.add_argument('--iters', type=int, help='steps of both; by default those of the config')
    parser.add_argument('--batch', type=int, help='windows of a step; a GPU takes more')
    parser.add_argument('--train-scenes', type=int, default=90)
    parser.add_argument('--test-scenes', type=int, default=20)
    parser.add_argument('--frames-per-scene', type=int, default=3)
    parser.add_argument('--scale', type=float, default=0.25, help='of 1600 x 900 images')
    parser.add_argument('--data-seed', type=int, default=7, help='of the scenes')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='for rendering')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    parser.add_argument('--report-only', action='store_true', help='of the runs that are finished')
    return parser.parse_args(arguments)


def localise(args: argparse.Namespace, name: str) -> Path:
    """Writes the config of a detector with its data and its backbone below the work dir."""
    work = Path(args.work_dir)
    cfg = with_data_root(load_config(DETECTORS[name]), work / 'train')
    root = f'{work / "test"}/'
    for part in (cfg.data.val, cfg.data.test):
        file = f'{root}nuscenes_infos_val_mono3d.coco.json'
        part.update(data_root=root, img_prefix=root, ann_file=file, eval_ranges=RANGES)
    cfg.model.backbone.init_cfg.checkpoint = str(backbone(args))
    if args.iters is not None:
        cfg.runner.max_iters = args.iters
    if args.batch is not None:
        cfg.data.samples_per_gpu = args.batch
        cfg.data.workers_per_gpu = math.ceil(args.batch / WINDOWS_PER_PROCESS)
    return write_config(cfg, work / f'{DETECTORS[name].stem}.py')


def backbone(args: argparse.Namespace) -> Path:
    """File of the weights that both start from."""
    return Path(args.work_dir) / 'mobilenet_v2.pth'


def run_dir(args: argparse.Namespace, name: str, seed: int) -> Path:
    """Folder of one training."""
    return Path(args.work_dir) / f'{DETECTORS[name].stem}_seed{seed}'


def preparation(args: argparse.Namespace) -> list[Step]:
    """What all runs share: the data of training and test, and the backbone."""
    work, tools = Path(args.work_dir), ROOT / 'tools'
    steps = []
    for split, scenes in (('train', args.train_scenes), ('val', args.test_scenes)):
        root = work / ('train' if split == 'train' else 'test')
        sizes = ['--split', split, '--preset', 'rich', '--scenes', scenes, '--scale', args.scale]
        sizes += ['--frames-per-scene', args.frames_per_scene, '--seed', args.data_seed]
        sizes += ['--workers', args.workers, '--no-statistics']
        file = root / f'nuscenes_infos_{split}_mono3d.coco.json'
        seconds = (1.0 * scenes * args.frames_per_scene, 15)
        steps += data_steps(tools, root, file, 'v1.0-trainval', sizes, seconds, part=split)
    fetch = python(tools / 'convert_mobilenet.py', backbone(args), '--force')
    steps.append(Step('backbone', 'Fetch ImageNet weights', fetch, 10, (backbone(args),)))
    return steps


def run_steps(args: argparse.Namespace, name: str, seed: int) -> list[Step]:
    """Training and testing of one detector with one seed.

    They are done anew when what they start from is another one: each run has a state of its own, so
    that two commands can share the work, and no chain sees that.
    """
    tools, config, out = ROOT / 'tools', localise(args, name), run_dir(args, name, seed)
    cfg = load_config(config)
    shared = [shlex.join(step.command[2:]) for step in preparation(args)]
    mark = '; '.join([config_fingerprint(cfg), *shared])
    options = [*(['--device', args.device] if args.device else []), '--seed', seed]
    title = f'{name}, seed {seed}'
    train = training_step(
        tools, config, cfg, out, 0.75 * cfg.runner.max_iters, options, 'train', f'Train {title}'
    )
    test = python(
        tools / 'test.py', config, out / 'latest.pth', '--eval', 'bbox', '--work-dir',
        out / 'eval', '--out', out / 'eval' / 'results.pkl', *options,
    )  # fmt: skip
    found = tuple(out / 'eval' / name for name in ('metrics.json', 'results.pkl'))
    return [
        train._replace(fingerprint=mark),
        Step('test', f'Test {title}', test, 120, found, mark),
    ]


def run_all(args: argparse.Namespace) -> None:
    """Does what is not done yet: data once, then each detector and seed, seeds outside."""
    work = Path(args.work_dir)
    StepChain(work / 'steps.json').run(preparation(args))
    runs = [(name, seed) for seed in args.seeds for name in args.detectors]
    for number, (name, seed) in enumerate(runs, start=1):
        print(f'\n{name}, seed {seed}: run {number} of {len(runs)}', flush=True)
        state = work / 'steps' / f'{run_dir(args, name, seed).name}.json'
        StepChain(state).run(run_steps(args, name, seed))


def read_runs(args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Metrics of the finished runs, short names, by detector; of those that have any."""
    runs = {}
    for name in DETECTORS:
        files = [run_dir(args, name, seed) / 'eval' / 'metrics.json' for seed in args.seeds]
        found = [json.loads(file.read_text('utf-8')) for file in files if file.exists()]
        runs[name] = [
            {key.rpartition('/')[2]: value for key, value in one.items() if value is not None}
            for one in found
        ]
    return {name: found for name, found in runs.items() if found}


def cell(values: Sequence[float]) -> str:
    """Mean and, of several, the standard deviation."""
    if not values:
        return '-'
    spread = f' ± {np.std(values, ddof=1):.3f}' if len(values) > 1 else ''
    return f'{np.mean(values):.3f}{spread}'


def table(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """All metrics side by side: means, by distance, by class."""
    every = [key for one in runs.values() for run in one for key in run]
    ranged = [key for key in dict.fromkeys(every) if key.startswith('mAP_')]
    by_class = [key for key in dict.fromkeys(every) if key.endswith('_AP_dist_2.0')]
    errors = [key for key in dict.fromkeys(every) if key.endswith('_orient_err')]
    heads = [f'{name} ({len(r)} seed{"s" * (len(r) != 1)})' for name, r in runs.items()]
    lines = [f'| | {" | ".join(heads)} |']
    lines.append('|---' * (1 + len(runs)) + '|')
    for key in [*SUMMARY, *ranged, *by_class, *errors]:
        cells = [cell([run[key] for run in one if key in run]) for one in runs.values()]
        lines.append(f'| {key} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def draw(runs: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Each metric as dots, a seed each, with the range between them."""
    figure = Figure(figsize=(12, 2.6), layout='constrained')
    FigureCanvasAgg(figure)
    for panel, (metric, sign) in zip(figure.subplots(1, len(SUMMARY)), SUMMARY.items()):
        for place, found in enumerate(runs.values()):
            values = [run[metric] for run in found if metric in run]
            if values:
                panel.plot([place, place], [min(values), max(values)], color=f'C{place}')
                panel.plot([place] * len(values), values, 'o', color=f'C{place}')
        panel.set_title(f'{metric}\n({"more" if sign > 0 else "less"} is better)', fontsize=8)
        panel.set_xticks(range(len(runs)), list(runs), fontsize=7, rotation=30, ha='right')
        panel.set_xlim(-0.5, len(runs) - 0.5)
        panel.set_ylim(0, 1.1 * panel.get_ylim()[1])
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run what is not done, then report what is there."""
    args = parse_args()
    work = Path(args.work_dir)
    try:
        if not args.report_only:
            run_all(args)
    except (StepFailed, FileNotFoundError) as error:
        sys.exit(f'error: {error}')
    runs = read_runs(args)
    if not runs:
        sys.exit(f'error: no finished run below {work}; call it without --report-only')
    text = table(runs)
    (work / 'table.md').write_text(text, encoding='utf-8')
    (work / 'results.json').write_text(json.dumps(runs, indent=1) + '\n')
    draw(runs, work / 'comparison.png')
    print(f'{text}\n{work}/table.md, results.json, comparison.png')


if __name__ == '__main__':
    main()
