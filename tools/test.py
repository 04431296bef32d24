"""Test a detector on CPU or GPU; same arguments as mmdet3d's own tools/test.py."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

import mmcv
import torch
from mmcv import Config, DictAction
from mmcv.runner import get_dist_info
from mmdet.apis import set_random_seed
from mmdet.datasets import build_dataloader
from mmdet.utils import compat_cfg, setup_multi_processes
from mmdet3d.datasets import build_dataset
from torch.utils.data import DataLoader, Dataset

from epropnp_det.apis import (
    init_detector,
    load_config,
    read_frames,
    save_pictures,
)
from epropnp_det.engine import predict_dataset, select_device, start_processes

# What ``cfg.evaluation`` says to the hook and not to ``dataset.evaluate``.
HOOK_OPTIONS = ('interval', 'tmpdir', 'start', 'gpu_collect', 'save_best', 'rule', 'by_epoch')


def parse_args() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='gets metrics.json and the submission')
    parser.add_argument('--out', help='write raw results to this .pkl file')
    parser.add_argument('--format-only', action='store_true', help='write the submission only')
    parser.add_argument('--eval', nargs='+', help="metric, for nuScenes 'bbox'")
    parser.add_argument('--show-dir', help='write pictures there')
    parser.add_argument('--show-score-thr', type=float, default=0.3, help='for --show-dir')
    parser.add_argument('--show-samples', type=int, help='pictures of that many samples only')
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
    if not (args.out or args.eval or args.format_only or args.show_dir):
        parser.error('nothing to do: pass --eval bbox, --format-only, --out FILE or --show-dir DIR')
    if args.eval and args.format_only:
        parser.error('--eval and --format-only exclude each other')
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error('--out must end in .pkl')
    return args


def build_loader(cfg: Config, distributed: bool) -> DataLoader:
    """The test set in its own order."""
    options = {'samples_per_gpu': 1, 'workers_per_gpu': 2, **cfg.data.get('test_dataloader', {})}
    dataset = build_dataset(cfg.data.test, {'test_mode': True})
    return build_dataloader(dataset, **{**options, 'dist': distributed, 'shuffle': False})


def run(args: argparse.Namespace, cfg: Config, loader: DataLoader) -> list | None:
    """Results of all images; of several processes only the first one has them."""
    device = args.device
    if args.launcher != 'none' and device == 'cuda':
        device = f'cuda:{torch.cuda.current_device()}'
    model = init_detector(cfg, args.checkpoint, device)
    return predict_dataset(model, loader, tmpdir=args.tmpdir)


def evaluate(args: argparse.Namespace, cfg: Config, dataset: Dataset, results: list[dict]) -> None:
    """Prints the metrics, and writes them where ``--work-dir`` says."""
    options = {k: v for k, v in cfg.get('evaluation', {}).items() if k not in HOOK_OPTIONS}
    options.pop('pipeline', None)
    metrics = dataset.evaluate(
        results, **{**options, 'metric': args.eval, **(args.eval_options or {})}
    )
    for name, value in metrics.items():
        if '_' not in name.rpartition('/')[2]:  # the rest, by class, goes into metrics.json
            print(f'{name}: {value:.4f}')
    if args.work_dir:
        path = Path(args.work_dir) / 'metrics.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = {k: float(v) if math.isfinite(v) else None for k, v in metrics.items()}
        path.write_text(json.dumps(numbers, indent=1) + '\n')
        print(f'metrics written to {path}')


def show(args: argparse.Namespace, cfg: Config, dataset: Dataset, results: list[dict]) -> None:
    """Writes pictures with the ground truth of the annotation file."""
    test = cfg.data.test
    frames = read_frames(test.ann_file, test.get('img_prefix', ''), dataset.CLASSES)
    start = time.time()
    written = save_pictures(
        frames, results, args.show_dir, dataset.CLASSES, args.show_score_thr, args.show_samples
    )
    print(f'{len(written)} pictures in {args.show_dir} ({time.time() - start:.0f} s)')


def main() -> None:
    """Predict, then write, evaluate and draw what was asked for."""
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = compat_cfg(load_config(args.config, args.cfg_options))
    setup_multi_processes(cfg)
    args.device = select_device(args.device)
    if args.launcher != 'none':
        start_processes(args.launcher, args.device.partition(':')[0], **cfg.dist_params)
    set_random_seed(args.seed, deterministic=args.deterministic)
    loader = build_loader(cfg, args.launcher != 'none')
    results = run(args, cfg, loader)
    if get_dist_info()[0] != 0:
        return
    dataset = loader.dataset
    if args.out:
        mmcv.dump(results, args.out)
        print(f'results written to {args.out}')
    if args.format_only:
        prefix = str(Path(args.work_dir or Path('work_dirs') / Path(args.config).stem) / 'results')
        options = {'jsonfile_prefix': prefix, **(args.eval_options or {})}
        files, _ = dataset.format_results(results, **options)
        print(f'submission written: {files}')
    if args.eval:
        evaluate(args, cfg, dataset, results)
    if args.show_dir:
        show(args, cfg, dataset, results)


if __name__ == '__main__':
    main()
