r"""Are the predicted uncertainties true? Errors against the posterior of each annotated object.

The head is asked where training asks it, at the point that answers for an annotated object, so no
threshold on errors chooses what is looked at. Per object the script ranks the true value within the
posterior samples: if the posterior is right, half of the ranks are below 0.5 and 90 % below 0.9. It
also prints errors over predicted deviations, and the log-likelihood against one constant covariance
that is fitted to the errors of the training split. One temperature (weights divided by its square
root) is fitted on a split of its own; what it brings on the test split is in the second table.

Example:
    python benchmarks/check_calibration.py test/nuscenes_infos_val_mono3d.coco.json \
        --train train/nuscenes_infos_train_mono3d.coco.json \
        --calibrate third/nuscenes_infos_val_mono3d.coco.json
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np
import torch
from ablation_study.measure import POINTS_PER_IMAGE, Recorder, Seen
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmcv import Config
from mmcv.parallel import collate, scatter
from mmdet3d.datasets import build_dataset
from torch import Tensor, nn

from epropnp_det.apis import init_detector

BINS = ((0.0, 15.0), (15.0, 30.0), (30.0, 50.0))
LEVELS = (0.5, 0.9)
TEMPERATURES = tuple(float(t) for t in np.geomspace(0.25, 64, 17))


class Judged(NamedTuple):
    """What the posterior says of the truth of ``n`` objects.

    Attributes:
        labels: Classes, (n,).
        distance: Distance of the object in metres, (n,).
        error: Errors of x, y, z (m) and yaw (rad) of the solution, (n, 4).
        position: Rank of the true position among the samples, by Mahalanobis distance, (n,).
        yaw: Rank of the true yaw among the samples, by distance from their mean direction, (n,).
        normalised: Mahalanobis distance of position to the covariance of the solution over
            sqrt(3), which is about 1 where it is right, (n,).
        nll: Negative log-density of the true pose, (n,).
    """

    labels: np.ndarray
    distance: np.ndarray
    error: np.ndarray
    position: np.ndarray
    yaw: np.ndarray
    normalised: np.ndarray
    nll: np.ndarray


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('test', help='annotation file of the held-out split, in its data root')
    parser.add_argument('--train', required=True, help='the same of the training split')
    parser.add_argument('--calibrate', required=True, help='the same of a third split')
    parser.add_argument('--checkpoint', help='with a config inside; by default what ships')
    parser.add_argument('--images', type=int, default=120, help='of each split, spread evenly')
    parser.add_argument('--out', default='work_dirs/calibration', help='gets tables and picture')
    return parser.parse_args()


def asked(cfg: Config, annotations: str, images: int) -> torch.utils.data.Dataset:
    """A split with ground truth and the steps of testing."""
    root = str(Path(annotations).parent) + '/'
    test = cfg.data.test
    steps = copy.deepcopy(test.pipeline[1].transforms)
    steps = [step for step in steps if step.type != 'FlipMono3D']
    for step in steps:
        if step.type == 'DefaultFormatBundle3D':
            step.with_label = True
        if step.type == 'Collect3D':
            step['keys'] = cfg.train_keys
    names = ('bbox', 'label', 'attr_label', 'bbox_3d', 'label_3d', 'bbox_depth')
    load = dict(type='LoadAnnotations3D', **{f'with_{name}': True for name in names})
    dataset = build_dataset(
        {
            **copy.deepcopy(cfg.data.train if isinstance(cfg.data.train, dict) else test),
            'data_root': root,
            'img_prefix': root,
            'ann_file': annotations,
            'pipeline': [test.pipeline[0], load, *steps],
            'test_mode': False,
        }
    )
    chosen = np.unique(np.linspace(0, len(dataset) - 1, images).astype(int))
    return torch.utils.data.Subset(dataset, chosen.tolist())


def look(model: nn.Module, dataset: torch.utils.data.Dataset, batch_size: int = 4) -> list[Seen]:
    """What the head predicts for the annotated objects, batch by batch."""
    head = model.bbox_head
    head.losses, head.auxiliary, head.heading = Recorder(), None, None
    head.samples_per_img = 2 * POINTS_PER_IMAGE
    seen = []
    torch.manual_seed(0)
    for start in mmcv.track_iter_progress(list(range(0, len(dataset), batch_size))):
        items = [dataset[i] for i in range(start, min(start + batch_size, len(dataset)))]
        with torch.no_grad():
            model.forward_train(**scatter(collate(items, len(items)), [-1])[0])
        seen.append(head.losses.seen)
    print()
    return seen


def wrap(angle: Tensor) -> Tensor:
    """The same angle within half a turn."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def rank(of_truth: Tensor, of_samples: Tensor, weights: Tensor) -> Tensor:
    """Share of the posterior that lies nearer to its middle than the truth, (n,)."""
    return (weights * (of_samples < of_truth)).sum(0)


@torch.no_grad()
def judge(pnp: nn.Module, seen: Seen, temperature: float) -> Judged:
    """Ranks the truth within the posterior of each object."""
    pred, truth = seen.correspondences, seen.boxes3d[:, 3:]
    w2d = pred.w2d / math.sqrt(temperature)
    generator = torch.Generator().manual_seed(0)
    found = pnp.monte_carlo_forward(
        pred.x3d, pred.x2d, w2d, seen.camera, pose_init=truth, force_init_solve=True,
        generator=generator,
    )  # fmt: skip
    solved = pnp(pred.x3d, pred.x2d, w2d, seen.camera, generator=generator)
    weights = found.log_weights.softmax(0)  # (S, n)
    spot = found.samples[..., :3]
    mean = (weights[..., None] * spot).sum(0)
    off = spot - mean
    covariance = torch.einsum('sn,sni,snj->nij', weights, off, off)
    covariance = covariance + 1e-6 * torch.eye(3)

    def mahalanobis(delta: Tensor, by: Tensor) -> Tensor:
        return torch.linalg.solve(by, delta[..., None])[..., 0].mul(delta).sum(-1)

    of_samples = mahalanobis(off, covariance.expand(len(spot), -1, -1, -1))
    yaw = found.samples[..., 3]
    middle = torch.atan2((weights * yaw.sin()).sum(0), (weights * yaw.cos()).sum(0))
    error = solved.pose - truth
    error = torch.cat([error[:, :3], wrap(error[:, 3:])], 1)
    near = solved.pose_cov[:, :3, :3] + 1e-9 * torch.eye(3)
    values = (
        seen.labels,
        truth[:, :3].norm(dim=1),
        error,
        rank(mahalanobis(truth[:, :3] - mean, covariance), of_samples, weights),
        rank(wrap(truth[:, 3] - middle).abs(), wrap(yaw - middle).abs(), weights),
        (mahalanobis(error[:, :3], near) / 3).sqrt(),
        found.cost_target + found.log_weights.logsumexp(0),
    )
    return Judged(*(value.double().numpy() for value in values))


def judge_all(pnp: nn.Module, seen: Sequence[Seen], temperature: float = 1.0) -> Judged:
    """``judge`` of all batches."""
    return Judged(*map(np.concatenate, zip(*(judge(pnp, one, temperature) for one in seen))))


def constant_nll(fitted: np.ndarray, errors: np.ndarray) -> float:
    """Mean negative log-likelihood of errors (n, 4) under one normal density fitted to others."""
    covariance = fitted.T @ fitted / len(fitted)
    quadratic = np.einsum('ni,ij,nj->n', errors, np.linalg.inv(covariance), errors)
    return float((quadratic / 2).mean() + np.linalg.slogdet(2 * np.pi * covariance)[1] / 2)


def rows(judged: Judged, classes: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Names and masks of the groups of objects that get a row each."""
    groups = [('all', np.ones(len(judged.labels), bool))]
    groups += [(name, judged.labels == k) for k, name in enumerate(classes)]
    for low, high in BINS:
        inside = (judged.distance >= low) & (judged.distance < high)
        groups.append((f'{low:.0f} to {high:.0f} m', inside))
    return [(name, mask) for name, mask in groups if mask.sum() >= 10]


def table(judged: Judged, classes: Sequence[str]) -> str:
    """Coverage, normalised error and likelihood, by class and distance."""
    head = ['objects', 'n', *(f'position in {level:.0%}' for level in LEVELS)]
    head += [*(f'yaw in {level:.0%}' for level in LEVELS), 'error / deviation', 'NLL, median']
    lines = [f'| {" | ".join(head)} |', '|---' * len(head) + '|']
    for name, mask in rows(judged, classes):
        cells = [name, str(mask.sum())]
        for ranks in (judged.position[mask], judged.yaw[mask]):
            cells += [f'{(ranks <= level).mean():.0%}' for level in LEVELS]
        cells += [f'{np.median(judged.normalised[mask]):.2f}', f'{np.median(judged.nll[mask]):.2f}']
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def draw(judged: Sequence[tuple[str, Judged]], path: Path) -> None:
    """Reliability: how much of the truth lies within how much of the posterior."""
    figure = Figure(figsize=(9, 4.2), layout='constrained')
    FigureCanvasAgg(figure)
    levels = np.linspace(0, 1, 51)
    for panel, field in zip(figure.subplots(1, 2), ('position', 'yaw')):
        panel.plot([0, 1], [0, 1], color='0.6', label='calibrated')
        for title, one in judged:
            ranks = getattr(one, field)
            panel.plot(levels, [(ranks <= level).mean() for level in levels], label=title)
        panel.set(
            title=field, xlabel='share of the posterior', ylabel='share of true values inside'
        )
        panel.set_aspect('equal')
        panel.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Look once at every split, then judge at several temperatures."""
    args = parse_args()
    try:
        model = init_detector(checkpoint=args.checkpoint, device='cpu')
        files = {name: getattr(args, name) for name in ('train', 'calibrate', 'test')}
        splits = {name: asked(model.cfg, file, args.images) for name, file in files.items()}
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    seen = {name: look(model, dataset) for name, dataset in splits.items()}
    pnp = model.bbox_head.pnp_test
    finite = {t: judge_all(pnp, seen['calibrate'], t).nll for t in TEMPERATURES}
    temperature = min(finite, key=lambda t: np.nanmean(finite[t]))
    train, test = judge_all(pnp, seen['train']), judge_all(pnp, seen['test'])
    cooled = judge_all(pnp, seen['test'], temperature)
    numbers = {
        'objects': len(test.nll),
        'temperature': temperature,
        'nll': float(np.nanmean(test.nll)),
        'nll_with_temperature': float(np.nanmean(cooled.nll)),
        'nll_of_constant_covariance': constant_nll(train.error, test.error),
    }
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    text = f'As predicted:\n\n{table(test, model.CLASSES)}\n'
    text += f'With temperature {temperature:.2f}:\n\n{table(cooled, model.CLASSES)}\n'
    text += '\n'.join(f'{name}: {value:.3f}' for name, value in numbers.items()) + '\n'
    (out / 'calibration.md').write_text(text, encoding='utf-8')
    (out / 'calibration.json').write_text(json.dumps(numbers, indent=1) + '\n')
    draw(
        [('as predicted', test), (f'temperature {temperature:.2f}', cooled)],
        out / 'reliability.png',
    )
    print(text)


if __name__ == '__main__':
    main()
