"""Write a nuScenes submission, check it and pack it for the server.

For the test set: --ann-file data/nuscenes/nuscenes_infos_test_mono3d.coco.json

Example:
    python tools/make_submission.py CONFIG --results results.pkl   # what tools/test.py --out wrote
    python tools/make_submission.py CONFIG --checkpoint model.pth  # runs the detector first
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
import mmcv
from mmcv import Config, DictAction
from mmdet.apis import set_random_seed
from mmdet3d.datasets import build_dataset
from torch.utils.data import Dataset

from epropnp_det.apis import init_detector, load_config, predict_dataset
from epropnp_det.apis.agreement import check_agreement
from epropnp_det.datasets.submission_check import check_submission, zip_submission
from epropnp_det.engine import build_test_loader, check_formatting, check_target, kept_results
from epropnp_det.quiet import plain_warnings


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config whose data.test is submitted')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--results', help='what tools/test.py --out wrote')
    source.add_argument('--checkpoint', help='weights of the detector')
    parser.add_argument('--ann-file', help='annotation file, if not data.test.ann_file')
    parser.add_argument('--out-dir', default='work_dirs/submission', help='folder of the files')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    parser.add_argument('--seed', type=int, default=0, help='random seed of the detector')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='changes to the config, key=value'
    )
    return parser.parse_args()


def detect(args: argparse.Namespace, cfg: Config, dataset: Dataset) -> list[dict]:
    """Results of the detector on all images."""
    set_random_seed(args.seed)
    loader = build_test_loader(dataset, cfg)
    model = init_detector(cfg, args.checkpoint, args.device)
    check_agreement(model, dataset, model.CLASSES, args.checkpoint)
    return predict_dataset(model, loader)


def read_results(path: str) -> list[dict]:
    """Results from a file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not one.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no results {path}; tools/test.py --out writes them')
    try:
        results = mmcv.load(path)
    except Exception as error:  # pickle raises many kinds for a file that is none
        raise ValueError(f'{path} is not what tools/test.py --out writes: {error}') from error
    if not isinstance(results, list):
        raise ValueError(f'{path} holds a {type(results).__name__}, not a list of results')
    return results


def main() -> None:
    """Detect, format, check, pack."""
    args = parse_args()
    plain_warnings()
    try:
        cfg = load_config(args.config, args.cfg_options)
        if args.ann_file:
            cfg.data.test.ann_file = args.ann_file
        dataset = build_dataset(cfg.data.test, {'test_mode': True})
        check_formatting(dataset, {'jsonfile_prefix': args.out_dir})
        check_target(Path(args.out_dir) / 'new')
        results = read_results(args.results) if args.results else detect(args, cfg, dataset)
        with kept_results(results, args.results, args.out_dir):
            files, _ = dataset.format_results(results, args.out_dir)
        for path in files.values():
            content = check_submission(path, dataset.sample_tokens)
            boxes = sum(map(len, content['results'].values()))
            print(f'{path}: {len(content["results"])} samples, {boxes} boxes, sound')
            print(f'{zip_submission(path)}: for the server')
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
