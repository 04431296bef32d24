"""Detect objects in images of any calibrated camera; write pictures and a json of the detections.

Example:
    python demo/image_demo.py CONFIG CHECKPOINT my_images/ --intrinsics K.csv --out work_dirs/mine
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from epropnp_det.apis import (
    detect,
    init_detector,
)
from epropnp_det.apis.detections import CONVENTIONS
from epropnp_det.inputs import (
    EXIF_MODES,
    ImageCamera,
    camera_from_focal,
    camera_of_image,
    find_images,
    read_calibrations,
    write_image,
)
from epropnp_det.inputs.image_folders import describe
from epropnp_det.progress import progress
from epropnp_det.quiet import plain_warnings
from epropnp_det.visualization import draw_side_by_side, enlarged


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked as far as it can be without reading files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('images', nargs='+', help='image files, or folders of images')
    camera = parser.add_mutually_exclusive_group(required=True)
    camera.add_argument(
        '--intrinsics',
        help='K in pixels of the images: csv, json, OpenCV or ROS yaml, KITTI calib txt, nuScenes '
        'calibrated_sensor, a json from image name to matrix, or a mono3d annotation file',
    )
    camera.add_argument('--focal', type=float, help='focal length in pixels, if that is all')
    parser.add_argument(
        '--center', type=float, nargs=2, metavar=('CX', 'CY'), help='with --focal; default: middle'
    )
    parser.add_argument(
        '--intrinsics-size',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help='size of the images that --intrinsics are for; they are rescaled to the images',
    )
    parser.add_argument(
        '--exif',
        choices=EXIF_MODES,
        default='auto',
        help='images that EXIF turns: ignore it, apply it to image and intrinsics, or take the '
        'intrinsics for those of the upright picture',
    )
    parser.add_argument(
        '--undistort', action='store_true', help='take the distortion of --intrinsics out'
    )
    parser.add_argument('--out', default='work_dirs/image_demo', help='folder for the output')
    parser.add_argument('--score-thr', type=float, default=0.3)
    parser.add_argument('--range', type=float, default=60.0, help="metres in the bird's-eye view")
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--device', help='cpu, cuda, cuda:1; by default the GPU if there is one')
    args = parser.parse_args(arguments)
    if args.center is not None and args.focal is None:
        parser.error('--center goes with --focal; --intrinsics has the centre already')
    if args.intrinsics is None and (args.intrinsics_size or args.undistort):
        parser.error('--intrinsics-size and --undistort go with --intrinsics')
    if args.batch_size < 1:
        parser.error('--batch-size must be at least 1')
    return args


def picture_paths(images: Sequence[Path], out: Path) -> list[Path]:
    """Where the picture of each image goes: ``out/<stem>.png``, longer where stems repeat.

    Raises:
        ValueError: If a picture would overwrite one of the images.
    """
    stems = [path.stem for path in images]
    names = [
        path.stem if stems.count(path.stem) == 1 else '_'.join(path.parts[-2:]).replace('.', '_')
        for path in images
    ]
    unique = [
        name if names.count(name) == 1 else f'{index:05d}_{name}'
        for index, name in enumerate(names)
    ]
    targets = [out / f'{name}.png' for name in unique]
    inputs = {path.resolve() for path in images}
    for target in targets:
        if target.resolve() in inputs:
            raise ValueError(f'{target} is one of the images; choose another folder with --out')
    return targets


def cameras_of(args: argparse.Namespace, images: Sequence[Path]) -> list[ImageCamera]:
    """Checked cameras of the images.

    Raises:
        KeyError: If the intrinsics do not name an image.
        ValueError: If an image cannot be read, or its intrinsics make no sense.
    """
    if args.intrinsics is None:
        return [camera_from_focal(path, args.focal, args.center) for path in images]
    known = read_calibrations(args.intrinsics)
    return [
        camera_of_image(path, known, args.intrinsics_size, args.exif, args.undistort)
        for path in images
    ]


def run(args: argparse.Namespace) -> int:
    """Detects, draws, writes; returns the number of objects."""
    out = Path(args.out)
    images, skipped = find_images(args.images, out)
    if skipped:
        print(f'left out: {describe(skipped)}')
    targets = picture_paths(images, out)
    cameras = cameras_of(args, images)
    model = init_detector(args.config, args.checkpoint, args.device)
    out.mkdir(parents=True, exist_ok=True)
    records: list[dict] = []
    try:
        with progress(total=len(images), title='detecting') as bar:
            for start in range(0, len(images), args.batch_size):
                batch = slice(start, start + args.batch_size)
                records += detect_and_draw(args, model, cameras[batch], targets[batch])
                bar.update(len(cameras[batch]))
    finally:  # what is done stays, whatever ends the rest
        content = {'conventions': CONVENTIONS, 'score_thr': args.score_thr, 'images': records}
        (out / 'detections.json').write_text(json.dumps(content, indent=1) + '\n')
    return sum(len(record['detections']) for record in records)


def detect_and_draw(
    args: argparse.Namespace,
    model: nn.Module,
    cameras: Sequence[ImageCamera],
    targets: Sequence[Path],
) -> list[dict]:
    """Detects in a batch, writes its pictures, returns a json record of each image."""
    pixels = [camera.load(args.undistort) for camera in cameras]
    matrices = [camera.cam2img for camera in cameras]
    results = detect(model, pixels, matrices, args.batch_size, score_thr=args.score_thr)
    records = []
    for camera, image, target, found in zip(cameras, pixels, targets, results):
        picture = draw_side_by_side(enlarged(found.view(image)), model.CLASSES, args.range)
        record = {'image': str(camera.path), 'picture': str(write_image(target, picture))}
        detections = {'cam2img': camera.cam2img.tolist(), 'detections': found.records()}
        records.append({**record, **detections})
    return records


def main() -> None:
    """Run, and turn bad input into one line instead of a traceback."""
    args = parse_args()
    plain_warnings()
    try:
        count = run(args)
    except (FileNotFoundError, ValueError, KeyError) as error:
        sys.exit(f'error: {error.args[0] if isinstance(error, KeyError) else error}')
    print(
        f'{count} objects with score >= {args.score_thr}: pictures, detections.json in {args.out}'
    )


if __name__ == '__main__':
    main()
