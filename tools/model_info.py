"""Print parameters and multiply-adds of a network, by part.

Example:
    python tools/model_info.py configs/epropnp_det/epropnp_det_v2_r101_nuscenes.py
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from mmcv.cnn.utils.flops_counter import add_flops_counting_methods, flops_to_string
from terminaltables import AsciiTable
from torch import nn

from epropnp_det.apis import init_detector


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--shape', nargs=2, type=int, default=(672, 1600), metavar=('HEIGHT', 'WIDTH')
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda')
    return parser.parse_args()


def count_operations(model: nn.Module, shape: tuple[int, int]) -> None:
    """Runs one image through the network; every module then has ``__flops__``.

    Multiply-adds of layers are counted; what is written in plain tensor operations (sampling, PnP)
    is not.
    """
    height, width = shape
    model = add_flops_counting_methods(model)
    model.eval().start_flops_count()
    meta = {
        'cam2img': np.array([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1]]),
        'img2net': np.eye(3, dtype=np.float32),
        'ori_shape': (height, width, 3),
        'img_shape': (height, width, 3),
        'pad_shape': (height, width, 3),
        'flip': False,
    }
    image = torch.zeros(1, 3, height, width, device=next(model.parameters()).device)
    with torch.no_grad():
        model(return_loss=False, rescale=True, img=[image], img_metas=[[meta]])


def parts_of(model: nn.Module) -> dict[str, nn.Module]:
    """Backbone, neck, and the parts of the head."""
    parts: dict[str, nn.Module] = {}
    for name, module in model.named_children():
        if name == 'bbox_head':
            parts.update({f'{name}.{key}': value for key, value in module.named_children()})
        else:
            parts[name] = module
    return parts


def row(name: str, module: nn.Module) -> list[str]:
    """Parameters, of which trained, and operations of a part."""
    parameters = list(module.parameters())
    total = sum(p.numel() for p in parameters)
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    flops = sum(getattr(part, '__flops__', 0) for part in module.modules())
    return [name, f'{total / 1e6:.2f} M', f'{trained / 1e6:.2f} M', flops_to_string(flops)]


def main() -> None:
    """Prints the table."""
    args = parse_args()
    try:
        # random weights: nothing is downloaded to count
        model = init_detector(args.config, None, args.device)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    count_operations(model, tuple(args.shape))
    rows = [row(name, module) for name, module in parts_of(model).items()]
    rows = [cells for cells in rows if cells[1] != '0.00 M' or not cells[3].startswith('0')]
    head = ['part', 'parameters', 'trained', 'multiply-adds']
    title = f'{type(model).__name__}, one image {args.shape[1]} x {args.shape[0]}'
    print(AsciiTable([head, *rows, row('all', model)], title).table)


if __name__ == '__main__':
    main()
