"""What the commands that convert official checkpoints have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..engine import read_checkpoint


def add_conversion_arguments(parser: argparse.ArgumentParser) -> None:
    """Source, target, config and what overrides a refusal."""
    parser.add_argument('source', help='official checkpoint')
    parser.add_argument('target', help='file to write')
    parser.add_argument('--config', help='config to convert for; default: one of that version')
    parser.add_argument('--force', action='store_true', help='replace an existing file')
    parser.add_argument(
        '--trust', action='store_true', help='run code from the file, if it needs to be'
    )


def read_source(args: argparse.Namespace) -> dict[str, Any]:
    """The official checkpoint, once it is sure that the target may be written.

    Raises:
        FileExistsError: If the target exists, said before minutes of work.
        FileNotFoundError: If there is no source.
        ValueError: If it is no checkpoint, or wants trust.
    """
    if Path(args.target).exists() and not args.force:
        raise FileExistsError(f'{args.target} exists; pass --force to replace it')
    return read_checkpoint(args.source, args.trust)
