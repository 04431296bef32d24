"""Weights of a checkpoint into a model, or a clear word why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmcv.runner import CheckpointLoader
from torch import Tensor, nn

from .checkpoint_files import averaging_copies, read_checkpoint
from .class_names import check_classes

__all__ = ['check_start', 'load_weights']

OFFICIAL = 'bbox_head.attention_sampler.sampling_offsets.weight'
"""Only official detectors have a tensor of this name."""


def load_weights(model: nn.Module, checkpoint: str | Path, trust: bool = False) -> dict:
    """Loads all weights of a checkpoint into a model, strictly.

    Args:
        model: The model.
        checkpoint: File that a runner or ``tools/convert_checkpoint.py`` wrote.
        trust: As for :func:`read_checkpoint`; False runs no code from the file.

    Returns:
        The checkpoint's meta.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, one of another model, or holds Python objects and is
            not trusted.
    """
    content = read_checkpoint(checkpoint, trust)
    weights = _own_names(content['state_dict'], model)
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in weights]
    unexpected = [name for name in weights if name not in wanted]
    reshaped = [
        f'{name} {tuple(weights[name].shape)} instead of {tuple(value.shape)}'
        for name, value in wanted.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if missing or unexpected or reshaped:
        raise ValueError(
            f'{checkpoint} belongs to another model: '
            f'{_some("missing", missing)}{_some("unexpected", unexpected)}'
            f'{_some("of another shape", reshaped)}{_cure(weights)}'
        )
    model.load_state_dict(weights)
    return content['meta']


def check_start(
    model: nn.Module, checkpoint: str | Path, trust: bool = False, resume: bool = False
) -> str | None:
    """Checks a checkpoint that mmcv's runner is about to start from.

    The runner starts from random weights where no name fits, and reads as torch does by default:
    before 2.6 it unpickles whatever the file holds, from then on nothing but tensors and plain
    values. So a trusted file gets a loader of its own in mmcv's registry.

    Args:
        model: The model to be trained, with its ``CLASSES`` where they are known.
        checkpoint: Local file; other schemes (``torchvision://``, ``https://``) are mmcv's own.
        trust: As for :func:`read_checkpoint`.
        resume: Whether the run goes on from there, rather than starts anew with its weights.

    Returns:
        What is unusual, to be logged; None where nothing is.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, has no tensor of the model's, or holds Python objects
            and is not trusted; with ``resume`` also if it does not say where the run stopped, or
            is of other classes.
    """
    if '://' in str(checkpoint):
        return None
    content = read_checkpoint(checkpoint, trust)
    weights = _own_names(content['state_dict'], model)
    wanted = model.state_dict()
    fits = (n in wanted and value.shape == wanted[n].shape for n, value in weights.items())
    if not any(fits):
        raise ValueError(f'{checkpoint} belongs to another model: no tensor fits; {_cure(weights)}')
    if trust:
        this_file = re.escape(str(checkpoint)) + '$'
        CheckpointLoader.register_scheme(this_file, loader=load_from_trusted, force=True)
    classes = content['meta'].get('CLASSES'), getattr(model, 'CLASSES', None)
    cure = 'a class would start with the weights of another one'
    try:
        check_classes(*classes, (str(checkpoint), 'the data'), cure)
    except ValueError as error:
        if resume:
            raise ValueError(f'{error}; --load-from starts anew all the same') from error
        return str(error)
    if not resume:
        return None
    if any(not isinstance(content['meta'].get(key), int) for key in ('epoch', 'iter')):
        raise ValueError(
            f'{checkpoint} holds weights and not where a run stopped (a published or converted '
            f'copy): there is nothing to go on from; --load-from {checkpoint} starts a new run '
            'with these weights'
        )
    if 'optimizer' not in content:
        return (
            f'{checkpoint} has no optimiser state (a published copy): the run goes on at epoch '
            f'{content["meta"]["epoch"]}, iteration {content["meta"]["iter"]}, with a fresh '
            'optimiser; resume from the checkpoint of the run itself to go on exactly'
        )
    return None


def load_from_trusted(filename: str, map_location: Any = None) -> dict:
    """Reads a file with whatever Python objects it holds, for mmcv's runner."""
    return torch.load(filename, map_location=map_location, weights_only=False)


def _own_names(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Without the prefix of parallel training, constants, and the copies of averaging hooks.

    mmcv also writes buffers that are not persistent, such as the tables of the dimension coder.
    """
    constants = {name for name, _ in model.named_buffers()} - set(model.state_dict())
    weights = {re.sub(r'^module\.', '', name): value for name, value in state.items()}
    left_out = constants | averaging_copies(weights)
    return {name: value for name, value in weights.items() if name not in left_out}


def _cure(weights: Mapping[str, Tensor]) -> str:
    if OFFICIAL in weights:
        return 'It is an official checkpoint; convert it by tools/convert_checkpoint.py.'
    return 'Pass the config that it was trained with (its copy lies in the work_dir).'


def _some(kind: str, names: list[str]) -> str:
    if not names:
        return ''
    rest = ', ...' if len(names) > 3 else ''
    return f'{len(names)} {kind} ({", ".join(names[:3])}{rest}); '
