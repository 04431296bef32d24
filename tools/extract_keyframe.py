"""Copy one keyframe of a nuScenes into a folder of its own: six images, a sweep, their boxes.

demo/overfit_keyframe.py trains on it, and the checks of benchmarks/ take it. The images stay under
nuScenes' licence.

Example:
    python tools/extract_keyframe.py --data-root data/nuscenes --version v1.0-mini --sample 0
"""

import argparse
import sys

from epropnp_det.datasets.keyframe import extract_keyframe


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--data-root', required=True, help='folder with samples/ and the tables VERSION/'
    )
    parser.add_argument('--version', default='v1.0-mini', help='tables (default: %(default)s)')
    parser.add_argument(
        '--sample', default='0', help='position in the table sample, or a token (default: 0)'
    )
    parser.add_argument(
        '--out', default='data/nuscenes_keyframe', help='new folder (default: %(default)s)'
    )
    return parser.parse_args()


def main() -> None:
    """Write the folder and say where it lies."""
    args = parse_args()
    try:
        path = extract_keyframe(args.data_root, args.version, args.sample, args.out)
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(path)


if __name__ == '__main__':
    main()
