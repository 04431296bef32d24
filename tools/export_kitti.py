r"""Write a *_mono3d.coco.json, such as that of the synthetic nuScenes, in KITTI's layout.

Example:
    python tools/export_kitti.py data/synthetic/nuscenes_infos_train_mono3d.coco.json \
        --img-prefix data/synthetic --out data/kitti
"""

import argparse
import sys

import mmcv

from epropnp_det.datasets.annotation_check import sound_annotations
from epropnp_det.datasets.kitti import export_kitti


def main() -> None:
    """Writes images, calibrations, labels and the list of frames."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('ann_file', help='annotation file of nuScenes or KITTI classes')
    parser.add_argument('--img-prefix', required=True, help='folder of its images')
    parser.add_argument('--out', required=True, help='folder to write, data/kitti for our configs')
    parser.add_argument('--split', default='train', help='name of the list of frames: train, val')
    args = parser.parse_args()
    try:
        bar = mmcv.ProgressBar(len(sound_annotations(args.ann_file)['images']))
        number = export_kitti(args.ann_file, args.img_prefix, args.out, args.split, bar.update)
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'\n{number} frames: {args.out}/ImageSets/{args.split}.txt')


if __name__ == '__main__':
    main()
