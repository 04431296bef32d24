"""Detect along scenes: all cameras and the bird's-eye view in one mosaic, as video or frames.

Examples:
    python demo/nuscenes_sequence_demo.py --data-root data/nuscenes \
        --ann-file data/nuscenes/nuscenes_infos_val_mono3d.coco.json --scene scene-0103
    python demo/nuscenes_sequence_demo.py --data-root DATA --ann-file FILE --scene 0 1 2 --fps 4
    python demo/nuscenes_sequence_demo.py --data-root DATA --ann-file FILE --list
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from epropnp_det.apis import (
    detect_samples,
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
    parser.add_argument(
        '--scene', nargs='+', default=['0'], help='names or indices (default: the first)'
    )
    parser.add_argument('--list', action='store_true', help='list the scenes and stop')
    parser.add_argument('--config', help='config; default: the one that the checkpoint carries')
    parser.add_argument('--checkpoint', help='weights; default: those that ship with the package')
    parser.add_argument('--out', default='work_dirs/sequence_demo', help='folder for the output')
    parser.add_argument('--frames', action='store_true', help='also write each mosaic as a picture')
    parser.add_argument('--rerun', help='also log everything into this .rrd file (rerun.io)')
    parser.add_argument('--fps', type=float, default=2.0, help='of the video; keyframes come at 2')
    parser.add_argument('--max-samples', type=int, help='only so many samples of each scene')
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


def run(args: argparse.Namespace) -> Path | None:
    """Writes the video of the scenes; returns its path, None where scenes were only listed."""
    out = Path(args.out)
    if args.rerun:
        require_rerun()
    classes = tuple(resolve_config(args.config, args.checkpoint).class_names)
    scenes = read_scenes(read_frames(args.ann_file, args.data_root, classes), args.data_root)
    if args.list:
        for index, scene in enumerate(scenes):
            print(f'{index:4d}  {scene.name}  {len(scene.samples)} samples')
        return None
    chosen = [select_scene(scenes, wanted) for wanted in args.scene]
    samples = [group for scene in chosen for group in scene.samples[: args.max_samples]]
    name = chosen[0].name if len(chosen) == 1 else f'{len(chosen)}_scenes'
    samples[0][0].load()
    check_writable(out)
    model = init_detector(args.config, args.checkpoint, args.device)
    with ExitStack() as stack:
        video = stack.enter_context(VideoWriter(out / f'{name}.mp4', args.fps))
        log = args.rerun and stack.enter_context(RerunLog(args.rerun, classes))
        bar = stack.enter_context(progress(total=len(samples), title=name, unit='sample'))
        stream = detect_samples(
            model, samples, args.score_thr, args.batch_size,
            with_points=bool(args.rerun), with_truth=not args.no_ground_truth,
        )  # fmt: skip
        for index, (views, found) in enumerate(stream):
            picture = mosaic(views, classes, args.range)
            video.write(picture)
            if args.frames:
                write_image(out / f'{name}_{index:03d}.jpg', picture)
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
