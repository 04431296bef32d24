"""Replay a training step that was not finite, as `work_dir/bad_steps/` holds it.

Only files of your own runs: they are Python pickles, which can run any code.

Example:
    python tools/replay_step.py work_dirs/mine/bad_steps/iter_120_rank0.pth
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from mmcv import Config
from mmdet3d.models import build_model
from terminaltables import AsciiTable
from torch import nn

from epropnp_det.engine import select_device, to_device
from epropnp_det.engine.bad_steps import batch_names, replay_seed


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('file', help='work_dir/bad_steps/iter_*_rank*.pth')
    parser.add_argument('--config', help='instead of the config that the file holds')
    parser.add_argument('--device', help='cpu, cuda')
    parser.add_argument(
        '--anomaly', action='store_true', help='name the operation whose gradient is NaN (slow)'
    )
    return parser.parse_args()


def load(args: argparse.Namespace) -> tuple[nn.Module, dict]:
    """The model with the weights of the step, in training mode, and the file's content."""
    path = Path(args.file)
    if not path.is_file():
        raise FileNotFoundError(f'no file {path}; bad steps are saved in work_dir/bad_steps')
    content = torch.load(str(path), map_location='cpu', weights_only=False)
    if 'batches' not in content:
        raise ValueError(f'{path} is no saved step, but perhaps a checkpoint')
    text = content['meta'].get('config')
    if not (args.config or text):
        raise ValueError(f'{path} holds no config; pass --config')
    cfg = Config.fromfile(args.config) if args.config else Config.fromstring(text, '.py')
    model = build_model(cfg.model, train_cfg=cfg.get('train_cfg'), test_cfg=cfg.get('test_cfg'))
    model.load_state_dict(content['state_dict'])
    return model.to(select_device(args.device)).train(), content


def replay(model: nn.Module, content: dict) -> list[list[str]]:
    """Rows of losses of all batches; the gradients are left in the model."""
    device = next(model.parameters()).device
    rows = []
    torch.manual_seed(replay_seed(content))
    for batch in content['batches']:
        print(f'images: {", ".join(batch_names(batch))}')
        data = to_device(batch, device)
        half = content.get('autocast')
        with torch.autocast(device.type, getattr(torch, half or 'bfloat16'), enabled=bool(half)):
            outputs = model.train_step(data, None)
        rows += [[name, f'{value:.6g}'] for name, value in outputs['log_vars'].items()]
        outputs['loss'].backward()
    return rows


def main() -> None:
    """Prints the losses and the parameters whose gradient is not finite; exit status 1 if any."""
    args = parse_args()
    try:
        model, content = load(args)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    with torch.autograd.set_detect_anomaly(args.anomaly):
        print(AsciiTable([['loss or metric', 'value'], *replay(model, content)]).table)
    bad = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and not parameter.grad.isfinite().all()
    ]
    print(f'{len(bad)} parameters with a gradient that is not finite')
    print(''.join(f'    {name}\n' for name in bad[:20]), end='')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
