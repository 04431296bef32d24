r"""Run one training step and say which losses are finite and which parameters get a gradient.

Example: the full v2 network on one image of a real keyframe, without internet (minutes on a CPU):
    python benchmarks/check_training_step.py configs/epropnp_det/epropnp_det_v2_r101_nuscenes.py \
        --data-root data/nuscenes_keyframe --ann-file nuscenes_infos_mono3d.coco.json \
        --no-pretrained
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time

from mmcv.parallel import collate
from mmcv.utils import get_logger
from mmdet.apis import set_random_seed
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model
from terminaltables import AsciiTable
from torch import nn

from epropnp_det.apis import load_config, select_device, with_data_root
from epropnp_det.engine import to_device


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('--data-root', help='instead of the data_root of the config')
    parser.add_argument('--ann-file', help='annotation file in the data root')
    parser.add_argument('--images', type=int, default=1)
    parser.add_argument('--no-pretrained', action='store_true', help='random backbone, no download')
    parser.add_argument('--device', help='cpu, cuda, cuda:1')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


def prepare(args: argparse.Namespace) -> tuple[nn.Module, dict]:
    """The model in training mode and a batch of the first images.

    Raises:
        FileNotFoundError: If the config or the annotation file is missing.
    """
    cfg = load_config(args.config)
    if args.data_root is not None:
        cfg = with_data_root(cfg, args.data_root)
    if args.ann_file is not None:
        cfg.data.train.ann_file = cfg.data_root + args.ann_file
    if args.no_pretrained:
        # Residual branches that start at zero behind frozen norms would stay there.
        cfg.model.backbone.update(init_cfg=None, zero_init_residual=False)
    device = select_device(args.device)
    dataset = build_dataset(cfg.data.train)
    items = [dataset[index] for index in range(min(args.images, len(dataset)))]
    batch = to_device(collate(items, samples_per_gpu=len(items)), device)
    model = build_model(cfg.model)
    get_logger('mmcv', log_level=logging.WARNING)  # or it lists every parameter
    model.init_weights()
    return model.to(device).train(), batch


def parameter_groups(model: nn.Module) -> dict[str, list[str]]:
    """Names of the parameters after the backward pass, by what came to them."""
    groups: dict[str, list[str]] = {'frozen': [], 'no gradient': [], 'not finite': [], 'fine': []}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            groups['frozen'].append(name)
        elif parameter.grad is None or not parameter.grad.any():
            groups['no gradient'].append(name)
        elif not parameter.grad.isfinite().all():
            groups['not finite'].append(name)
        else:
            groups['fine'].append(name)
    return groups


def main() -> None:
    """Steps and prints; the exit status is 1 if anything is not finite or without a gradient."""
    args = parse_args()
    set_random_seed(args.seed)
    try:
        model, batch = prepare(args)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'one step on images of {tuple(batch["img"].shape)} ...', flush=True)
    start, begin = time.process_time(), time.time()
    losses = model(return_loss=True, **batch)
    forward = time.process_time() - start
    print(f'forward: {forward:.0f} s of processor time; backward ...', flush=True)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    backward = time.process_time() - start - forward
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        AsciiTable(
            [['loss or metric', 'value'], *([n, f'{v:.5g}'] for n, v in losses.items())]
        ).table
    )
    groups = parameter_groups(model)
    for kind, names in groups.items():
        print(f'{kind}: {len(names)} parameters')
        if kind not in ('fine', 'frozen'):
            print(''.join(f'    {name}\n' for name in names), end='')
    parts = sorted({'.'.join(name.split('.')[:2]) for name in groups['frozen']})
    print(f'frozen parts: {", ".join(parts) or "none"}')
    print(
        f'processor time: forward {forward:.0f} s, backward {backward:.0f} s '
        f'({time.time() - begin:.0f} s of wall time); peak memory {memory:.1f} GiB'
    )
    finite = all(bool(value.isfinite().all()) for value in losses.values())
    sys.exit(0 if finite and not groups['no gradient'] and not groups['not finite'] else 1)


if __name__ == '__main__':
    main()
