"""Reading checkpoints without running code from them, writing them in one step."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..atomic import replacing

__all__ = ['publish_checkpoint', 'read_checkpoint', 'write_checkpoint']


def read_checkpoint(path: str | Path, trust: bool = False) -> dict[str, Any]:
    """Reads a checkpoint on the CPU.

    Args:
        path: ``.pth`` file.
        trust: Whether to unpickle arbitrary Python objects, which can run any code that the file's
            maker put into it. Without it only tensors and plain values are accepted.

    Returns:
        ``state_dict`` and ``meta``; other entries (optimiser) as they are. A file that holds a bare
        state gets an empty ``meta``. Objects in the ``meta`` of a trusted file are left out, so
        that a copy of it can be read without trust.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or holds objects and is not trusted.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint {path}; tools/train.py writes epoch_*.pth')
    try:
        content = torch.load(str(path), map_location='cpu', weights_only=not trust)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} is not a checkpoint, or holds Python objects besides tensors, which are not '
            'loaded because they can run any code; only if you trust its source, '
            f'make a plain copy: tools/publish_model.py {path} COPY.pth --trust '
            f'({str(error).splitlines()[0]})'
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise ValueError(f'{path} is not a checkpoint that torch can read: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} is not a checkpoint: it holds a {type(content).__name__}')
    if 'state_dict' not in content:
        content = {'state_dict': content}
    state = content['state_dict']
    if not isinstance(state, dict) or not all(torch.is_tensor(value) for value in state.values()):
        raise ValueError(f'{path} is not a checkpoint: a dict without a state_dict of tensors')
    return {**content, 'meta': _plain(dict(content.get('meta') or {}))}


def _plain(value: Any) -> Any:
    """The same without the items that only a trusted reader could load."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if _is_plain(k) and _is_plain(v)}
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value if _is_plain(item)]
        return items if isinstance(value, list) else tuple(items)
    return value


def _is_plain(value: Any) -> bool:
    plain = (str, int, float, bool, bytes, type(None), torch.Tensor, dict, list, tuple)
    return type(value) in plain or isinstance(value, (dict, list, tuple))


def write_checkpoint(content: dict[str, Any], path: str | Path, force: bool = False) -> Path:
    """Writes a checkpoint that is either complete or absent.

    Args:
        content: What ``torch.save`` can write.
        path: Target; missing folders are made.
        force: Whether to replace a file that exists.

    Returns:
        The target.

    Raises:
        FileExistsError: If the target exists and ``force`` is False.
    """
    path = Path(path)
    if path.exists() and not force:
        raise FileExistsError(f'{path} exists; pass --force to replace it')
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, 'wb') as file:
        torch.save(content, file)
    return path


def averaging_copies(state: Mapping[str, Any]) -> set[str]:
    """Names of the second copy of the weights that mmcv's and mmdet's EMA hooks keep in a model.

    At the end of an epoch, when checkpoints are written, the averaged weights stand under the
    names of the model, and the copy holds those of the last step.
    """
    return {copy for name in state if (copy := f'ema_{name.replace(".", "_")}') in state}


def publish_checkpoint(
    source: str | Path,
    target: str | Path,
    trust: bool = False,
    force: bool = False,
    config: dict[str, Any] | None = None,
    half: bool = False,
) -> Path:
    """Copies a checkpoint without its optimiser state, which is twice the size of the weights.

    The copies of averaging hooks (EMA) are left out, too, and what hooks have noted: paths of the
    machine that trained.

    Args:
        source: Checkpoint of a runner.
        target: The first eight digits of the SHA-256 of the weights are added to its stem, so that
            a name stands for one content.
        trust: As for :func:`read_checkpoint`.
        force: As for :func:`write_checkpoint`.
        config: Plain config to carry along (``apis.plain_config``), so that the file alone makes
            a detector; None keeps what the source carries.
        half: Whether floating-point tensors are stored in half precision, half the size.

    Returns:
        The file written.
    """
    content = read_checkpoint(source, trust)
    state = {name: value.detach().clone() for name, value in content['state_dict'].items()}
    for name in averaging_copies(state):
        del state[name]
    if half:
        state = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    meta = {key: value for key, value in content['meta'].items() if key != 'hook_msgs'}
    if config is not None:
        meta['config_dict'] = config
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(name.encode())
        digest.update(value.contiguous().cpu().numpy().tobytes())
    target = Path(target)
    named = target.with_name(f'{target.stem}-{digest.hexdigest()[:8]}{target.suffix or ".pth"}')
    return write_checkpoint({'meta': meta, 'state_dict': state}, named, force)
