r"""How many cars of real photographs does a detector find, how far off, and which way round?

Cars nearer than --max-range (bird's-eye distance from the camera) count, all of them, and apart
those that are clear: not largely occluded, at most 0.3 outside of the image. A car is found where a
detection stands within the tolerance of its centre in bird's-eye view, paired greedily by score,
one to one. A detection is right if its car counts; it is left out, not wrong, if its car is too far
away, if it pairs with an ignored object (a van) or lies in a region without labels (DontCare).

The score threshold is the one with the best F1 at 2 m on images of its own (--threshold-from).

Example:
    python benchmarks/check_photographs.py data/kitti/ImageSets/photographs_test.txt \
        --threshold-from data/kitti/ImageSets/photographs_val.txt --out work_dirs/photographs
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from terminaltables import AsciiTable
from torch import nn

from epropnp_det.apis import (
    ImageDetections,
    detect,
    init_detector,
    match,
    mounting_from_height,
    resolve_config,
)
from epropnp_det.apis.matching import yaw_errors
from epropnp_det.datasets.annotation_check import by_image, sound_annotations
from epropnp_det.datasets.kitti.convert import frame_names, read_layout
from epropnp_det.inputs import read_camera_image, write_image
from epropnp_det.progress import progress
from epropnp_det.visualization import CameraView, Objects, draw_side_by_side
from epropnp_det.weights import photograph_weights

LEAST_SCORE = 0.05
TOLERANCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    '2 m': lambda distance: np.full_like(distance, 2.0),
    '10 %': lambda distance: 0.1 * distance,
    '4 m': lambda distance: np.full_like(distance, 4.0),
}


class Photograph(NamedTuple):
    """An image with ``g`` annotated cars and what stands in for them.

    Attributes:
        path: The image file.
        cam2img: Intrinsics, (3, 3).
        truth: Cars, and objects of which nobody knows whether they should be found; all label 0.
        counts: Whether each is a car, bool (g,).
        clear: Whether it shows well, bool (g,).
        unlabelled: Regions without labels, x1 y1 x2 y2 in pixels, (m, 4).
    """

    path: Path
    cam2img: np.ndarray
    truth: Objects
    counts: np.ndarray
    clear: np.ndarray
    unlabelled: np.ndarray


class Score(NamedTuple):
    """What was found of some images at one threshold and one tolerance.

    Attributes:
        cars: Cars that count.
        found: How many of them have a detection.
        clear: Of these, cars that show well.
        clear_found: How many of those have a detection.
        wrong: Detections within the range that belong to nothing.
        yaws: Yaw errors of the found cars in radians, (found,).
        distances: Estimated over true bird's-eye distance of the found cars, (found,).
    """

    cars: int
    found: int
    clear: int
    clear_found: int
    wrong: int
    yaws: np.ndarray
    distances: np.ndarray

    @property
    def recall(self) -> float:
        """Share of the cars that was found."""
        return self.found / self.cars if self.cars else float('nan')

    @property
    def precision(self) -> float:
        """Share of the detections within the range that are right."""
        said = self.found + self.wrong
        return self.found / said if said else float('nan')

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 where nothing is found."""
        return 2 * self.found / max(self.cars + self.found + self.wrong, 1)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'images', help="KITTI's ImageSets/NAME.txt or training folder, or a *_mono3d.coco.json"
    )
    parser.add_argument('--img-prefix', help='folder of the images of a json; default: its own')
    parser.add_argument('--threshold-from', help='images of the same kinds to choose the score on')
    parser.add_argument('--checkpoint', help='weights; default: those for photographs that ship')
    parser.add_argument('--config', help='config; default: the one that the checkpoint carries')
    parser.add_argument('--focal', type=float, help='focal length in pixels to resize images to')
    parser.add_argument(
        '--camera-height',
        type=float,
        help='of level cameras, in metres (KITTI: 1.65), so that objects stand on the ground',
    )
    parser.add_argument('--max-range', type=float, default=30.0, help='metres')
    parser.add_argument('--score-thr', type=float, nargs='*', default=[0.3], help='also at these')
    parser.add_argument('--out', help='folder for pictures and scores.json')
    return parser.parse_args()


# ---- images


def read_photographs(source: str | Path, img_prefix: str | None = None) -> list[Photograph]:
    """Images and their cars.

    Args:
        source: KITTI's own layout or an annotation file.
        img_prefix: Folder of the images of an annotation file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not sound, or no car is annotated in it.
    """
    path = Path(source)
    if path.suffix == '.json':
        content, root = sound_annotations(path), Path(img_prefix or path.parent)
    else:
        folder, names = frame_names(path)
        content, root = read_layout(folder, names, folder), folder
    kinds = {category['id']: category['name'].lower() for category in content['categories']}
    groups = by_image(content)
    found = []
    for image in content['images']:
        cars = [one for one in groups[image['id']] if kinds[one['category_id']] == 'car']
        found.append(_photograph(image, cars, root))
    if not any(photograph.counts.any() for photograph in found):
        raise ValueError(
            f'{source} has no annotated car in {len(found)} images; give some whose truth is known'
        )
    return found


def _photograph(image: dict, annotations: Sequence[dict], root: Path) -> Photograph:
    placed = [entry for entry in annotations if entry['bbox_cam3d'][2] > 0]
    boxes = np.array([entry['bbox_cam3d'][:7] for entry in placed], float).reshape(-1, 7)
    regions = [entry['bbox'] for entry in annotations if entry['bbox_cam3d'][2] <= 0]
    corners = np.array(regions, float).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return Photograph(
        path=root / image['file_name'],
        cam2img=np.array(image['cam_intrinsic'], float)[:3, :3],
        truth=Objects(boxes[:, [3, 4, 5, 0, 1, 2, 6]], np.zeros(len(boxes), int)),
        counts=np.array([not entry.get('iscrowd') for entry in placed], bool),
        clear=np.array([_shows_well(entry) for entry in placed], bool),
        unlabelled=corners,
    )


def _shows_well(entry: dict) -> bool:
    hidden = entry.get('occluded', 0) >= 2 or (entry.get('visibility') or 4) < 3
    return not hidden and (entry.get('truncation') or 0) <= 0.3


def find_cars(
    model: nn.Module, photographs: Sequence[Photograph], cam2ego: np.ndarray | None = None
) -> Iterator[tuple[Objects, ImageDetections]]:
    """Cars that a detector sees in each image, with label 0, and all that it sees.

    Args:
        model: From ``init_detector``.
        photographs: The images.
        cam2ego: How all cameras are mounted, (4, 4), where that is known.

    Raises:
        ValueError: If the detector knows no cars.
    """
    labels = [n for n, name in enumerate(model.CLASSES) if name.lower() == 'car']
    if not labels:
        raise ValueError(f'the detector knows {", ".join(model.CLASSES)}, and no car')
    with progress(total=len(photographs), title='detecting') as bar:
        for photograph in photographs:
            found = detect(
                model, photograph.path, photograph.cam2img, score_thr=LEAST_SCORE, cam2ego=cam2ego
            )
            cars = found.objects.select(np.isin(found.labels, labels))
            yield cars._replace(labels=np.zeros(len(cars.labels), int)), found
            bar.update()


# ---- scores


def score(
    photographs: Sequence[Photograph],
    found: Sequence[Objects],
    threshold: float,
    tolerance: Callable[[np.ndarray], np.ndarray],
    max_range: float,
) -> Score:
    """Counts what was found.

    Args:
        photographs: The images.
        found: Cars that were detected in each, with label 0.
        threshold: Detections with lower scores are left out.
        tolerance: Largest distance of a pair for cars at distances (g,) in metres.
        max_range: Bird's-eye distance in metres up to which cars and detections count.
    """
    cars = clear = clear_found = wrong = 0
    yaws, distances = [], []
    for photograph, detections in zip(photographs, found):
        detections, truth = detections.above(threshold), photograph.truth
        far = range_of(truth)
        counts = photograph.counts & (far < max_range)
        pairs = match(detections, truth, tolerance(far))
        right = counts[pairs.ground_truth]
        rows, columns = pairs.detections[right], pairs.ground_truth[right]
        cars += int(counts.sum())
        clear += int((counts & photograph.clear).sum())
        clear_found += int(photograph.clear[columns].sum())
        free = np.setdiff1d(np.arange(len(detections.boxes)), pairs.detections)
        free = free[range_of(detections)[free] < max_range]
        wrong += int((~unlabelled(detections.boxes[free], photograph)).sum())
        yaws.append(yaw_errors(detections.boxes[rows, 6], truth.boxes[columns, 6]))
        distances.append(range_of(detections)[rows] / far[columns])
    yaw, distance = np.concatenate([*yaws, []]), np.concatenate([*distances, []])
    return Score(cars, len(yaw), clear, clear_found, wrong, yaw, distance)


def range_of(objects: Objects) -> np.ndarray:
    """Bird's-eye distances from the camera in metres, (n,)."""
    return np.linalg.norm(objects.boxes[:, [3, 5]], axis=1)


def unlabelled(boxes: np.ndarray, photograph: Photograph) -> np.ndarray:
    """Whether the centres of boxes (n, 7) lie in regions without labels, bool (n,)."""
    pixels = boxes[:, 3:6] @ photograph.cam2img.T
    pixels = pixels[:, None, :2] / np.maximum(pixels[:, None, 2:], 1e-3)  # (n, 1, 2)
    regions = photograph.unlabelled
    return ((pixels >= regions[:, :2]) & (pixels <= regions[:, 2:])).all(-1).any(-1)


def best_threshold(
    photographs: Sequence[Photograph], found: Sequence[Objects], max_range: float
) -> float:
    """The score with the best F1 at 2 m, in steps of 0.025."""
    thresholds = np.arange(LEAST_SCORE, 0.9, 0.025)
    f1 = [score(photographs, found, t, TOLERANCES['2 m'], max_range).f1 for t in thresholds]
    return float(thresholds[int(np.argmax(f1))])


def row(name: str, threshold: float, result: Score) -> dict:
    """One line of the table."""
    degrees = np.degrees(result.yaws) if result.found else np.array([np.nan])
    near, turned = (degrees <= 30).mean(), (degrees >= 150).mean()
    ratios = result.distances if result.found else np.array([np.nan])
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return {
        'within': name,
        'score >=': f'{threshold:.3f}',
        'cars': result.cars,
        'recall': f'{result.recall:.2f}',
        'of clear ones': f'{result.clear_found}/{result.clear}',
        'precision': f'{result.precision:.2f}',
        'F1': f'{result.f1:.2f}',
        'yaw error, median': f'{np.median(degrees):.1f} deg',
        'within 30 deg': f'{near:.2f}',
        'turned round': f'{turned:.2f}',
        'distance ratio, quartiles': f'{low:.2f} {middle:.2f} {high:.2f}',
    }


def ground_options(args: argparse.Namespace, weights: str | Path) -> dict | None:
    """With a height of the camera, ``ground`` where the config has none (docs/method.md 4.7)."""
    if args.camera_height is None:
        return None
    known = resolve_config(args.config, weights).model.get('test_cfg') or {}
    return None if known.get('ground') else {'model.test_cfg.ground': {}}


def with_focal_length(model: nn.Module, focal: float | None) -> None:
    """Lets the test pipeline of a detector resize images to a focal length instead."""
    steps = model.cfg.data.test.pipeline[-1].transforms
    for step in steps if focal else ():
        if step['type'] == 'ResizeMono3D':
            step.clear()
            step.update(type='ResizeMono3D', focal=focal)


def draw(
    photographs: Sequence[Photograph],
    found: Sequence[ImageDetections],
    threshold: float,
    out: Path,
) -> None:
    """One picture per image: detections and annotated cars."""
    for photograph, detections in zip(photographs, found):
        view = CameraView(
            read_camera_image(photograph.path, photograph.cam2img).pixels,
            photograph.cam2img,
            detections.objects.above(threshold),
            ground_truth=photograph.truth.select(photograph.counts),
        )
        picture = draw_side_by_side(view, detections.class_names, max_range=40.0)
        write_image(out / f'{photograph.path.stem}.png', picture)


def main() -> None:
    """Detect, choose the threshold, count, print."""
    args = parse_args()
    try:
        tests = read_photographs(args.images, args.img_prefix)
        others = args.threshold_from and read_photographs(args.threshold_from)
        weights = args.checkpoint or photograph_weights()
        cam2ego = args.camera_height and mounting_from_height(args.camera_height)
        model = init_detector(args.config, weights, options=ground_options(args, weights))
        with_focal_length(model, args.focal)
        thresholds = list(args.score_thr)
        if others:
            chosen = best_threshold(
                others, [c for c, _ in find_cars(model, others, cam2ego)], args.max_range
            )
            thresholds.insert(0, chosen)
        cars, everything = zip(*find_cars(model, tests, cam2ego))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    rows = [
        row(name, threshold, score(tests, cars, threshold, tolerance, args.max_range))
        for threshold in thresholds
        for name, tolerance in TOLERANCES.items()
    ]
    print(f'{len(tests)} images, cars nearer than {args.max_range:g} m')
    print(AsciiTable([list(rows[0]), *(list(line.values()) for line in rows)]).table)
    if args.out:
        out = Path(args.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / 'scores.json').write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')
        draw(tests, everything, thresholds[0], out)


if __name__ == '__main__':
    main()
