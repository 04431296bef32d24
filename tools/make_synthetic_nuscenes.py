"""Write a synthetic data set in the nuScenes format; see `docs/data.md`.

An interrupted run can be started again and goes on where it stopped.

Example:
    python tools/make_synthetic_nuscenes.py data/synthetic --preset rich
"""

import argparse
import os
import sys
import time
from pathlib import Path

from epropnp_det.synthetic import PRESETS, SPLITS, Spec, make_dataset
from epropnp_det.synthetic.files.statistics import draw_statistics


def parse_args() -> argparse.Namespace:
    """Command line."""
    default = Spec()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', help='root of the data set to write')
    parser.add_argument(
        '--split',
        choices=list(SPLITS),
        default=default.split,
        help='what to fill with scenes (default: %(default)s)',
    )
    parser.add_argument(
        '--scenes', type=int, help='all of mini, or of mini_train (8), mini_val (2); 1 to 10'
    )
    parser.add_argument(
        '--frames-per-scene',
        type=int,
        default=default.frames,
        help='keyframes (default: %(default)s)',
    )
    parser.add_argument(
        '--scale',
        type=float,
        default=default.scale,
        help='factor on 1600 x 900 (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=default.seed, help='of everything (default: %(default)s)'
    )
    parser.add_argument(
        '--preset',
        choices=list(PRESETS),
        default='simple',
        help='simple: dry days with some traffic; rich: also dusk, night, rain, crowds, nobody '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--conditions',
        nargs='+',
        metavar='WORDS',
        help='instead of a preset: what the scenes take turns through, such as day night+rain '
        'dusk+crowd empty hills',
    )
    parser.add_argument('--hills', action='store_true', help='undulating ground in every scene')
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count(), help='processes (default: %(default)s)'
    )
    parser.add_argument('--force', action='store_true', help='replace an existing folder')
    parser.add_argument(
        '--no-statistics', action='store_true', help='do not draw statistics.png into the folder'
    )
    return parser.parse_args()


def main() -> None:
    """Write the data set, draw what is in it, and say where it lies."""
    args = parse_args()
    conditions = tuple(args.conditions or PRESETS[args.preset])
    scenes = args.scenes or {'mini_train': 8, 'mini_val': 2}.get(args.split, 10)
    sizes = (scenes, args.frames_per_scene, args.scale, args.seed)
    spec = Spec(*sizes, args.split, conditions, args.hills)
    start = time.time()
    try:
        root = make_dataset(args.out, spec, args.workers, args.force)
    except (FileExistsError, ValueError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('interrupted: the same command goes on where this one stopped')
    images = 6 * spec.scenes * spec.frames
    print(f'{images} images in {time.time() - start:.1f} s: {root}')
    if not args.no_statistics:
        print(draw_statistics(root, spec.version, Path(root) / 'statistics.png'))


if __name__ == '__main__':
    main()
