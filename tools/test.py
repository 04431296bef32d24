"""Test a detector on CPU or GPU; same arguments as mmdet3d's own tools/test.py.

Example:
    python tools/test.py CONFIG work_dirs/x/latest.pth --eval bbox --work-dir work_dirs/x
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
import mmcv
import torch
from mmcv import Config, DictAction
from mmdet.apis import set_random_seed
from mmdet.utils import compat_cfg, setup_multi_processes
from mmdet3d.datasets import build_dataset
from torch import nn
from torch.utils.data import Dataset

from epropnp_det.apis import (
    init_detector,
    load_config,
    read_frames,
    read_scenes,
    record_samples,
    save_pictures,
)
from epropnp_det.apis.agreement import check_agreement
from epropnp_det.apis.pictures import evenly_spread
from epropnp_det.engine import (
    build_test_loader,
    check_formatting,
    check_scoring,
    check_target,
    data_parts,
    kept_results,
    predict_dataset,
    select_device,
    start_processes,
)
from epropnp_det.progress import progress
from epropnp_det.quiet import plain_warnings
from epropnp_det.visualization.rerun_log import require_rerun

# What ``cfg.evaluation`` says to the hook and not to ``dataset.evaluate``.
HOOK_OPTIONS = ('interval', 'tmpdir', 'start', 'gpu_collect', 'save_best', 'rule', 'by_epoch')


def parse_args() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='gets metrics.json and the submission')
    parser.add_argument('--out', help='write raw results to this .pkl file')
    parser.add_argument('--format-only', action='store_true', help='write the submission only')
    parser.add_argument('--eval', nargs='+', help="metric, for nuScenes 'bbox'")
    parser.add_argument('--show-dir', help='write pictures there')
    parser.add_argument(
        '--rerun', help='detect again with posteriors and points, log it into this .rrd (rerun.io)'
    )
    parser.add_argument('--show-score-thr', type=float, default=0.3, help='of what is shown')
    parser.add_argument('--show-samples', type=int, help='show that many samples only')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    parser.add_argument('--seed', type=int, default=0, help='random seed')
    parser.add_argument('--deterministic', action='store_true', help='deterministic CUDNN')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='changes to the config, key=value'
    )
    parser.add_argument(
        '--eval-options', nargs='+', action=DictAction, help='for dataset.evaluate, key=value'
    )
    parser.add_argument('--tmpdir', help='folder of all processes, to collect results through')
    parser.add_argument('--gpu-collect', action='store_true', help='not needed; as in mmdet3d')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    if not (args.out or args.eval or args.format_only or args.show_dir or args.rerun):
        parser.error(
            'nothing to do: pass --eval bbox, --format-only, --out FILE, --show-dir DIR or --rerun'
        )
    if args.eval and args.format_only:
        parser.error('--eval and --format-only exclude each other')
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error('--out must end in .pkl')
    return args


def work_dir(args: argparse.Namespace) -> Path:
    """Where what was not given a place goes."""
    return Path(args.work_dir or Path('work_dirs') / Path(args.config).stem)


def evaluation_options(args: argparse.Namespace, cfg: Config) -> dict:
    """Arguments of ``dataset.evaluate`` beside the results."""
    options = {k: v for k, v in cfg.get('evaluation', {}).items() if k not in HOOK_OPTIONS}
    options.pop('pipeline', None)
    return {**options, 'metric': args.eval, **(args.eval_options or {})}


def format_options(args: argparse.Namespace) -> dict:
    """Arguments of ``dataset.format_results`` beside the results."""
    return {'jsonfile_prefix': str(work_dir(args) / 'results'), **(args.eval_options or {})}


def check(args: argparse.Namespace, cfg: Config, dataset: Dataset) -> None:
    """Makes sure that whatever comes after the detection has what it needs.

    Raises:
        ValueError: If something makes no sense.
        FileNotFoundError: If something is missing.
        ImportError: If --rerun lacks its package.
    """
    folders = [args.show_dir, args.work_dir or (args.format_only and work_dir(args))]
    if args.rerun:
        require_rerun()
    for path in (args.out, args.rerun, *(Path(folder) / 'new' for folder in folders if folder)):
        check_target(path)
    if args.eval:
        check_scoring(dataset, evaluation_options(args, cfg))
    if args.format_only:
        check_formatting(dataset, format_options(args))


def load(args: argparse.Namespace, cfg: Config, dataset: Dataset) -> nn.Module:
    """The detector, which means the same classes as the data.

    Raises:
        ValueError: If it is not the detector of the config, or of other classes.
        FileNotFoundError: If there is no such checkpoint.
    """
    device = args.device
    if args.launcher != 'none' and device == 'cuda':
        device = f'cuda:{torch.cuda.current_device()}'
    model = init_detector(cfg, args.checkpoint, device)
    check_agreement(model, dataset, model.CLASSES, args.checkpoint)
    return model


def evaluate(args: argparse.Namespace, cfg: Config, dataset: Dataset, results: list[dict]) -> None:
    """Prints the metrics, and writes them where ``--work-dir`` says."""
    metrics = dataset.evaluate(results, **evaluation_options(args, cfg))
    for name, value in metrics.items():
        if '_' not in name.rpartition('/')[2]:  # the rest, by class, goes into metrics.json
            print(f'{name}: {value:.4f}')
    if args.work_dir:
        path = Path(args.work_dir) / 'metrics.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = {k: float(v) if math.isfinite(v) else None for k, v in metrics.items()}
        path.write_text(json.dumps(numbers, indent=1) + '\n')
        print(f'metrics written to {path}')


def show(args: argparse.Namespace, dataset: Dataset, results: list[dict]) -> None:
    """Writes pictures with the ground truth of the annotation file."""
    start, first, count = time.time(), 0, 0
    parts = list(data_parts(dataset))
    for number, part in enumerate(parts):
        frames = read_frames(part.ann_file, part.img_prefix or '', part.CLASSES)
        folder = Path(args.show_dir) / (str(number) if len(parts) > 1 else '')
        found = results[first : first + len(part)]
        count += len(
            save_pictures(
                frames, found, folder, part.CLASSES, args.show_score_thr, args.show_samples,
                loading=getattr(part, 'loading', None),
            )
        )  # fmt: skip
        first += len(part)
    print(f'{count} pictures in {args.show_dir} ({time.time() - start:.0f} s)')


def record(args: argparse.Namespace, dataset: Dataset, model: nn.Module) -> None:
    """Logs samples, spread evenly, with ground truth, posteriors and points."""
    samples = []
    for part in data_parts(dataset):
        frames = read_frames(part.ann_file, part.img_prefix or '', part.CLASSES)
        samples += [group for scene in read_scenes(frames) for group in scene.samples]
    shown = [samples[index] for index in evenly_spread(len(samples), args.show_samples)]
    loading = getattr(next(data_parts(dataset)), 'loading', None)
    with progress(total=len(shown), title='recording', unit='sample') as bar:
        record_samples(args.rerun, model, shown, args.show_score_thr, loading, bar.update)
    print(f'{len(shown)} samples in {args.rerun}; rerun {args.rerun} --web-viewer shows them')


def finish(
    args: argparse.Namespace,
    cfg: Config,
    dataset: Dataset,
    results: list[dict],
    model: nn.Module,
) -> None:
    """Writes, evaluates and draws what was asked for; the results outlive whatever fails."""
    if args.out:
        mmcv.dump(results, args.out)
        print(f'results written to {args.out}')
    with kept_results(results, args.out, work_dir(args)):
        if args.format_only:
            files, _ = dataset.format_results(results, **format_options(args))
            print(f'submission written: {files}')
        if args.eval:
            evaluate(args, cfg, dataset, results)
        if args.show_dir:
            show(args, dataset, results)
        if args.rerun:
            record(args, dataset, model)


def main() -> None:
    """Check, predict, then do what was asked for."""
    args = parse_args()
    plain_warnings()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    try:
        cfg = compat_cfg(load_config(args.config, args.cfg_options))
        setup_multi_processes(cfg)
        args.device = select_device(args.device)
        if args.launcher != 'none':
            start_processes(args.launcher, args.device.partition(':')[0], **cfg.dist_params)
        set_random_seed(args.seed, deterministic=args.deterministic)
        dataset = build_dataset(cfg.data.test, {'test_mode': True})
        loader = build_test_loader(dataset, cfg, args.launcher != 'none')
        check(args, cfg, dataset)
        model = load(args, cfg, dataset)
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f'error: {error}')
    results = predict_dataset(model, loader, tmpdir=args.tmpdir)
    if results is None:  # of several processes the first one has them
        return
    try:
        finish(args, cfg, dataset, results, model)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
