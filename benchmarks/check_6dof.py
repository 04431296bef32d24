"""Accuracy, calibration and speed of an object pose network on its test images.

Prints what docs/6dof.md shows: ADD and other accuracies; how many true poses lie in the 50 and 90 %
regions of the posterior, with weights as the network gives them and corrected for the number of
points; the time per crop, and of 100 poses beside a loop of EPnP and Gauss-Newton.

Example:
    python benchmarks/check_6dof.py --samples 64
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from mmdet3d.datasets import build_dataset

from epropnp_6dof.apis import init_estimator
from epropnp_6dof.evaluation.calibration import credible_levels
from epropnp_6dof.evaluation.report import evaluate_results
from epropnp_6dof.models import Crops
from epropnp_6dof.models.layer import Z_MIN, calibration
from epropnp_6dof.models.solver import PoseSolver
from epropnp_6dof.models.structures import Correspondences
from epropnp_6dof.objects.poses import quaternion
from epropnp_det.pnp import PerspectiveCamera

BATCH = 40
SHOWN = ('ADD', 'projection', '5deg', 'MSSD', 'MSPD', 'rotation', 'translation')


def main() -> None:
    """Runs the checks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--checkpoint', help='weights; those of the package by default')
    parser.add_argument('--config', help='config; that in the checkpoint by default')
    parser.add_argument('--samples', type=int, default=256, help='per object, for the calibration')
    parser.add_argument('--out', help='JSON file for the numbers')
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = init_estimator(args.checkpoint, args.config, 'cpu')
    data = build_dataset(model.cfg.data.test)
    begin = time.process_time()
    points, cam2img = predict(model, data)
    numbers = {'network, ms per crop': 1000 * (time.process_time() - begin) / len(data)}
    begin = time.process_time()
    results = PoseSolver(**model.test_cfg).results(points, cam2img)
    numbers['solver, ms per object'] = 1000 * (time.process_time() - begin) / len(data)
    accuracy = evaluate_results(results, data.instances, data.models)
    numbers.update({k: v for k, v in accuracy.items() if k.startswith('mean/')})
    numbers.update(coverage(model, data, points, cam2img, args.samples))
    numbers.update(race(model, points, cam2img))
    for name, value in numbers.items():
        if not name.startswith('mean/') or name[5:].startswith(SHOWN):
            print(f'{name:50s} {value:8.2f}')
    if args.out:
        Path(args.out).write_text(json.dumps(numbers, indent=1) + '\n')


@torch.no_grad()
def predict(model: torch.nn.Module, data) -> tuple[Correspondences, torch.Tensor]:
    """Points of all test objects, and their cameras."""
    found, cameras = [], []
    for start in range(0, len(data), BATCH):
        items = [data[k] for k in range(start, min(start + BATCH, len(data)))]
        batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
        found.append(model.predict(batch.pop('img'), Crops(**batch))[1])
        cameras.append(batch['cam2img'][:, 0])
    return Correspondences(*(torch.cat(parts) for parts in zip(*found))), torch.cat(cameras)


def coverage(
    model: torch.nn.Module, data, points: Correspondences, cam2img: torch.Tensor, samples: int
) -> dict[str, float]:
    """Share of true poses in the 50 and 90 % regions, with and without the correction."""
    truths = np.stack([np.r_[i.translation, quaternion(i.rotation)] for i in data.instances])
    truths = torch.from_numpy(truths).float()
    numbers = {}
    for label, count in (('as given', None), ('corrected', model.test_cfg['num_train_points'])):
        solver = PoseSolver(**{**model.test_cfg, 'num_train_points': count, 'samples': samples})
        factor = calibration(count, points.x3d.size(1))
        scaled = points._replace(w2d=points.w2d * factor)
        levels, ess = [], []
        for start in range(0, len(truths), BATCH):
            part = slice(start, start + BATCH)
            some = Correspondences(*(p[part] for p in points))
            result = solver.solve(some, cam2img[part])
            weighted = Correspondences(*(p[part] for p in scaled))
            camera = PerspectiveCamera(cam2img[part], Z_MIN)
            levels.append(
                credible_levels(solver.layer.cost, weighted, camera, result, truths[part])
            )
            ess.append(result.ess)
        levels = torch.cat(levels)
        for level in (50, 90):
            share = 100 * (levels <= level / 100).float().mean()
            numbers[f'weights {label}: true poses in {level} % region'] = float(share)
        numbers[f'weights {label}: effective samples of {samples}'] = float(torch.cat(ess).mean())
    return numbers


def race(
    model: torch.nn.Module, points: Correspondences, cam2img: torch.Tensor
) -> dict[str, float]:
    """Processor milliseconds of 100 poses: batched, and by EPnP and Gauss-Newton in a loop."""
    some = Correspondences(*(p[:100] for p in points))
    cameras = cam2img[:100]
    batched = PoseSolver(**model.test_cfg)
    loop = PoseSolver(start='epnp', iterations=3, fast_mode=True)

    def one_by_one() -> None:
        for k in range(len(cameras)):
            loop.solve(Correspondences(*(p[k : k + 1] for p in some)), cameras[k : k + 1])

    contestants = {
        '100 poses, batched RSLM and LM': lambda: batched.solve(some, cameras),
        '100 poses, batched, start given by EPnP': lambda: loop.solve(some, cameras),
        '100 poses, EPnP and 3 GN in a loop': one_by_one,
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(3):
        for name, run in contestants.items():
            begin = time.process_time()
            run()
            times[name].append(1000 * (time.process_time() - begin))
    return {f'{name}, ms': float(np.median(found)) for name, found in times.items()}


if __name__ == '__main__':
    main()
