"""Detect objects in images or a video of any calibrated camera; write pictures and a json.

Examples:
    python demo/image_demo.py my.jpg --focal 1200
    python demo/image_demo.py my_images/ --intrinsics K.csv --views 3d density --out work_dirs/mine
    python demo/image_demo.py drive.mp4 --focal 1200 --video work_dirs/drive.mp4
    python demo/image_demo.py my_images/ --intrinsics K.csv --config CONFIG --checkpoint CHECKPOINT
    python demo/image_demo.py my_images/ --intrinsics K.csv --camera-height 1.5 --pitch 2 \
        --cfg-options model.test_cfg.ground.height_std=0.1
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
from mmcv import DictAction

from epropnp_det.apis import (
    VIEWS,
    ImageDetections,
    detect,
    init_detector,
    mounting_from_height,
    uses_mounting,
    view_sheet,
    wanted_for,
)
from epropnp_det.apis.detections import CONVENTIONS
from epropnp_det.atomic import check_writable
from epropnp_det.inputs import (
    EXIF_MODES,
    Calibration,
    ImageCamera,
    Video,
    camera_from_focal,
    camera_of_frames,
    camera_of_image,
    find_images,
    open_video,
    printable,
    read_calibrations,
    undistort,
    write_image,
)
from epropnp_det.inputs.image_folders import describe
from epropnp_det.inputs.videos import VIDEO_SUFFIXES
from epropnp_det.progress import progress
from epropnp_det.quiet import plain_warnings
from epropnp_det.visualization import VideoWriter
from epropnp_det.visualization.rerun_log import RerunLog, require_rerun
from epropnp_det.weights import photograph_weights


class Shot(NamedTuple):
    """One image to look at.

    Attributes:
        name: Its path, or that of the video with the number of the frame.
        pixels: BGR uint8, (H, W, 3).
        cam2img: Intrinsics of these pixels, (3, 3).
        target: Where its picture goes; None for frames of a video.
        cam2ego: How the camera of these pixels is mounted, (4, 4); None where nobody says.
    """

    name: str
    pixels: np.ndarray
    cam2img: np.ndarray
    target: Path | None
    cam2ego: np.ndarray | None


class Source(NamedTuple):
    """What the command line names, checked and not yet decoded.

    Attributes:
        shots: The images, one by one.
        count: How many there are; 0 where a video does not say.
        fps: Frames per second for a video of the pictures.
        is_video: Whether they are the frames of a video.
    """

    shots: Iterator[Shot]
    count: int
    fps: float
    is_video: bool


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked as far as it can be without reading files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'images', nargs='+', help='image files, folders of images, globs, or one video'
    )
    parser.add_argument('--config', help='config; default: the one that the checkpoint carries')
    parser.add_argument('--checkpoint', help='weights; default: those for photographs that ship')
    parser.add_argument('--score-thr', type=float, default=0.2)
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--device', help='cpu, cuda, cuda:1; by default the GPU if there is one')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='changes to the config')
    add_camera_arguments(parser)
    add_mounting_arguments(parser)
    add_output_arguments(parser)
    args = parser.parse_args(arguments)
    if args.center is not None and args.focal is None:
        parser.error('--center goes with --focal; --intrinsics has the centre already')
    if args.intrinsics is None and (args.intrinsics_size or args.undistort):
        parser.error('--intrinsics-size and --undistort go with --intrinsics')
    if args.camera_height is None and (args.pitch is not None or args.roll is not None):
        parser.error('--pitch and --roll go with --camera-height')
    if args.batch_size < 1:
        parser.error('--batch-size must be at least 1')
    return args


def add_camera_arguments(parser: argparse.ArgumentParser) -> None:
    """How the camera makes pixels of rays."""
    group = parser.add_argument_group('the camera')
    camera = group.add_mutually_exclusive_group(required=True)
    camera.add_argument(
        '--intrinsics',
        help='K in pixels of the images: csv, json, OpenCV or ROS yaml, KITTI calib txt, nuScenes '
        'calibrated_sensor, a json from image name to matrix, or a mono3d annotation file',
    )
    camera.add_argument(
        '--focal',
        type=float,
        help='focal length in pixels, if that is all; unknown, take 0.75 times the longer side '
        'for the main camera of a phone, and distances for a guess',
    )
    group.add_argument(
        '--center', type=float, nargs=2, metavar=('CX', 'CY'), help='with --focal; default: middle'
    )
    group.add_argument(
        '--intrinsics-size',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help='size of the images that --intrinsics are for; they are rescaled to the images',
    )
    group.add_argument(
        '--exif',
        choices=EXIF_MODES,
        default='auto',
        help='images that EXIF turns: ignore it, apply it to image and intrinsics, or take the '
        'intrinsics for those of the upright picture',
    )
    group.add_argument(
        '--undistort', action='store_true', help='take the distortion of --intrinsics out'
    )


def add_mounting_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the camera is above the road, and which way it looks."""
    group = parser.add_argument_group('how it is mounted')
    group.add_argument(
        '--camera-height',
        type=float,
        metavar='METRES',
        help='of the camera above the road, for better distances with a model that uses it '
        '(test_cfg.ground); default: what --intrinsics says, as files of nuScenes do (cam2ego)',
    )
    group.add_argument(
        '--pitch', type=float, help='with --camera-height: degrees that the camera looks down'
    )
    group.add_argument(
        '--roll', type=float, help='with --camera-height: degrees that its right side is lower'
    )


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """What is written, and what pictures show."""
    group = parser.add_argument_group('the output')
    group.add_argument('--out', default='work_dirs/image_demo', help='folder for the output')
    group.add_argument('--video', help='also write the pictures as a video, .mp4 or .avi')
    group.add_argument('--rerun', help='also log everything into this .rrd file (rerun.io)')
    group.add_argument('--fps', type=float, help='of --video; default: that of the input, or 10')
    group.add_argument(
        '--views',
        nargs='+',
        default=['3d', 'bev'],
        metavar='VIEW',
        help=f'what the pictures show, of {", ".join(VIEWS)} (default: 3d bev)',
    )
    group.add_argument('--range', type=float, default=60.0, help='metres in views from above')


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


def given_mounting(args: argparse.Namespace) -> np.ndarray | None:
    """How the camera of the pictures as they are shown is mounted, (4, 4), where that is given.

    Raises:
        ValueError: If the numbers make no mounting.
    """
    if args.camera_height is None:
        return None
    return mounting_from_height(args.camera_height, args.pitch or 0.0, args.roll or 0.0)


def camera_of_video(args: argparse.Namespace, video: Video) -> Calibration:
    """Checked camera of a video's frames.

    Raises:
        ValueError: If the intrinsics are per image, or cannot belong to frames of this size.
    """
    width, height = video.size
    if args.intrinsics is None:
        x, y = args.center or (width / 2, height / 2)
        known = Calibration(np.array([[args.focal, 0, x], [0, args.focal, y], [0, 0, 1.0]]))
    else:
        known = read_calibrations(args.intrinsics)
    if not isinstance(known, Calibration):
        raise ValueError('a video needs one matrix; the intrinsics given are per image')
    size = (int(width), int(height))
    return camera_of_frames(video.path, known, size, args.intrinsics_size, args.undistort)


def expand(sources: Sequence[str]) -> list[str]:
    """Globs that the shell left alone become the files that they name."""
    found: list[str] = []
    for source in sources:
        is_glob = not os.path.exists(source) and glob.has_magic(source)
        found += sorted(glob.glob(source, recursive=True)) or [source] if is_glob else [source]
    return found


def open_source(args: argparse.Namespace) -> Source:
    """Checks all that can be checked before the model is loaded."""
    sources, out, given = expand(args.images), Path(args.out), given_mounting(args)
    videos = [source for source in sources if Path(source).suffix.lower() in VIDEO_SUFFIXES]
    if videos and len(sources) > 1:
        raise ValueError('give one video, or images; not both')
    if videos:
        video = open_video(videos[0])
        camera = camera_of_video(args, video)
        if given is not None:
            camera = camera._replace(cam2ego=given)
        shots = _video_shots(video, camera, args.undistort)
        return Source(shots, video.count, video.fps, True)
    images, skipped = find_images(sources, out)
    if skipped:
        print(f'left out: {describe(skipped)}')
    targets = picture_paths(images, out)
    cameras = cameras_of(args, images)
    shots = (
        Shot(
            printable(camera.path),
            camera.load(args.undistort),
            camera.cam2img,
            target,
            camera.cam2ego if given is None else given,
        )  # fmt: skip
        for camera, target in zip(cameras, targets)
    )
    return Source(shots, len(images), 10.0, False)


def _video_shots(video: Video, camera: Calibration, undistorted: bool) -> Iterator[Shot]:
    matrix, distortion = camera.cam2img, camera.distortion
    for index, pixels in enumerate(video.frames()):
        pixels = undistort(pixels, matrix, distortion) if undistorted else pixels
        yield Shot(f'{printable(video.path)}#{index}', pixels, matrix, None, camera.cam2ego)


def run(args: argparse.Namespace) -> int:
    """Detects, draws, writes; returns the number of objects."""
    out, wanted = Path(args.out), wanted_for(args.views)
    if args.rerun:
        require_rerun()
        wanted = {**wanted, 'with_samples': True, 'with_points': True}
    source = open_source(args)
    video = args.video or (out / 'video.mp4' if source.is_video else None)
    for folder in {out, Path(video).parent} if video else {out}:
        check_writable(folder)
    records: list[dict] = []
    with ExitStack() as stack:
        writer = video and stack.enter_context(VideoWriter(video, args.fps or source.fps))
        model = init_detector(args.config, weights_of(args), args.device, args.cfg_options)
        shots = source.shots
        if args.camera_height is None and not uses_mounting(model):  # nobody asks for it
            shots = (shot._replace(cam2ego=None) for shot in shots)
        log = args.rerun and stack.enter_context(RerunLog(args.rerun, model.CLASSES))
        stack.callback(_write_records, records, args.score_thr, out)
        bar = stack.enter_context(progress(total=source.count or None, title='detecting'))
        while batch := list(islice(shots, args.batch_size)):
            results = detect(
                model,
                [shot.pixels for shot in batch],
                [shot.cam2img for shot in batch],
                args.batch_size,
                args.score_thr,
                cam2ego=[shot.cam2ego for shot in batch],
                **wanted,
            )
            for shot, found in zip(batch, results):
                picture = view_sheet(args.views, shot.pixels, found, max_range=args.range)
                if shot.target is not None:
                    write_image(shot.target, picture)
                if writer:
                    writer.write(picture)
                if log:
                    log.log_sample(len(records) / source.fps, [found.view(shot.pixels)], [found])
                records.append(_record(shot, found))
                bar.update()
    return sum(len(record['detections']) for record in records)


def weights_of(args: argparse.Namespace) -> str | Path | None:
    """What was asked for; without config and checkpoint the weights for photographs."""
    return args.checkpoint or (None if args.config else photograph_weights())


def _record(shot: Shot, found: ImageDetections) -> dict:
    picture = {} if shot.target is None else {'picture': str(shot.target)}
    mounting = {} if shot.cam2ego is None else {'cam2ego': shot.cam2ego.tolist()}
    return {
        'image': shot.name,
        **picture,
        'cam2img': shot.cam2img.tolist(),
        **mounting,
        'detections': found.records(),
    }


def _write_records(records: list[dict], score_thr: float, out: Path) -> None:
    """Also after an interruption: what was found is kept."""
    content = {'conventions': CONVENTIONS, 'score_thr': score_thr, 'images': records}
    (out / 'detections.json').write_text(json.dumps(content, indent=1) + '\n')


def main() -> None:
    """Run, and turn bad input into one line instead of a traceback."""
    args = parse_args()
    plain_warnings()
    try:
        count = run(args)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f'error: {error.args[0] if isinstance(error, KeyError) else error}')
    print(
        f'{count} objects with score >= {args.score_thr}: pictures, detections.json in {args.out}'
    )


if __name__ == '__main__':
    main()
