"""Check an annotation file for monocular detection, and draw its boxes over the images.

Errors end the program; suspicions (units, frames, images that do not fit) are listed. The format
is described in docs/data.md; `bbox`, `area`, `center2d` and more may be left out.

Example:
    python tools/validate_dataset.py own.json --img-prefix images/ --out-dir work_dirs/own_check
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from terminaltables import AsciiTable

from epropnp_det.apis.pictures import evenly_spread
from epropnp_det.datasets.files import write_json
from epropnp_det.datasets.validation import (
    AnnotatedImage,
    ClassStatistics,
    findings,
    read_annotated_images,
    statistics,
    stock_content,
)
from epropnp_det.inputs import join_path, read_camera_image, write_image
from epropnp_det.quiet import plain_warnings
from epropnp_det.visualization import CameraView, Objects, draw_side_by_side, enlarged

MAX_CASES = 3  # named of each kind of suspicion


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('ann_file', help='the annotation file, .json')
    parser.add_argument('--img-prefix', help='folder of the images; by default that of the file')
    parser.add_argument('--classes', nargs='+', help='by default the categories of the file')
    parser.add_argument('--out-dir', help='draw pictures there')
    parser.add_argument('--max-images', type=int, default=20, help='pictures, evenly spread')
    parser.add_argument('--complete', metavar='FILE', help='write the file with all fields')
    parser.add_argument('--strict', action='store_true', help='fail if anything is suspicious')
    return parser.parse_args()


def statistics_table(rows: Sequence[ClassStatistics]) -> str:
    """The statistics as text."""
    table = [['class', 'objects', 'mean l, h, w [m]', 'std l, h, w [m]', 'depth [m]']]
    for row in rows:
        if row.total == 0:
            table.append([row.name, 0, '-', '-', '-'])
            continue
        cells = [', '.join(f'{value:.2f}' for value in values) for values in row[2:4]]
        low, median, high = row.depth
        table.append([row.name, row.total, *cells, f'{low:.1f} - {high:.1f}, median {median:.1f}'])
    return AsciiTable(table).table


def draw(entry: AnnotatedImage, prefix: Path, classes: Sequence[str]) -> np.ndarray | None:
    """The image with its boxes, and their bird's-eye view; None where it cannot be read."""
    record = entry.image
    size = (record['width'], record['height'])
    path = join_path(prefix, record['file_name'])
    cam2img = np.array(record['cam_intrinsic'], dtype=float)[:3, :3]
    try:
        image, cam2img = read_camera_image(path, cam2img, stated_size=size)
    except (FileNotFoundError, ValueError):
        return None  # which the findings name
    known = [a for a in entry.annotations if a['category_name'] in classes]
    boxes = np.array([a['bbox_cam3d'] for a in known], dtype=float).reshape(-1, 7)
    labels = np.array([list(classes).index(a['category_name']) for a in known], dtype=int)
    view = CameraView(
        image=image,
        cam2img=cam2img,
        objects=Objects(boxes[:, [3, 4, 5, 0, 1, 2, 6]], labels),
    )
    return draw_side_by_side(enlarged(view), classes)


def save_pictures(args: argparse.Namespace, images: Sequence[AnnotatedImage], classes: list) -> int:
    """Draws some of the images; returns how many."""
    folder, count = Path(args.out_dir), 0
    folder.mkdir(parents=True, exist_ok=True)
    for index in evenly_spread(len(images), args.max_images):
        picture = draw(images[index], Path(args.img_prefix), classes)
        if picture is not None:
            name = Path(images[index].image['file_name']).stem
            write_image(folder / f'{index:06d}_{name}.jpg', picture)
            count += 1
    return count


def main() -> None:
    """Read, check, count, draw."""
    args = parse_args()
    plain_warnings()
    args.img_prefix = args.img_prefix or str(Path(args.ann_file).parent)
    try:
        images, classes = read_annotated_images(args.ann_file, args.classes)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    objects = sum(len(entry.annotations) for entry in images)
    print(f'{args.ann_file}: {len(images)} images, {objects} annotations')
    print(statistics_table(statistics(images, classes)))
    found = findings(images, args.img_prefix)
    for kind, where in found:
        more = ', ...' if len(where) > MAX_CASES else ''
        print(f'suspicious, {len(where)} x {kind}: {", ".join(where[:MAX_CASES])}{more}')
    if args.out_dir:
        print(f'{save_pictures(args, images, classes)} pictures in {args.out_dir}')
    if args.complete:
        print(f'{write_json(args.complete, stock_content(images, classes))} written')
    if not found:
        print('nothing suspicious')
    elif args.strict:
        sys.exit(1)


if __name__ == '__main__':
    main()
