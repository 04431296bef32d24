"""Check a submission file (.json or .zip) and name the first entry that the server would refuse.

Example:
    python tools/check_submission.py work_dirs/submission/img_bbox/results_nusc.zip --ann-file FILE
"""

import argparse
import sys

from epropnp_det.datasets.annotation_check import sound_annotations
from epropnp_det.datasets.evaluation import DEFAULT_SPLITS
from epropnp_det.datasets.submission_check import check_submission
from epropnp_det.datasets.tables import load_tables, split_samples


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('file')
    group = parser.add_argument_group('the samples that it must hold, from one of')
    group.add_argument('--ann-file', help='*_mono3d.coco.json of the split')
    group.add_argument('--data-root', help='folder with the tables VERSION/')
    parser.add_argument('--version', default='v1.0-trainval')
    parser.add_argument('--split', help='by default val, mini_val or test, as the version has it')
    return parser.parse_args()


def sample_tokens(args: argparse.Namespace) -> list[str] | None:
    """Samples of the split that the command line names, if any."""
    if args.ann_file:
        content = sound_annotations(args.ann_file)
        return list(dict.fromkeys(str(i.get('token', i['id'])) for i in content['images']))
    if args.data_root:
        split = args.split or DEFAULT_SPLITS.get(args.version, 'test')
        samples = split_samples(load_tables(args.data_root, args.version), split)
        return [sample['token'] for sample in samples]
    return None


def main() -> None:
    """Check and say what is in it."""
    args = parse_args()
    try:
        tokens = sample_tokens(args)
        content = check_submission(args.file, tokens)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    counts = [len(boxes) for boxes in content['results'].values()]
    print(
        f'{args.file} is sound: {len(counts)} samples, {sum(counts)} boxes, at most '
        f'{max(counts, default=0)} in one, {counts.count(0)} samples without'
    )
    if tokens is None:
        print('not checked: whether these are the samples of the split (pass --ann-file)')


if __name__ == '__main__':
    main()
