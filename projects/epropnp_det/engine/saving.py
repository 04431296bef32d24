"""Checkpoints of a run: complete or absent, and checked for room before training starts."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from torch import nn
from torch.optim import Optimizer

LATEST = 'latest.pth'
SLACK = 64 * 2**20
"""Bytes that logs and pictures may take beside the checkpoints."""


def link_latest(folder: str | Path, name: str) -> None:
    """Lets ``latest.pth`` point to a checkpoint of the folder, in one step.

    Where the file system has no links nothing happens; :func:`find_latest` does without.
    """
    temporary = Path(folder) / f'.{LATEST}.link'
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(name)
        os.replace(temporary, Path(folder) / LATEST)
    except OSError:
        temporary.unlink(missing_ok=True)


def find_latest(folder: str | Path) -> Path | None:
    """The checkpoint that a run in this folder wrote last, or None."""
    latest = Path(folder) / LATEST
    if latest.is_file():
        return latest
    files = [path for path in Path(folder).glob('*.pth') if path.is_file()]
    return max(files, key=lambda path: path.stat().st_mtime, default=None)


def remove_leftovers(folder: str | Path) -> None:
    """Removes what a run that was killed while it wrote a checkpoint left in its folder."""
    for path in Path(folder).glob('.*.pth.*'):
        path.unlink(missing_ok=True)


def checkpoint_bytes(model: nn.Module, optimizer: Optimizer | None = None) -> int:
    """Size of a checkpoint once the optimiser has its state: two moments of each parameter."""

    def size(tensors) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    moments = 0
    if optimizer is not None:
        moments = 2 * size(p for group in optimizer.param_groups for p in group['params'])
    return size(model.parameters()) + size(model.buffers()) + moments


def check_folder(folder: str | Path, needed: int = 0) -> None:
    """Makes sure that a run can write into its folder, before hours of work depend on it.

    Args:
        folder: Is made where it is not there.
        needed: Bytes that there must be room for.

    Raises:
        OSError: If it cannot be made or written to, or there is less room; the message says which.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(
            f'work_dir {folder} cannot be written ({error.strerror}); pass another --work-dir'
        ) from error
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f'work_dir {folder} has {free / 2**20:.0f} MiB of room, the checkpoints of this run '
            f'need {needed / 2**20:.0f} MiB: free some, pass another --work-dir, or keep fewer '
            'with checkpoint_config.max_keep_ckpts=1'
        )
