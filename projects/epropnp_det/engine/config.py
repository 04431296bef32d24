"""Configs: read, changed by options, pointed at data elsewhere."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from mmcv import Config


def load_config(config: str | Path | Config, options: dict | None = None) -> Config:
    """Reads a config file, or copies a config, and merges options into it.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not isinstance(config, Config):
        if not Path(config).is_file():
            raise FileNotFoundError(f'no config {config}; those at hand are in configs/')
        config = Config.fromfile(str(config))
    config = copy.deepcopy(config)
    if options:
        config.merge_from_dict(options)
    return config


def plain_config(cfg: Config) -> dict[str, Any]:
    """The config as plain dicts, lists, tuples and values, which a checkpoint can carry.

    Unlike the Python text that mmcv writes into a checkpoint's meta, reading it runs no code.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(plain(item) for item in value)
        return value

    return plain(cfg._cfg_dict.to_dict())


def config_of(meta: dict[str, Any], name: str | Path = 'the checkpoint') -> Config:
    """The config that a checkpoint carries.

    Args:
        meta: The checkpoint's ``meta``.
        name: Of the checkpoint, for the message.

    Raises:
        ValueError: If it carries none.
    """
    if not isinstance(meta.get('config_dict'), dict):
        raise ValueError(
            f'{name} carries no config; pass the config it was trained with (its copy lies in the '
            'work_dir), or embed it: tools/publish_model.py --config'
        )
    return Config(copy.deepcopy(meta['config_dict']))


def config_fingerprint(cfg: Config) -> str:
    """Short hash of the whole content of a config, base files included.

    Not of its ``pretty_text``, which takes seconds to lay out.
    """
    content = json.dumps(plain_config(cfg), sort_keys=True, default=repr)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def with_data_root(cfg: Config, data_root: str | Path) -> Config:
    """A copy whose data lies in another folder.

    Every path in ``cfg.data`` that starts with ``cfg.data_root`` is changed, also inside dataset
    wrappers.

    Raises:
        ValueError: If the config names no ``data_root``.
    """
    old = cfg.get('data_root')
    if not old:
        raise ValueError('the config has no data_root to replace')
    new = str(data_root).rstrip('/') + '/'

    def moved(value: Any) -> Any:
        if isinstance(value, str) and (value + '/').startswith(old.rstrip('/') + '/'):
            return new + value[len(old.rstrip('/')) :].lstrip('/')
        if isinstance(value, dict):
            return {key: moved(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(moved(item) for item in value)
        return value

    cfg = copy.deepcopy(cfg)
    cfg.data = moved(cfg.data)
    cfg.data_root = new
    return cfg
