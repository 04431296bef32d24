"""Who answers better for annotated objects, EPro-PnP or its peers, by class, distance, visibility.

mAP mixes finding, ranking and placing. This asks what `make proof` has trained and tested for the
pose of each annotated object of the test images: of what a detector finds, with its own decoding
and suppression, the best score among the centres that appear near the object answers, and no answer
is wrong. Headings are compared once more, of what both place. Writes answers.md into the folder of
the proof, with intervals and what all cost.

Example:
    python benchmarks/compare_answers.py
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
import mmcv
import numpy as np
import torch
from ablation_study.answers import COLUMNS, Answers, judge
from ablation_study.costs import costs
from ablation_study.report import Column, Estimate, difference, estimate
from nuscenes.eval.detection.config import config_factory

from epropnp_det.datasets.annotation_check import sound_annotations
from epropnp_det.engine import load_config

OURS = {'EPro-PnP': 'epropnp_det_small', 'EPro-PnP, branches': 'epropnp_det_branches_small'}
PEERS = {'FCOS3D': 'fcos3d_small', 'PGD': 'pgd_small'}
DETECTORS = {**OURS, **PEERS}
"""Names of their configs in the folder of the proof; each of ours is compared with each peer."""
PLACED = 0.25
"""Error of a position, over the distance, up to which headings are compared."""
SHOWN = tuple(COLUMNS[i] for i in (0, 3, 5))
"""Median errors of yaw and position, and the share that is right in both."""


class Objects(NamedTuple):
    """The annotated objects that are asked for.

    Attributes:
        classes: Names, (n,).
        distance: To the camera in metres, (n,).
        visibility: Level of nuScenes, 1 (below 40 %) to 4 (above 80 %), (n,).
    """

    classes: np.ndarray
    distance: np.ndarray
    visibility: np.ndarray


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--work-dir', default='work_dirs/proof', help='of compare_detectors.py')
    parser.add_argument('--repeats', type=int, default=7, help='iterations and images timed')
    return parser.parse_args(arguments)


def finished(work: Path) -> dict[str, list[Path]]:
    """Results of the tests of each detector that has any, by seed.

    Raises:
        FileNotFoundError: If there is none of ours or no peer.
    """
    found = {
        name: sorted(work.glob(f'{stem}_seed*/eval/results.pkl'))
        for name, stem in DETECTORS.items()
    }
    if not all(any(found[name] for name in some) for some in (OURS, PEERS)):
        raise FileNotFoundError(
            f'no tested runs of EPro-PnP and of a peer ({", ".join(PEERS)}) in {work}; make proof '
            'trains and tests, or name the folder with --work-dir'
        )
    return {name: files for name, files in found.items() if files}


def asked(content: dict) -> tuple[list[tuple[int, dict]], Objects]:
    """The annotations that are asked for, each with the row of its image, and what they are.

    Args:
        content: Of the annotation file of the test.

    Raises:
        ValueError: If there is none.
    """
    rows = {image['id']: row for row, image in enumerate(content['images'])}
    ranges = config_factory('detection_cvpr_2019').class_range
    names = {category['id']: category['name'] for category in content['categories']}
    pairs, values = [], []
    for one in content['annotations']:
        name, distance = names[one['category_id']], math.hypot(*one['bbox_cam3d'][:3])
        if distance < ranges[name]:
            pairs.append((rows[one['image_id']], one))
            values.append((name, distance, one['visibility']))
    if not values:
        raise ValueError(
            f'none of {len(content["annotations"])} annotations of the test lies within the range '
            'of its class; test on scenes whose truth is known, and on more of them '
            '(compare_detectors.py --test-scenes)'
        )
    classes, distance, visibility = zip(*values)
    return pairs, Objects(np.array(classes), np.array(distance), np.array(visibility))


def without_front(answers: Answers, objects: Objects) -> Answers:
    """The answers, barriers turned by half a turn being right: the benchmark's rule."""
    turned = np.minimum(answers.yaw, 180 - answers.yaw)
    lost = np.isinf(answers.position)
    yaw = np.where((objects.classes == 'barrier') & ~lost, turned, answers.yaw)
    return answers._replace(yaw=yaw)


def groups(objects: Objects) -> dict[str, np.ndarray]:
    """Which objects each row of the table is about, bool (n,); cones have no heading."""
    of = objects.classes
    large = np.isin(of, ['truck', 'trailer', 'bus', 'construction_vehicle'])
    headed = of != 'traffic_cone'
    wheels, seen = np.isin(of, ['bicycle', 'motorcycle']), objects.visibility
    rows = {'all but cones': headed, 'cars': of == 'car', 'larger vehicles': large}
    rows.update({'two-wheelers': wheels, 'pedestrians': of == 'pedestrian'})
    rows['barriers'] = of == 'barrier'
    for low, high in ((0, 15), (15, 30), (30, 50)):
        inside = (low <= objects.distance) & (objects.distance < high)
        rows[f'all but cones, {low} to {high} m'] = headed & inside
    for title, level in (('below 60 %', seen <= 2), ('60 to 80 %', seen == 3), ('more', seen == 4)):
        rows[f'all but cones, visible {title}'] = headed & level
    return {title: chosen for title, chosen in rows.items() if chosen.any()}


def table(answers: dict[str, list[Answers]], objects: Objects) -> str:
    """A row for each group, a column for each quantity and detector, and for the differences.

    Args:
        answers: Of two detectors, a run each.
        objects: What they are about.
    """
    ours, peer = answers
    heads = [f'{column.head}: {name}' for column in SHOWN for name in (ours, peer, 'difference')]
    lines = [f'| objects | n | {" | ".join(heads)} |', '|---' * (len(heads) + 2) + '|']
    for title, chosen in groups(objects).items():
        ones, others = ([_only(run, chosen) for run in runs] for runs in answers.values())
        cells = []
        for column in SHOWN:
            cells += [_cell(column, estimate(runs, column.value)) for runs in (ones, others)]
            cells.append(_cell(column, difference(ones, others, column.value), sign='+'))
        lines.append(f'| {title} | {chosen.sum()} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def headings(answers: dict[str, list[Answers]], objects: Objects) -> str:
    """The headings of what both detectors place, a row for each class.

    Who finds more finds harder objects, too: here both are asked for the same.

    Args:
        answers: Of two detectors, a run each; the first of one is compared with the first of the
            other, and so on.
        objects: What they are about.
    """
    runs = list(zip(*answers.values()))
    kinds = ('median, degrees', 'mean, degrees', 'more than 90, %')
    heads = [f'yaw error, {kind}: {name}' for kind in kinds for name in answers]
    lines = [f'| placed by both | n, a run | {" | ".join(heads)} |']
    lines.append('|---' * (len(heads) + 2) + '|')
    for title in dict.fromkeys(objects.classes[objects.classes != 'traffic_cone']):
        of = objects.classes == title
        both = [of & (one.position < PLACED) & (other.position < PLACED) for one, other in runs]
        if not any(chosen.any() for chosen in both):
            continue
        yaws = [
            np.concatenate([run[side].yaw[chosen] for run, chosen in zip(runs, both)])
            for side in range(2)
        ]
        cells = [f'{np.median(yaw):.1f}' for yaw in yaws] + [f'{yaw.mean():.1f}' for yaw in yaws]
        cells += [f'{100 * (yaw > 90).mean():.0f}' for yaw in yaws]
        lines.append(f'| {title} | {len(yaws[0]) / len(runs):.0f} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _only(answers: Answers, chosen: np.ndarray) -> Answers:
    return Answers(*(field[chosen] for field in answers))


def _cell(column: Column, one: Estimate, sign: str = '') -> str:
    text = column.text.replace('{:', '{:' + sign)
    value, low, high = (text.format(number) for number in one)
    return f'{value} ({low} to {high})'


def compare(found: dict[str, list[Path]], content: dict) -> str:
    """The tables of each of ours beside each peer.

    Args:
        found: From :func:`finished`.
        content: Of the annotation file of the test.
    """
    images = content['images']
    pairs, objects = asked(content)
    answers: dict[str, list[Answers]] = {name: [] for name in found}
    for name, files in found.items():
        for file in files:
            seen = [one['img_bbox'] for one in mmcv.load(file)]
            judged = judge((images[row], annotation, seen[row]) for row, annotation in pairs)
            answers[name].append(without_front(judged, objects))
    seeds = ', '.join(f'{name}: {len(files)}' for name, files in found.items())
    text = f'Runs: {seeds}. In brackets 95 % intervals over seeds and objects.\n'
    for name, peer in itertools.product(OURS, PEERS):
        if name in found and peer in found:
            pair = {name: answers[name], peer: answers[peer]}
            text += '\n' + table(pair, objects) + '\n' + headings(pair, objects)
    return text


def main() -> None:
    """Judge what is finished, write and print the tables."""
    args = parse_args()
    torch.set_num_threads(1)
    work = Path(args.work_dir)
    try:
        found = finished(work)
        configs = {name: load_config(work / f'{DETECTORS[name]}.py') for name in found}
        content = sound_annotations(configs[list(found)[-1]].data.test.ann_file)
        report = work / 'answers.md'
        text = compare(found, content)
        # What took a minute stays where what follows fails.
        report.write_text(text, encoding='utf-8')
        trained = {
            name: (configs[name], files[0].parents[1] / 'latest.pth')
            for name, files in found.items()
        }
        text += '\n' + costs(trained, args.repeats)
        report.write_text(text, encoding='utf-8')
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(text)


if __name__ == '__main__':
    main()
