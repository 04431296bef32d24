"""Numbers of classes and attributes, which several parts of a config state, must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

__all__ = ['check_class_counts', 'class_counts', 'num_attributes']

PARTS = {
    'detector.num_classes': ('detector', 'num_classes'),
    'correspondence.num_classes': ('correspondence', 'num_classes'),
    'correspondence.dim_coder': ('correspondence', 'dim_coder', 'num_classes'),
}


def class_counts(model: nn.Module) -> dict[str, int]:
    """Number of classes that each part of a detector is made for, by the option that states it.

    Of detectors that are not ours only ``bbox_head.num_classes`` is known.

    Args:
        model: A detector with a ``bbox_head``; any other has no counts.
    """
    head = getattr(model, 'bbox_head', None)
    if head is None:
        return {}
    counts = {f'model.bbox_head.{name}': n for name, n in head_class_counts(head).items()}
    if not counts and isinstance(getattr(head, 'num_classes', None), int):
        counts['model.bbox_head.num_classes'] = head.num_classes
    return counts


def head_class_counts(head: nn.Module) -> dict[str, int]:
    """As :func:`class_counts`, of :class:`EProPnPHead`; empty for other heads."""
    counts = {}
    for option, path in PARTS.items():
        value: object = head
        for name in path:
            value = getattr(value, name, None)
        if isinstance(value, int):
            counts[option] = value
    attributes = getattr(head, 'class_attributes', None)
    if counts and attributes is not None:
        counts['class_attributes'] = len(attributes)
    return counts


def num_attributes(model: nn.Module) -> int | None:
    """Number of attributes that a detector tells apart; None where it tells none."""
    head = getattr(model, 'bbox_head', None)
    owner = getattr(head, 'correspondence', head)
    number = getattr(owner, 'num_attrs', None)
    return number if isinstance(number, int) else None


def check_class_counts(
    counts: Mapping[str, int],
    attributes: Sequence[Sequence[int]] | None = None,
    num_attrs: int | None = None,
) -> None:
    """Checks that all parts of a head are made for the same classes.

    Args:
        counts: Number of classes by the option that states it.
        attributes: Attribute indices of each class.
        num_attrs: Number of attributes.

    Raises:
        ValueError: If the numbers differ, or a class has an attribute beyond ``num_attrs``.
    """
    if len(set(counts.values())) > 1:
        listing = ', '.join(f'{name} {count}' for name, count in counts.items())
        raise ValueError(
            f'the parts of bbox_head are made for different numbers of classes: {listing}; give '
            'each one row or number per class of the data, in the same order'
        )
    for label, indices in enumerate(attributes or ()):
        beyond = [index for index in indices if num_attrs is not None and index >= num_attrs]
        if beyond or any(index < 0 for index in indices):
            raise ValueError(
                f'class_attributes of class {label} are {tuple(indices)}, and '
                f'correspondence.num_attrs is {num_attrs}: indices go from 0 to {num_attrs - 1}'
            )
