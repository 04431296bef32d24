"""The two sets of packages that the detector stands on, and which of them an environment holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class SetupError(Exception):
    """Something the user can mend; the message says how."""


class Stack(NamedTuple):
    """A locked set of versions: `requirements/constraints-NAME.txt`."""

    name: str
    pythons: tuple[tuple[int, int], ...]  # the order of preference
    standard: str  # of C++, that mmcv-full is compiled with

    @property
    def constraints(self) -> str:
        """The file with all its versions, in `requirements/`."""
        return f'constraints-{self.name}.txt'


CLASSIC = Stack('classic', ((3, 11), (3, 10), (3, 9)), 'c++14')
MODERN = Stack('modern', ((3, 14), (3, 13), (3, 12), (3, 11), (3, 10)), 'c++20')
STACKS = (CLASSIC, MODERN)  # a Python that both know gets the first


def asked_for(environ: Mapping[str, str]) -> Stack | None:
    """Return the set that the variable `STACK` names, if any.

    Raises:
        SetupError: There is no such set.
    """
    name = environ.get('STACK')
    for stack in STACKS:
        if stack.name == name:
            return stack
    if name:
        raise SetupError(f'STACK={name} is no set of packages: it is `classic` or `modern`.')
    return None


def supported(stack: Stack | None) -> list[tuple[int, int]]:
    """List the Pythons of one set, or of all, the best first."""
    stacks = STACKS if stack is None else (stack,)
    return list(dict.fromkeys(python for each in stacks for python in each.pythons))


def for_python(version: tuple[int, ...]) -> Stack:
    """Return the set that a Python gets where nothing else is asked for."""
    return next(stack for stack in STACKS if version[:2] in stack.pythons)


def listed(pythons: list[tuple[int, int]]) -> str:
    """Write versions as '3.9, 3.10 or 3.11'."""
    texts = ['{}.{}'.format(*python) for python in sorted(pythons)]
    return ', '.join(texts[:-1]) + ' or ' + texts[-1]
