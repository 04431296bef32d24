"""Train a network on CPU or GPU; same arguments as mmdet3d's own tools/train.py.

Example:
    python tools/train.py configs/epropnp_det/epropnp_det_v2_r101_nuscenes.py --work-dir work
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
import mmcv
import mmdet
import mmdet3d
import mmseg
import torch
import torch.distributed
from mmcv import Config, DictAction
from mmcv.runner import get_dist_info
from mmdet.apis import set_random_seed
from mmdet.utils import setup_multi_processes
from mmdet3d.apis import init_random_seed
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model
from mmdet3d.utils import collect_env, get_root_logger

from epropnp_det.apis import load_config
from epropnp_det.apis.agreement import check_agreement, check_config_classes
from epropnp_det.engine import check_folder, prepare_training, select_device, start_processes
from epropnp_det.engine.initialisation import initialise
from epropnp_det.quiet import plain_warnings


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go')
    parser.add_argument('--resume-from', help='checkpoint to go on from')
    parser.add_argument('--load-from', help='checkpoint whose weights a new run starts with')
    parser.add_argument('--auto-resume', action='store_true', help='go on from the latest one')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate while training')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    parser.add_argument('--gpu-id', type=int, default=0, help='which GPU, without a launcher')
    parser.add_argument('--seed', type=int, default=0, help='random seed')
    parser.add_argument('--diff-seed', action='store_true', help='another seed in each process')
    parser.add_argument(
        '--deterministic', action='store_true', help='only algorithms that repeat bit for bit'
    )
    parser.add_argument(
        '--auto-scale-lr',
        '--autoscale-lr',
        action='store_true',
        help='learning rate in proportion to the batch, from auto_scale_lr.base_batch_size',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='changes to the config, key=value'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser.parse_args()


def prepare_config(args: argparse.Namespace) -> Config:
    """The config with what the command line says."""
    cfg = load_config(args.config, args.cfg_options)
    setup_multi_processes(cfg)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.resume_from and args.load_from:
        raise ValueError('--resume-from goes on and --load-from starts anew: pass one of them')
    if args.resume_from is not None:
        cfg.resume_from = args.resume_from
    if args.load_from is not None:
        cfg.load_from = args.load_from
    cfg.auto_resume = args.auto_resume
    cfg.gpu_ids = [args.gpu_id]
    cfg.device = select_device(args.device).partition(':')[0]
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError('the config has no auto_scale_lr.base_batch_size to scale from')
        cfg.auto_scale_lr.enable = True
    return cfg


def make_deterministic(device: str) -> None:
    """Lets torch take only algorithms that repeat bit for bit; on a CPU all do."""
    if device != 'cpu':
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        torch.use_deterministic_algorithms(True, warn_only=True)


def start_log(cfg: Config, config_name: str, timestamp: str) -> dict:
    """Opens the log file, dumps the config, and returns the meta of checkpoints."""
    work_dir = Path(cfg.work_dir)
    cfg.dump(str(work_dir / config_name))
    logger = get_root_logger(
        log_file=str(work_dir / f'{timestamp}.log'), log_level=cfg.log_level, name='mmdet'
    )
    environment = '\n'.join(f'{key}: {value}' for key, value in collect_env().items())
    (work_dir / f'{timestamp}_environment.txt').write_text(environment + '\n')
    versions = ', '.join(f'{m.__name__} {m.__version__}' for m in (torch, mmcv, mmdet, mmdet3d))
    logger.info(f'{versions}; device {cfg.device}; logs and checkpoints: {work_dir}')
    return {'env_info': environment, 'config': cfg.pretty_text, 'exp_name': config_name}


def main() -> None:
    """Train as the config and the command line say."""
    args = parse_args()
    plain_warnings()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    try:
        cfg = prepare_config(args)
        check_folder(cfg.work_dir)
        distributed = args.launcher != 'none'
        if distributed:
            start_processes(args.launcher, cfg.device, **cfg.dist_params)
            cfg.gpu_ids = list(range(get_dist_info()[1]))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    timestamp = time.strftime('%Y%m%d_%H%M%S', time.localtime())
    meta = start_log(cfg, Path(args.config).name, timestamp)

    seed = init_random_seed(args.seed, device=cfg.device)
    seed += torch.distributed.get_rank() if args.diff_seed and distributed else 0
    set_random_seed(seed, deterministic=args.deterministic)
    if args.deterministic:
        make_deterministic(cfg.device)
    cfg.seed = meta['seed'] = seed

    validate = not args.no_validate
    try:
        check_config_classes(cfg.data, ('train', 'val') if validate else ('train',))
        model = build_model(cfg.model, train_cfg=cfg.get('train_cfg'), test_cfg=cfg.get('test_cfg'))
        initialise(model, Path(cfg.work_dir) / f'{timestamp}_initialisation.txt')
        dataset = build_dataset(cfg.data.train)
        check_agreement(model, dataset)
        model.CLASSES = dataset.CLASSES
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    if cfg.get('checkpoint_config') is not None:
        cfg.checkpoint_config.meta = {
            'mmcv_version': mmcv.__version__,
            'mmdet_version': mmdet.__version__,
            'mmdet3d_version': mmdet3d.__version__,
            'mmseg_version': mmseg.__version__,
            'config': cfg.pretty_text,
            'CLASSES': dataset.CLASSES,
        }
    try:
        run = prepare_training(model, [dataset], cfg, distributed, validate, timestamp, meta)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    run()


if __name__ == '__main__':
    main()
