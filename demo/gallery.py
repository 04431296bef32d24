"""Pictures for the README from synthetic scenes and the weights that ship: `make gallery`.

Example:
    python demo/gallery.py --data-root work_dirs/demo/data --out docs/images
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from epropnp_det.apis import (
    Frame,
    counted,
    detect,
    init_detector,
    mounting_for,
    read_frames,
    read_scenes,
    view_sheet,
    wanted_for,
)
from epropnp_det.atomic import check_writable
from epropnp_det.inputs import write_image
from epropnp_det.progress import progress
from epropnp_det.quiet import plain_warnings
from epropnp_det.visualization import draw_panel

SHEET = ('3d', 'density', 'points', 'weights', 'scores', 'orientation')
WIDTH = 1600
TILE_WIDTH = 388
"""Of the cameras in a mosaic, which with its view from above is as wide."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', default='work_dirs/demo/data', help='what `make demo` wrote')
    parser.add_argument('--ann-file', help='default: the validation split below --data-root')
    parser.add_argument('--config', help='config; default: the one that the checkpoint carries')
    parser.add_argument('--checkpoint', help='weights; default: those that ship with the package')
    parser.add_argument('--out', default='docs/images', help='folder for the pictures')
    parser.add_argument('--samples', type=int, default=2, help='mosaics: the fullest samples')
    parser.add_argument('--sheets', type=int, default=2, help='sheets of views: the fullest images')
    parser.add_argument('--score-thr', type=float, default=0.25)
    parser.add_argument('--device', help='cpu, cuda, cuda:1; by default the GPU if there is one')
    return parser.parse_args(arguments)


def fullness(frame: Frame) -> int:
    """Annotated objects that are near and large enough to see."""
    return int(counted(frame.ground_truth, frame.bboxes, 40.0, 12.0).sum())


def run(args: argparse.Namespace) -> list[Path]:
    """Writes the pictures; returns their paths."""
    out = Path(args.out)
    ann_file = args.ann_file or f'{args.data_root}/nuscenes_infos_val_mono3d.coco.json'
    check_writable(out)
    model = init_detector(args.config, args.checkpoint, args.device)
    frames = read_frames(ann_file, args.data_root, model.CLASSES)
    samples = [group for scene in read_scenes(frames, args.data_root) for group in scene.samples]
    samples.sort(key=lambda group: -sum(map(fullness, group)))
    shown = _spread(samples, args.samples)
    images = sorted((f for group in samples for f in group), key=lambda f: -fullness(f))
    sheets = _spread(images, args.sheets)
    written = []
    with progress(total=len(shown) + len(sheets), title='gallery', unit='picture') as bar:
        for index, group in enumerate(shown):
            pixels, cameras = zip(*(frame.load() for frame in group))
            found = detect(
                model, pixels, cameras, len(group), args.score_thr,
                with_samples=True, cam2ego=[mounting_for(model, frame) for frame in group],
            )  # fmt: skip
            views = [
                detections.view(
                    image, cam2ego=frame.cam2ego, name=frame.camera, ground_truth=frame.ground_truth
                )
                for frame, image, detections in zip(group, pixels, found)
            ]
            picture = draw_panel(views, model.CLASSES, tile_width=TILE_WIDTH)
            written.append(_write(out / f'gallery_scene_{index}.jpg', picture))
            bar.update()
        for index, frame in enumerate(sheets):
            image, cam2img = frame.load()
            wanted = {**wanted_for(SHEET), 'cam2ego': mounting_for(model, frame)}
            found = detect(model, image, cam2img, 1, args.score_thr, **wanted)
            picture = view_sheet(SHEET, image, found, frame.ground_truth)
            written.append(_write(out / f'gallery_views_{index}.jpg', picture))
            bar.update()
    return written


def _spread(items: Sequence, wanted: int) -> list:
    """The first ones, but not neighbours in the order, which look alike."""
    step = max(1, len(items) // max(4 * wanted, 1))
    return list(items[: wanted * step : step])


def _write(path: Path, picture: np.ndarray) -> Path:
    factor = min(1.0, WIDTH / picture.shape[1])
    size = (round(factor * picture.shape[1]), round(factor * picture.shape[0]))
    write_image(path, cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return path


def main() -> None:
    """Run, and turn bad input into one line instead of a traceback."""
    args = parse_args()
    plain_warnings()
    try:
        written = run(args)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f'error: {error}')
    print('\n'.join(map(str, written)))


if __name__ == '__main__':
    main()
