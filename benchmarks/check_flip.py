"""Measure whether a trained detector sees the same in an image and in its mirror image.

Three comparisons, by the matches of the same class within --max-distance in bird's-eye view:
* one view against the mirrored view: what the network has learned;
* the network against its own mirror image (mirrored weights and feature maps) on the mirrored view:
  what is left is an error of the flip conventions, whatever was learned;
* the flip test of the image against that of the mirrored image: the same two views, so what is left
  is the solver's.

Example:
    python benchmarks/check_flip.py CONFIG CHECKPOINT --limit 50
"""

from __future__ import annotations

import argparse
import copy
import sys

import numpy as np
from mmcv.parallel import collate
from mmdet3d.datasets import build_dataset
from terminaltables import AsciiTable
from torch import nn

from epropnp_det.apis import init_detector, report, to_objects
from epropnp_det.apis.inference import forward
from epropnp_det.models.heads import mirrored_head
from epropnp_det.progress import progress
from epropnp_det.visualization import Objects

COMPARISONS = (
    'one view, plain and mirrored',
    'one view, and the mirrored network on the mirrored one',
    'flip test, of the image and of its mirror image',
)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the detector; images are those of data.test')
    parser.add_argument('checkpoint')
    parser.add_argument('--limit', type=int, default=50, help='images, spread over the set')
    parser.add_argument('--score-thr', type=float, default=0.2)
    parser.add_argument('--max-distance', type=float, default=2.0, help='metres')
    parser.add_argument('--device', help='cpu, cuda, cuda:1')
    return parser.parse_args()


def mirrored_network(model: nn.Module) -> nn.Module:
    """A copy that does with mirrored images exactly what the model does with plain ones."""
    twin = copy.deepcopy(model)
    twin.bbox_head = mirrored_head(model.bbox_head)
    twin.extract_feat = lambda img: [feat.flip(-1) for feat in model.extract_feat(img.flip(-1))]
    return twin


def compare(args: argparse.Namespace) -> list[list]:
    """Rows of the table.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the test pipeline cannot flip.
    """
    model = init_detector(args.config, args.checkpoint, args.device)
    test = copy.deepcopy(model.cfg.data.test)
    wrappers = [step for step in test.pipeline if step['type'] == 'MultiScaleFlipAug']
    if not wrappers:
        raise ValueError('the test pipeline has no MultiScaleFlipAug, so it cannot flip')
    wrappers[0]['flip'] = True
    dataset = build_dataset(test, {'test_mode': True})
    chosen = np.linspace(0, len(dataset) - 1, min(args.limit, len(dataset))).astype(int)
    pairs: dict[str, list] = {name: [] for name in COMPARISONS}
    twin = mirrored_network(model)
    for index in progress(chosen.tolist()):
        batch = collate([dataset[index]], samples_per_gpu=1)

        def detect(network: nn.Module, *views: int, batch: dict = batch) -> Objects:
            data = {key: [values[view] for view in views] for key, values in batch.items()}
            return to_objects(forward(network, data)[0], args.score_thr)

        plain = detect(model, 0)
        found = (
            (plain, detect(model, 1)),
            (plain, detect(twin, 1)),
            (detect(model, 0, 1), detect(model, 1, 0)),
        )
        for name, (image, mirror) in zip(COMPARISONS, found):
            pairs[name].append((image, mirror, np.ones(len(mirror.boxes), dtype=bool)))
    rows = []
    for name, images in pairs.items():
        r = report(images, list(model.CLASSES), args.score_thr, args.max_distance)
        shares = [f'{100 * r.recall:.1f} %', f'{r.distance_error:.3f} m', f'{r.yaw_error:.3f} rad']
        rows.append([name, r.total, r.detections, *shares])
    return rows


def main() -> None:
    """Compares and prints."""
    args = parse_args()
    try:
        rows = compare(args)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    head = ['compared', 'of the mirror', 'of the image', 'in both', 'median distance', 'median yaw']
    print('\n' + AsciiTable([head, *rows]).table)


if __name__ == '__main__':
    main()
