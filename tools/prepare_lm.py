"""Make what object pose training needs once: coordinate maps, and from real images new views.

Coordinate maps say which point of the model each pixel sees; they are rendered from the mesh, or
taken from the ``-coor.pkl`` of the official layout. What is up to date is left as it is, so an
interrupted run goes on where it stopped.

Example:
    python tools/prepare_lm.py data/lm/train data/lm/models work_dirs/lm_maps
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import mmcv

from epropnp_6dof.data.bop import read_bop
from epropnp_6dof.data.layouts import LAYOUTS, read_layout
from epropnp_6dof.synthetic.preparation import prepare_maps, prepare_views


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('split', help='folder of scenes (BOP), or such as real_train (official)')
    parser.add_argument('models', help='folder of the models')
    parser.add_argument('out', help='folder to write')
    parser.add_argument('--layout', choices=LAYOUTS, default='bop')
    parser.add_argument('--objects', type=int, nargs='+', help='numbers of the objects to prepare')
    parser.add_argument('--image-ids', help='JSON file with lists of image numbers')
    parser.add_argument('--list', default='train', help='name of the list in that file')
    parser.add_argument(
        '--views', type=int, default=0, help='new views to render from the images, and backgrounds'
    )
    parser.add_argument('--max-angle', type=float, default=30, help='of a new view, degrees')
    parser.add_argument('--seed', type=int, default=1, help='of the new views')
    return parser.parse_args()


def main() -> None:
    """Prepares one split."""
    args = parse_args()
    try:
        prepare(args)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')


def prepare(args: argparse.Namespace) -> None:
    """Maps of all images; new views and backgrounds from the images of the list."""
    out = Path(args.out)
    wanted = (
        json.loads(Path(args.image_ids).read_text('utf-8'))[args.list] if args.image_ids else None
    )
    instances, models = read_layout(args.layout, args.split, args.models, args.objects, wanted)
    done = prepare_maps(instances, models, out / 'coordinate_maps', args.layout, progress)
    print(f'{done} coordinate maps made, {len(instances) - done} were up to date')
    if args.views:
        prepare_views(instances, models, out, args.views, args.max_angle, args.seed, progress)
        views = read_bop(out / 'views')
        prepare_maps(views, models, out / 'view_coordinate_maps', 'bop', progress)
        print(f'{len(views)} views in {out / "views"}')


def progress(items: list, title: str):
    """The items, with a bar and an estimate of the time left."""
    print(f'{title}: {len(items)}')
    yield from mmcv.track_iter_progress(items)
    print()


if __name__ == '__main__':
    main()
