"""The table and the pictures of an ablation, or of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Callable, NamedTuple, TypeVar

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from epropnp_det.inputs import read_image
from epropnp_det.visualization import draw_boxes_3d

from .measure import Measured, Shown

REPLICATES = 200
GREEN, RED = (60, 220, 60), (60, 60, 255)


Quality = TypeVar('Quality', bound=NamedTuple)
"""Arrays with a value for each object, such as :class:`Measured`."""


class Run(NamedTuple):
    """One training.

    Attributes:
        title: Of the variant or the detector.
        seed: Of weights, order of the data, and Monte Carlo draws.
        steps: When it was measured.
        curve: What was measured then.
    """

    title: str
    seed: int
    steps: list[int]
    curve: list[Quality]


class Column(NamedTuple):
    """One quantity of the table.

    Attributes:
        head: Its name and unit.
        value: Of the objects of one run.
        text: How to print it.
        higher: Whether more is better; None if neither.
    """

    head: str
    value: Callable[[Quality], float]
    text: str
    higher: bool | None = False


def _median(field: str) -> Callable[[Measured], float]:
    return lambda measured: float(np.nanmedian(getattr(measured, field)))


COLUMNS = (
    Column('yaw error, median, degrees', _median('yaw'), '{:.1f}'),
    Column('yaw within 15 degrees, %', lambda m: 100 * float((m.yaw < 15).mean()), '{:.0f}', True),
    Column('front taken for back, %', lambda m: 100 * float((m.yaw > 165).mean()), '{:.0f}'),
    Column('position error, median, %', lambda m: 100 * _median('position')(m), '{:.1f}'),
    Column(
        'position within 10 %, %', lambda m: 100 * float((m.position < 0.1).mean()), '{:.0f}', True
    ),
    Column('reprojection at the true pose, px', _median('reprojection'), '{:.2f}'),
    Column('coordinates against LiDAR, m', _median('coordinates'), '{:.2f}'),
    Column('-log density of the true pose', _median('nll'), '{:.1f}'),
    Column('effective samples, %', lambda m: 100 * _median('ess')(m), '{:.0f}', None),
)


DRAWN = tuple(COLUMNS[i] for i in (0, 1, 3, 4, 5, 6))


class Estimate(NamedTuple):
    """A value of the table with its 95 % interval.

    Attributes:
        value: Mean over the seeds.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def estimate(runs: Sequence[Quality], value: Callable[[Quality], float]) -> Estimate:
    """Mean over seeds; the interval redraws seeds and objects (bootstrap), objects alike for all.

    Args:
        runs: The same objects, measured after trainings of different seeds.
        value: What to estimate.
    """
    rng = np.random.default_rng(0)
    count = len(runs[0].yaw)
    means = [
        _mean(_redrawn(runs, rng), value, rng.integers(count, size=count))
        for _ in range(REPLICATES)
    ]
    return _estimate(_mean(runs, value), means)


def difference(
    ones: Sequence[Quality], others: Sequence[Quality], value: Callable[[Quality], float]
) -> Estimate:
    """How much larger the mean of some runs is than that of others, which saw the same objects.

    Args:
        ones: Objects, measured after trainings of different seeds.
        others: The same objects after other trainings.
        value: What to compare.
    """
    rng = np.random.default_rng(0)
    count = len(ones[0].yaw)
    gaps = []
    for _ in range(REPLICATES):
        one, other = _redrawn(ones, rng), _redrawn(others, rng)
        objects = rng.integers(count, size=count)
        gaps.append(_mean(one, value, objects) - _mean(other, value, objects))
    return _estimate(_mean(ones, value) - _mean(others, value), gaps)


def _redrawn(runs: Sequence[Quality], rng: np.random.Generator) -> list[Quality]:
    return [runs[i] for i in rng.integers(len(runs), size=len(runs))]


def _mean(
    runs: Sequence[Quality],
    value: Callable[[Quality], float],
    objects: np.ndarray | slice = slice(None),
) -> float:
    """Mean over runs of a value of some objects."""
    return float(np.mean([value(type(m)(*(field[objects] for field in m))) for m in runs]))


def _estimate(value: float, replicates: Sequence[float]) -> Estimate:
    low, high = np.nanpercentile(replicates, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def is_as_good(one: Estimate, best: Estimate, higher: bool) -> bool:
    """Whether the intervals of a value and of the best value overlap."""
    return one.high >= best.low if higher else one.low <= best.high


def markdown_table(
    runs: Sequence[Run], columns: Sequence[Column] = COLUMNS, head: str = 'losses'
) -> str:
    """One row per variant; bold: the best of a column, and all whose intervals meet its own.

    Args:
        runs: What was measured.
        columns: Of the table.
        head: Of the first column.
    """
    titles = list(dict.fromkeys(run.title for run in runs))
    lines = [
        f'| {head} | seeds | ' + ' | '.join(column.head for column in columns) + ' |',
        '|---|---|' + '---|' * len(columns),
    ]
    cells = []
    for column in columns:
        by_title = [
            estimate([r.curve[-1] for r in runs if r.title == title], column.value)
            for title in titles
        ]
        pick = max if column.higher else min
        best = pick(by_title, key=lambda e: e.value)
        cells.append([_cell(column, e, best) for e in by_title])
    for title, *row in zip(titles, *cells):
        seeds = sum(run.title == title for run in runs)
        lines.append(f'| {title} | {seeds} | ' + ' | '.join(row) + ' |')
    return '\n'.join(lines) + '\n'


def _cell(column: Column, one: Estimate, best: Estimate) -> str:
    value, low, high = (column.text.format(number) for number in one)
    bold = column.higher is not None and is_as_good(one, best, column.higher)
    return f'**{value}** ({low} - {high})' if bold else f'{value} ({low} - {high})'


def draw_intervals(runs: Sequence[Run], path: Path, columns: Sequence[Column] = DRAWN) -> None:
    """The table as a picture: dots with 95 % intervals, crosses for earlier in training.

    Args:
        runs: What was measured.
        path: Picture to write.
        columns: Panels, three in a row.
    """
    titles = list(dict.fromkeys(run.title for run in runs))
    rows = np.arange(len(titles))[::-1]
    lines = -(-len(columns) // 3)
    figure = _figure(14, lines * (1.1 + 0.35 * len(titles)))
    panels = figure.subplots(lines, 3, sharey=True)
    for panel, column in zip(panels.flat, columns):
        for row, title in zip(rows, titles):
            curves = [run.curve for run in runs if run.title == title]
            for step, measured in enumerate(zip(*curves)):
                last = step == len(curves[0]) - 1
                found = estimate(measured, column.value)
                panel.plot(found.value, row, 'o' if last else 'x', color='C0')
                if last:
                    panel.plot([found.low, found.high], [row, row], color='C0')
        panel.set_title(column.head + (' (more is better)' if column.higher else ''), fontsize=10)
        panel.set_yticks(rows, titles)
        panel.set_ylim(-0.5, len(titles) - 0.5)
        panel.margins(x=0.06)
        panel.set_xlim(left=0)
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def draw_objects(shown: Sequence[tuple[str, Shown]], path: Path, count: int = 6) -> None:
    """The same held-out objects as each variant sees them.

    Boxes: truth green, solution red. Points: where the network looks, their colour the box-relative
    coordinates (length, height, width as red, green, blue), their size the weight.

    Args:
        shown: Title and predictions of each variant, for the same objects.
        path: Picture to write.
        count: Objects, spread over the set.
    """
    chosen = np.linspace(0, len(shown[0][1].files) - 1, count).astype(int)
    figure = _figure(2.3 * count, 2.5 * len(shown))
    panels = figure.subplots(len(shown), count, squeeze=False)
    for row, (title, objects) in zip(panels, shown):
        for panel, i in zip(row, chosen):
            panel.imshow(_draw_object(objects, i)[..., ::-1])
            panel.axis('off')
        row[0].set_title(title, loc='left', fontsize=9)
    figure.savefig(path, dpi=110)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def _draw_object(objects: Shown, i: int, scale: int = 4) -> np.ndarray:
    image = read_image(objects.files[i])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    cam2img = np.diag([scale, scale, 1.0]) @ objects.cam2img[i]
    for boxes, color in ((objects.truth, GREEN), (objects.found, RED)):
        image = draw_boxes_3d(
            image, boxes[i : i + 1], [0], cam2img=cam2img, color=color, show_labels=False
        )
    share = objects.weights[i] / objects.weights[i].max()
    for (x, y), noc, weight in zip(objects.x2d[i] * scale, objects.noc[i], share):
        color = ((noc[::-1] + 0.5).clip(0, 1) * 255).tolist()
        radius = int(round(1 + 4 * np.sqrt(weight)))
        cv2.circle(image, (int(x), int(y)), radius, color, -1, cv2.LINE_AA)
    return image
