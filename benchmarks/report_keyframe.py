"""Print how many annotated objects a detector finds in a handful of images, and how well.

An object counts when it is nearer than --max-range (bird's-eye distance from the camera) and the
larger side of its visible 2D box is longer than --min-size pixels of the original image; the
stricter count, where the smaller side is, too, is printed below. It is found when a detection of
its class lies within --max-distance of it in bird's-eye view, paired greedily by score, one to one.

Example:
    python benchmarks/report_keyframe.py CONFIG results.pkl
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import mmcv
from terminaltables import AsciiTable

from epropnp_det.apis import Frame, Report, counted, load_config, read_frames, report, to_objects


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config whose data.test the results belong to')
    parser.add_argument('results', help='what tools/test.py --out wrote')
    parser.add_argument('--score-thr', type=float, nargs='+', default=[0.05, 0.1, 0.2, 0.3])
    parser.add_argument('--max-range', type=float, default=40.0, help='metres')
    parser.add_argument('--min-size', type=float, default=16.0, help='pixels')
    parser.add_argument('--max-distance', type=float, default=2.0, help='metres')
    parser.add_argument('--out', help='write the numbers to this json file')
    return parser.parse_args()


def reports(
    args: argparse.Namespace, frames: list[Frame], results: list[dict], classes: list[str]
) -> list[tuple[str, float, Report]]:
    """One report per definition of size and per score threshold."""
    rows = []
    for name, both_sides in (('larger side', False), ('both sides', True)):
        images = []
        for frame, result in zip(frames, results):
            truth = frame.ground_truth
            keep = counted(truth, frame.bboxes, args.max_range, args.min_size, both_sides)
            images.append((to_objects(result), truth, keep))
        rows += [
            (name, threshold, report(images, classes, threshold, args.max_distance))
            for threshold in args.score_thr
        ]
    return rows


def table(args: argparse.Namespace, rows: list[tuple[str, float, Report]]) -> str:
    """The reports as text."""
    head = [
        f'> {args.min_size:g} px',
        'score >=',
        'objects',
        f'within {args.max_distance:g} m',
    ]
    head += ['share found', 'detections', 'right', 'median distance', 'median yaw error']
    lines = [head]
    for name, threshold, r in rows:
        lines.append(
            [name, threshold, r.total, r.found, f'{100 * r.recall:.1f} %', r.detections]
            + [f'{100 * r.precision:.1f} %', f'{r.distance_error:.2f} m', f'{r.yaw_error:.3f} rad']
        )
    return AsciiTable(lines).table


def main() -> None:
    """Read, match, print."""
    args = parse_args()
    try:
        cfg = load_config(args.config)
        test, classes = cfg.data.test, list(cfg.class_names)
        frames = read_frames(test.ann_file, test.get('img_prefix', ''), classes)
        results = mmcv.load(args.results)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    if len(frames) != len(results):
        sys.exit(f'error: {len(results)} results for {len(frames)} images of {test.ann_file}')
    rows = reports(args, frames, results, classes)
    print(f'{len(frames)} images, objects nearer than {args.max_range:g} m:')
    print(table(args, rows))
    if args.out:
        records = [
            {'size': name, 'score_thr': threshold, **r._asdict()}
            | {'recall': r.recall, 'precision': r.precision}
            for name, threshold, r in rows
        ]
        Path(args.out).write_text(json.dumps(records, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
