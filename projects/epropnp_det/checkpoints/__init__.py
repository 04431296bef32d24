"""Checkpoints: official ones become ours, trained ones become small."""

from .conversion import Conversion, convert_state, official_version, version_of_config
from .files import publish_checkpoint, read_checkpoint, write_checkpoint
from .official_names import NameTable, name_table, rename_official_keys

__all__ = [
    'Conversion',
    'NameTable',
    'convert_state',
    'name_table',
    'official_version',
    'publish_checkpoint',
    'read_checkpoint',
    'rename_official_keys',
    'version_of_config',
    'write_checkpoint',
]
