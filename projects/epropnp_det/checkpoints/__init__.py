"""Checkpoints: official ones become ours, trained ones become small."""

from ..engine import (
    check_start,
    load_weights,
    publish_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from .conversion import Conversion, convert_state, official_version, version_of_config
from .official_names import NameTable, name_table, rename_official_keys

__all__ = [
    'Conversion',
    'NameTable',
    'check_start',
    'convert_state',
    'load_weights',
    'name_table',
    'official_version',
    'publish_checkpoint',
    'read_checkpoint',
    'rename_official_keys',
    'version_of_config',
    'write_checkpoint',
]
