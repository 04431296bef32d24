"""Overfit the small network to one real nuScenes keyframe (six images) and report what it finds.

Shows that the whole road works on real images on a CPU; it says nothing about generalisation.

Example:
    python demo/overfit_keyframe.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
from mmcv import Config, DictAction

from epropnp_det.apis.chains import training_step, write_config
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
CONFIG = ROOT / 'configs' / 'epropnp_det' / 'epropnp_det_r18_keyframe_cpu.py'
DATA = ROOT / 'data' / 'nuscenes_keyframe'


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('--data-root', default=str(DATA), help='folder of the json and samples/')
    parser.add_argument('--work-dir', default='work_dirs/keyframe', help='where everything goes')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--iters', type=int, help='training iterations of the config')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    parser.add_argument('--score-thr', type=float, default=0.2, help='of the pictures')
    parser.add_argument('--fresh', action='store_true', help='redo every step')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='changes to the config')
    return parser.parse_args(arguments)


def prepare(args: argparse.Namespace) -> tuple[Path, Config]:
    """Writes the config with its data at ``--data-root``; returns its path and itself.

    Raises:
        FileNotFoundError: If the data is not there.
    """
    options = dict(args.cfg_options or {})
    cfg = with_data_root(load_config(args.config), Path(args.data_root).resolve())
    if args.iters is not None:
        by_iteration = cfg.runner.type == 'ResumableIterRunner'
        options['runner.max_iters' if by_iteration else 'runner.max_epochs'] = args.iters
    cfg.merge_from_dict(options)
    if not Path(cfg.data.test.ann_file).is_file():
        raise FileNotFoundError(
            f'no {cfg.data.test.ann_file}; pass --data-root DIR with the keyframe (its json and '
            'samples/). It is nuScenes data and so not part of the repository.'
        )
    return write_config(cfg, Path(args.work_dir) / 'config.py'), cfg


def plan(args: argparse.Namespace, config: Path, cfg: Config) -> list[Step]:
    """Train, then detect and draw. Estimates are for two cores that do nothing else."""
    work, tools, mark = Path(args.work_dir), ROOT / 'tools', config_fingerprint(cfg)
    common = ['--seed', args.seed, *(['--device', args.device] if args.device else [])]
    results = work / 'results.pkl'
    test = python(
        tools / 'test.py', config, work / 'train' / 'latest.pth', '--out', results,
        '--show-dir', work / 'vis', '--show-score-thr', args.score_thr, *common,
    )  # fmt: skip
    return [
        training_step(
            tools, config, cfg, work / 'train', 840, common, title='Train on the six images'
        ),
        Step('test', 'Detect and draw', test, 15, (results, work / 'vis'), mark),
    ]


def main() -> None:
    """Run what is not done yet, and print the report."""
    args = parse_args()
    work = Path(args.work_dir)
    try:
        config, cfg = prepare(args)
        seconds = StepChain(work / 'steps.json', args.fresh).run(plan(args, config, cfg))
    except (StepFailed, FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'\ntraining took {seconds["train"]:.0f} s; pictures in {work}/vis', flush=True)
    arguments = [config, work / 'results.pkl', '--out', work / 'report.json']
    sys.exit(subprocess.call(python(ROOT / 'benchmarks' / 'report_keyframe.py', *arguments)))


if __name__ == '__main__':
    main()
