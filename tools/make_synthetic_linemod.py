"""Render a small data set in BOP layout: made-up objects, two of them symmetric, or your own mesh.

Example:
    python tools/make_synthetic_linemod.py data/synthetic_linemod
    python tools/make_synthetic_linemod.py data/mine --model my.ply --unit 0.001
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mmcv

from epropnp_6dof.synthetic.objects import made_objects, own_object, write_models
from epropnp_6dof.synthetic.scenes import write_scenes


def progress(items: list, title: str):
    """The items, with a bar and an estimate of the time left."""
    print(f'{title}: {len(items)}')
    yield from mmcv.track_iter_progress(items)
    print()


def main() -> None:
    """Writes models, ``train`` and ``test``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', help='folder to write')
    parser.add_argument('--model', action='append', help='mesh of your own, several if repeated')
    parser.add_argument('--unit', type=float, default=0.001, help='metres per unit of --model')
    parser.add_argument('--objects', type=int, nargs='+', help='numbers of made-up objects to keep')
    parser.add_argument('--train', type=int, default=200, help='training images per object')
    parser.add_argument('--test', type=int, default=20, help='test images per object')
    parser.add_argument('--upright', action='store_true', help='seen from above, z up, alone')
    parser.add_argument('--backgrounds', help='folder of images')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    out = Path(args.out)
    try:
        if (out / 'models').exists():
            raise FileExistsError(f'{out / "models"} exists; choose another folder')
        objects = made_objects()
        if args.model:
            objects = {k: own_object(path, args.unit) for k, path in enumerate(args.model, 1)}
        if unknown := set(args.objects or ()) - set(objects):
            raise ValueError(f'no object {sorted(unknown)}; there are {sorted(objects)}')
        objects = {k: made for k, made in objects.items() if k in (args.objects or objects)}
        write_models(out / 'models', objects)
        for split, number, seed in (('train', args.train, 0), ('test', args.test, 1)):
            options = (number, 2 * args.seed + seed, args.backgrounds, progress, args.upright)
            write_scenes(out / 'models', out / split, *options)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    print(f'next: python tools/prepare_lm.py {out / "train"} {out / "models"} {out / "prepared"}')


if __name__ == '__main__':
    main()
