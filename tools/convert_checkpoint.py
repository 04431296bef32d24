"""Turn an official EPro-PnP-Det checkpoint (v1, v1b, v2) into one for this package.

Every tensor is accounted for: the table says what went where, and a file of another model is
refused. Nothing in the file is executed. The optimiser state is dropped.

Example:
    python tools/convert_checkpoint.py OFFICIAL.pth work_dirs/ours.pth
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
from mmdet3d.models import build_model

from epropnp_det.checkpoints import (
    Conversion,
    convert_state,
    official_version,
    version_of_config,
    write_checkpoint,
)
from epropnp_det.checkpoints.command_line import add_conversion_arguments, read_source
from epropnp_det.engine.config import load_config

CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / 'epropnp_det'
DEFAULT_CONFIGS = {
    'v1': 'epropnp_det_v1_basic_r101_nuscenes.py',
    'v1b_220312': 'epropnp_det_v1b_220312_r101_nuscenes.py',
    'v1b_220411': 'epropnp_det_v1b_220411_r101_nuscenes.py',
    'v2': 'epropnp_det_v2_official_r101_nuscenes.py',
}


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_conversion_arguments(parser)
    parser.add_argument('--quiet', action='store_true', help='print no table')
    return parser.parse_args()


def main() -> None:
    """Converts one file; says what is wrong in one line otherwise."""
    args = parse_args()
    try:
        convert(args)
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        sys.exit(f'error: {error}')


def convert(args: argparse.Namespace) -> None:
    """Reads, converts and writes.

    Raises:
        ValueError: If the file is no official checkpoint or does not fit the config.
        FileNotFoundError: If a file is missing.
        FileExistsError: If the target exists.
    """
    content = read_source(args)
    state, meta = content['state_dict'], content['meta']
    version = official_version(state)
    path = Path(args.config) if args.config else CONFIGS / DEFAULT_CONFIGS[version]
    config = load_config(path)
    expected = version_of_config(config.model.bbox_head)
    if expected != version:
        raise ValueError(
            f'{args.source} is official {version}, but {path} is of {expected}; leave --config out '
            'to use the right one'
        )
    classes = tuple(meta.get('CLASSES') or config.class_names)
    if classes != tuple(config.class_names):
        raise ValueError(f'classes {classes} are not those of {path}: {config.class_names}')

    result = convert_state(state, build_model(config.model).state_dict())
    origin = dict(source=Path(args.source).name, version=version, config=path.name)
    meta = {**meta, 'CLASSES': classes, 'converted': origin}
    write_checkpoint({'meta': meta, 'state_dict': result.state}, args.target, args.force)
    if not args.quiet:
        print_table(result)
    print(f'official {version}: {len(result.state)} tensors written to {args.target}')
    ramp = config.model.bbox_head.correspondence.get('border_ramp', 'symmetric')
    if version == 'v2' and ramp != 'official':
        print(
            'note: these weights have seen the official border ramp, and this config has the '
            f'symmetric one; {DEFAULT_CONFIGS["v2"]} has the official one (docs/differences.md W12)'
        )
    print(f'test it with: python tools/test.py {path} {args.target} --eval bbox')


def print_table(result: Conversion) -> None:
    """Prints what became of each tensor; those that keep their name by their first part."""
    kept: dict[str, int] = {}
    for source, target in result.renamed.items():
        shape = 'x'.join(map(str, result.state[target].shape)) or 'scalar'
        if source == target:
            part = '.'.join(source.split('.')[: 2 if source.startswith('bbox_head') else 1])
            kept[part] = kept.get(part, 0) + 1
        else:
            print(f'{source:68s} -> {target:76s} {shape}')
    for part, number in kept.items():
        print(f'{part + ".*":68s} -> same names, {number} tensors')
    for source in result.left_out:
        print(f'{source:68s} -> left out: training only, and not part of this config')


if __name__ == '__main__':
    main()
