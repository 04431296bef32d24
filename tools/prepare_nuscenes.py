"""Write the annotation files of nuScenes for monocular detection; see `epropnp_det.datasets`."""

import argparse
import sys

from epropnp_det.datasets.prepare import SPLITS, prepare_nuscenes


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        '--data-root', required=True, help='folder with samples/ and the tables VERSION/'
    )
    parser.add_argument('--version', required=True, choices=list(SPLITS))
    parser.add_argument('--out', help='folder for the files, if not the data root')
    parser.add_argument('--prefix', default='nuscenes', help='start of the file names')
    parser.add_argument(
        '--skip-missing', action='store_true', help='leave out scenes with missing images'
    )
    return parser.parse_args()


def main() -> None:
    """Write the files and say where they lie."""
    args = parse_args()
    try:
        paths = prepare_nuscenes(
            args.data_root, args.version, args.out, args.prefix, args.skip_missing
        )
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    for path in paths:
        print(path)


if __name__ == '__main__':
    main()
