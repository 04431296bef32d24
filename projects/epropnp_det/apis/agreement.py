"""Model, data and checkpoint must mean the same classes, in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from ..engine.class_names import check_classes, listed
from ..engine.safety import data_parts
from ..inputs import read_lines
from ..models.class_agreement import class_counts, num_attributes

__all__ = ['check_agreement', 'check_config_classes', 'config_classes']


def check_agreement(
    model: nn.Module,
    dataset: Dataset,
    checkpoint_classes: Sequence[str] | None = None,
    checkpoint: str = 'the checkpoint',
) -> None:
    """Checks that a model can be trained or tested on a data set.

    Args:
        model: A detector.
        dataset: A data set with ``CLASSES``, possibly in wrappers.
        checkpoint_classes: Class names that the model was trained for, where they are known.
        checkpoint: Its name, for messages.

    Raises:
        ValueError: If the numbers of classes or attributes differ, or the names of classes; names
            both sides.
    """
    names = getattr(dataset, 'CLASSES', None)
    for part in data_parts(dataset):
        check_classes(
            names, getattr(part, 'CLASSES', None), ('the data set', 'one of its parts'),
            'give each part the same classes=[...]',
        )  # fmt: skip
    check_classes(
        checkpoint_classes, names, (checkpoint, 'the data'),
        'labels would be taken for other classes: set classes of the data to those of the '
        'checkpoint, in its order (data.test.classes), or train anew',
    )  # fmt: skip
    for option, count in class_counts(model).items():
        if names and count != len(names):
            raise ValueError(
                f'the data has {len(names)} classes ({listed(names)}), and {option} is made for '
                f'{count}; set the two to the same, or choose with classes=[...] of the data'
            )
    attributes = num_attributes(model)
    largest = max((getattr(part, 'max_attribute', -1) for part in data_parts(dataset)), default=-1)
    if attributes is not None and largest >= attributes:
        raise ValueError(
            f'the data has attribute_id up to {largest}, and the model tells {attributes} '
            'attributes (model.bbox_head.correspondence.num_attrs): set it to '
            f'{largest + 1} or more, and class_attributes with it'
        )


def check_config_classes(data: Mapping[str, Any], parts: Sequence[str]) -> None:
    """Checks that the parts of a data config name the same classes, without building them.

    Args:
        data: ``cfg.data``.
        parts: Such as ``train`` and ``val``.

    Raises:
        ValueError: If two of them differ.
    """
    named = {part: config_classes(data.get(part)) for part in parts}
    known = [(part, names) for part, names in named.items() if names]
    for part, names in known[1:]:
        check_classes(
            known[0][1], names, (f'data.{known[0][0]}', f'data.{part}'),
            'set classes of both to the same list',
        )  # fmt: skip


def config_classes(config: Any) -> Sequence[str] | None:
    """Class names in a data set's config, of its first part where it is a wrapper's."""
    while isinstance(config, (list, tuple)) and config:
        config = config[0]
    if not isinstance(config, Mapping):
        return None
    names = config.get('classes')
    if isinstance(names, str) and Path(names).is_file():
        return read_lines(names)
    if isinstance(names, (list, tuple)):
        return names
    return config_classes(config.get('dataset') or config.get('datasets'))
