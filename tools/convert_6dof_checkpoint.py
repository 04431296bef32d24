"""Turn an official EPro-PnP-6DoF checkpoint (v1, v2), or CDPN's first stage, into one of ours.

Every tensor is accounted for, and a file of another network is refused. Nothing in the file is
executed. v1's translation head, which nothing uses, is dropped.

Example:
    python tools/convert_6dof_checkpoint.py OFFICIAL.pth work_dirs/ours.pth
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdet3d.models import build_model

import epropnp_6dof  # noqa: F401  registers the network
from epropnp_6dof.checkpoints import convert_state, official_version
from epropnp_det.checkpoints.command_line import add_conversion_arguments, read_source
from epropnp_det.engine.checkpoint_files import write_checkpoint
from epropnp_det.engine.config import load_config

CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / 'epropnp_6dof'
DEFAULT_CONFIGS = {
    'v1': 'epropnp_6dof_v1_basic_r34_linemod.py',
    'v2': 'epropnp_6dof_v2_cdpn_init_r34_linemod.py',
    'cdpn': 'epropnp_6dof_v2_cdpn_init_r34_linemod.py',
}


def main() -> None:
    """Converts one file; says what is wrong in one line otherwise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_conversion_arguments(parser)
    parser.add_argument(
        '--transplant', action='store_true', help="keep CDPN's coordinate rows of the output layer"
    )
    args = parser.parse_args()
    try:
        convert(args)
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        sys.exit(f'error: {error}')


def convert(args: argparse.Namespace) -> None:
    """Reads, converts, writes, and reports.

    Raises:
        ValueError: If the file is no official checkpoint or does not fit the config.
        FileNotFoundError: If a file is missing.
        FileExistsError: If the target exists.
    """
    state = read_source(args)['state_dict']
    version = official_version(state)
    path = Path(args.config) if args.config else CONFIGS / DEFAULT_CONFIGS[version]
    config = load_config(path)
    config.model.backbone.init_cfg = None
    model = build_model(config.model)
    model.init_weights()
    result = convert_state(state, model.state_dict(), args.transplant)
    meta = {'converted': {'source': Path(args.source).name, 'version': version}}
    meta['config'] = config.pretty_text
    write_checkpoint({'meta': meta, 'state_dict': result.state}, args.target, args.force)
    print(f'official {version}: {len(result.renamed)} tensors converted to {args.target}')
    if result.left_out:
        print(f'{len(result.left_out)} tensors left out: {result.left_out[0]}, ...')
    if result.initial:
        print(f'{len(result.initial)} tensors not in the file keep their start values:')
        print('  ' + ', '.join(result.initial))


if __name__ == '__main__':
    main()
