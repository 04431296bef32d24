"""YAML texts and files of OpenCV as plain values."""

from __future__ import annotations

import re
from typing import Any

import cv2
import yaml


def read_opencv(text: str) -> dict[str, Any]:
    """Top level of a file of ``cv2.FileStorage``.

    Raises:
        ValueError: If it is none.
    """
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        root = storage.root()
        return {name: _opencv_node(root.getNode(name)) for name in root.keys()}  # noqa: SIM118  no dict
    except (cv2.error, SystemError) as error:  # the latter hides the former
        raise ValueError('not a file of OpenCV, or damaged') from error


def _opencv_node(node: Any) -> Any:
    if node.isInt() or node.isReal():
        return node.real()
    if node.isString():
        return node.string()
    if node.isSeq():
        return [_opencv_node(node.at(index)) for index in range(node.size())]
    matrix = node.mat() if node.isMap() else None
    return None if matrix is None else matrix.tolist()


class _Loader(yaml.SafeLoader):
    """Also takes OpenCV's matrices in a yaml file without its own first line."""


def _mapping(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None


_Loader.add_multi_constructor('', _mapping)
# "1e-3" is a number, which YAML 1.1 does not know
_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'^[-+]?\d+(\.\d*)?[eE][-+]?\d+$'), list('-+0123456789')
)


def read_yaml(text: str) -> Any:
    """The first document that is not empty.

    Raises:
        yaml.YAMLError: If it is no YAML.
    """
    documents = list(yaml.load_all(text, Loader=_Loader))
    return next((document for document in documents if document is not None), None)
