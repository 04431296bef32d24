"""Score the same detections on the wrong frames: what the evaluator gives to chance.

Each sample gets the detections of the sample half the data set away, camera by camera. Whatever
score is left comes from knowing classes, sizes and usual places, not from looking at the image.

Example:
    python benchmarks/chance_level.py CONFIG results.pkl
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import mmcv
from mmdet3d.datasets import build_dataset

from epropnp_det.apis import load_config


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config whose data.test the results belong to')
    parser.add_argument('results', help='what tools/test.py --out wrote')
    parser.add_argument('--cameras', type=int, default=6, help='images per sample')
    parser.add_argument('--out', help='write NDS and mAP to this json file')
    return parser.parse_args()


def misplaced(results: list[dict], cameras: int) -> list[dict]:
    """Results moved on by half of the samples.

    Raises:
        ValueError: If there are not at least two whole samples.
    """
    samples = len(results) // cameras
    if samples < 2 or len(results) % cameras:
        raise ValueError(f'{len(results)} results are not two or more samples of {cameras} images')
    shift = samples // 2 * cameras
    return results[shift:] + results[:shift]


def main() -> None:
    """Evaluate and print."""
    args = parse_args()
    try:
        results = misplaced(mmcv.load(args.results), args.cameras)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    dataset = build_dataset(load_config(args.config).data.test, {'test_mode': True})
    values = dataset.evaluate(results, metric='bbox')
    chance = {name: float(values[f'img_bbox_NuScenes/{name}']) for name in ('NDS', 'mAP')}
    print(f'on the wrong frames: mAP {chance["mAP"]:.4f}, NDS {chance["NDS"]:.4f}')
    if args.out:
        Path(args.out).write_text(json.dumps(chance, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
