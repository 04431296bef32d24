"""Copy a checkpoint without its optimiser state, for giving away: a third of the size.

Example:
    python tools/publish_model.py work_dirs/x/latest.pth work_dirs/mine.pth
"""

import argparse
import sys
from pathlib import Path

from epropnp_det.apis import load_config, plain_config
from epropnp_det.checkpoints import publish_checkpoint


def main() -> None:
    """Publishes one file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', help='checkpoint of tools/train.py')
    parser.add_argument('target', help='file to write; a hash of the weights is added to its name')
    parser.add_argument('--force', action='store_true', help='replace an existing file')
    parser.add_argument(
        '--trust', action='store_true', help='run code from the file, if it needs to be'
    )
    parser.add_argument(
        '--config', help='config to put into the file, which then makes a detector by itself'
    )
    parser.add_argument('--half', action='store_true', help='store in half precision')
    args = parser.parse_args()
    try:
        config = plain_config(load_config(args.config)) if args.config else None
        written = publish_checkpoint(
            args.source, args.target, args.trust, args.force, config, args.half
        )
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        sys.exit(f'error: {error}')
    before, after = (Path(path).stat().st_size / 2**20 for path in (args.source, written))
    print(f'{written}: {after:.1f} MiB instead of {before:.1f} MiB')


if __name__ == '__main__':
    main()
