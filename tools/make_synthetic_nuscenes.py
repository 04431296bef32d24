"""Write a synthetic data set in the nuScenes format; see `epropnp_det.synthetic`."""

import argparse
import os
import sys
import time

from epropnp_det.synthetic import Spec, make_dataset


def parse_args() -> argparse.Namespace:
    """Command line."""
    default = Spec()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('out', help='root of the data set to write')
    parser.add_argument('--scenes', type=int, default=default.scenes, help='1 to 10')
    parser.add_argument('--frames-per-scene', type=int, default=default.frames)
    parser.add_argument('--scale', type=float, default=default.scale, help='factor on 1600 x 900')
    parser.add_argument('--seed', type=int, default=default.seed)
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes')
    parser.add_argument('--force', action='store_true', help='replace an existing folder')
    return parser.parse_args()


def main() -> None:
    """Write the data set and say where it lies."""
    args = parse_args()
    spec = Spec(args.scenes, args.frames_per_scene, args.scale, args.seed)
    start = time.time()
    try:
        root = make_dataset(args.out, spec, args.workers, args.force)
    except (FileExistsError, ValueError) as error:
        sys.exit(f'error: {error}')
    images = 6 * spec.scenes * spec.frames
    print(f'{images} images in {time.time() - start:.1f} s: {root}')


if __name__ == '__main__':
    main()
