"""Score a submission file with nuscenes-devkit: tables by class and by distance, and plots.

For results of a detector use tools/test.py --eval bbox, which scores in the same way.

Example:
    python tools/evaluate_submission.py results_nusc.json --data-root data/nuscenes
"""

import argparse
import sys

from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.constants import DETECTION_NAMES

from epropnp_det.datasets.evaluation import (
    DEFAULT_SPLITS,
    evaluate_submission,
    report,
)
from epropnp_det.datasets.submission_check import check_submission
from epropnp_det.datasets.tables import load_tables


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('file', help='results_nusc.json; metrics and plots are written beside it')
    parser.add_argument('--data-root', required=True, help='folder with the tables VERSION/')
    parser.add_argument('--version', default='v1.0-trainval', choices=list(DEFAULT_SPLITS))
    parser.add_argument(
        '--split',
        help='official split, or a .txt or .json file that lists scene names or sample tokens; by '
        'default the validation split of the version',
    )
    parser.add_argument(
        '--ranges',
        type=float,
        nargs='*',
        default=[0, 20, 30, 40, 50],
        help='borders of the ranges of distance, metres',
    )
    parser.add_argument('--cameras', nargs='+', help='count only objects that these show')
    parser.add_argument('--no-plots', action='store_true')
    return parser.parse_args()


def main() -> None:
    """Evaluate and print."""
    args = parse_args()
    try:
        if args.file.endswith('.zip'):
            raise ValueError(f'{args.file} is packed for the server; unzip it, or pass its .json')
        check_submission(args.file)
        evaluation = evaluate_submission(
            args.file,
            load_tables(args.data_root, args.version),
            args.split or DEFAULT_SPLITS[args.version],
            config_factory('detection_cvpr_2019'),
            list(zip(args.ranges, args.ranges[1:])),
            args.cameras,
            render_curves=not args.no_plots,
        )
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(report(evaluation, DETECTION_NAMES, args.file))


if __name__ == '__main__':
    main()
