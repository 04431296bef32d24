"""Detect along a scene: all cameras and the bird's-eye view in one mosaic, as video or frames.

Examples:
    python demo/nuscenes_sequence_demo.py --data-root data/nuscenes \
        --ann-file data/nuscenes/nuscenes_infos_val_mono3d.coco.json --scene scene-0103
    python demo/nuscenes_sequence_demo.py --data-root DATA --ann-file FILE --list
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from torch import nn

from epropnp_det.apis import (
    ImageDetections,
    Scene,
    detect,
    init_detector,
    read_frames,
    read_scenes,
    resolve_config,
    select_scene,
)
from epropnp_det.atomic import check_writable
from epropnp_det.inputs import write_image
from epropnp_det.progress import progress
from epropnp_det.quiet import plain_warnings
from epropnp_det.visualization import (
    CameraView,
    VideoWriter,
    draw_legend,
    draw_panel,
    draw_side_by_side,
    enlarged,
    layout_of,
)
from epropnp_det.visualization.rerun_log import RerunLog, require_rerun


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', required=True, help='folder that the file names start from')
    parser.add_argument('--ann-file', required=True, help='*_mono3d.coco.json')
    parser.add_argument('--scene', default='0', help='name or index (default: the first)')
    parser.add_argument('--list', action='store_true', help='list the scenes and stop')
    parser.add_argument('--config', help='config; default: the one that the checkpoint carries')
    parser.add_argument('--checkpoint', help='weights; default: those that ship with the package')
    parser.add_argument('--out', default='work_dirs/sequence_demo', help='folder for the output')
    parser.add_argument('--frames', action='store_true', help='also write each mosaic as a picture')
    parser.add_argument('--rerun', help='also log everything into this .rrd file (rerun.io)')
    parser.add_argument('--fps', type=float, default=2.0, help='of the video; keyframes come at 2')
    parser.add_argument('--max-samples', type=int, help='only so many samples of the scene')
    parser.add_argument('--score-thr', type=float, default=0.3)
    parser.add_argument('--range', type=float, default=60.0, help='metres in the view from above')
    parser.add_argument('--no-ground-truth', action='store_true', help='leave it out')
    parser.add_argument('--batch-size', type=int, default=6)
    parser.add_argument('--device', help='cpu, cuda, cuda:1; by default the GPU if there is one')
    return parser.parse_args(arguments)


def mosaic(views: Sequence[CameraView], class_names: Sequence[str], max_range: float) -> np.ndarray:
    """One picture of a sample: a camera beside its view from above, or all around one."""
    if len(views) == 1:
        return draw_side_by_side(enlarged(views[0]), class_names, max_range)
    layout = layout_of([view.name for view in views])
    return draw_panel(views, class_names, layout, max_range=max_range)


def detect_along(
    model: nn.Module, scene: Scene, args: argparse.Namespace
) -> Iterator[tuple[list[CameraView], list[ImageDetections]]]:
    """Views and detections of each sample, in the order of time."""
    for frames in scene.samples[: args.max_samples]:
        images, cameras = zip(*(frame.load() for frame in frames))
        wanted = {'with_samples': True} if args.rerun or len(frames) == 1 else {}
        if args.rerun:
            wanted['with_points'] = True
        found = detect(model, images, cameras, args.batch_size, args.score_thr, **wanted)
        views = [
            detections.view(
                image,
                cam2ego=frame.cam2ego,
                name=frame.camera or str(index),
                ground_truth=None if args.no_ground_truth else frame.ground_truth,
            )
            for index, (frame, image, detections) in enumerate(zip(frames, images, found))
        ]
        yield views, found


def run(args: argparse.Namespace) -> Path | None:
    """Writes the video of a scene; returns its path, None where scenes were only listed."""
    out = Path(args.out)
    if args.rerun:
        require_rerun()
    classes = tuple(resolve_config(args.config, args.checkpoint).class_names)
    scenes = read_scenes(read_frames(args.ann_file, args.data_root, classes), args.data_root)
    if args.list:
        for index, scene in enumerate(scenes):
            print(f'{index:4d}  {scene.name}  {len(scene.samples)} samples')
        return None
    scene = select_scene(scenes, args.scene)
    scene.samples[0][0].load()
    check_writable(out)
    model = init_detector(args.config, args.checkpoint, args.device)
    total = len(scene.samples[: args.max_samples])
    with ExitStack() as stack:
        video = stack.enter_context(VideoWriter(out / f'{scene.name}.mp4', args.fps))
        log = args.rerun and stack.enter_context(RerunLog(args.rerun, classes))
        bar = stack.enter_context(progress(total=total, title=scene.name, unit='sample'))
        for index, (views, found) in enumerate(detect_along(model, scene, args)):
            picture = mosaic(views, classes, args.range)
            draw_legend(picture, classes, ground_truth=not args.no_ground_truth, out=picture)
            video.write(picture)
            if args.frames:
                write_image(out / f'{scene.name}_{index:03d}.jpg', picture)
            if log:
                log.log_sample(index / args.fps, views, found)
            bar.update()
    return video.path


def main() -> None:
    """Run, and turn bad input into one line instead of a traceback."""
    args = parse_args()
    plain_warnings()
    try:
        path = run(args)
    except (OSError, ValueError, KeyError, ImportError) as error:
        sys.exit(f'error: {error.args[0] if isinstance(error, KeyError) else error}')
    if path is not None:
        print(f'{path}' + (f', {args.rerun}' if args.rerun else ''))


if __name__ == '__main__':
    main()
