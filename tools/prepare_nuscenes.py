"""Write the annotation files of nuScenes for monocular detection; see `docs/data.md`.

An interrupted run can be started again and goes on where it stopped.

Example:
    python tools/prepare_nuscenes.py --data-root data/nuscenes --version v1.0-trainval
"""

import argparse
import resource
import sys
import time
from pathlib import Path

from epropnp_det.datasets.prepare import SPLITS, prepare_nuscenes
from epropnp_det.datasets.tables import read_split_file
from epropnp_det.processors import available_processors
from epropnp_det.quiet import plain_warnings


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--data-root', required=True, help='folder with samples/ and the tables VERSION/'
    )
    parser.add_argument(
        '--version', required=True, help=f'{", ".join(SPLITS)}, or your own with --split'
    )
    parser.add_argument('--out', help='folder for the files, if not the data root')
    parser.add_argument(
        '--prefix', default='nuscenes', help='start of the file names (default: %(default)s)'
    )
    parser.add_argument(
        '--skip-missing', action='store_true', help='leave out scenes with missing files'
    )
    parser.add_argument(
        '--split',
        metavar='FILE',
        help='write the scenes or samples that this .txt or .json file lists, not the official '
        'splits; the result is named after it',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=available_processors(),
        help='processes (default: %(default)s)',
    )
    return parser.parse_args()


def main() -> None:
    """Write the files and say where they lie, and what it took."""
    args = parse_args()
    plain_warnings()
    start = time.time()
    try:
        splits = {Path(args.split).stem: read_split_file(args.split)} if args.split else None
        paths = prepare_nuscenes(
            args.data_root,
            args.version,
            args.out,
            args.prefix,
            args.skip_missing,
            args.workers,
            splits,
        )
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('interrupted: the same command goes on where this one stopped')
    for path in paths:
        print(f'{path} ({path.stat().st_size / 1e6:.1f} MB)')
    memory = [resource.getrusage(who).ru_maxrss / 1e3 for who in (0, -1)]
    print(
        f'{time.time() - start:.1f} s with {args.workers} processes; peak memory '
        f'{memory[0]:.0f} MB, largest worker {memory[1]:.0f} MB (mostly shared)'
    )


if __name__ == '__main__':
    main()
