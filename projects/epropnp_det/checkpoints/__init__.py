"""Official EPro-PnP checkpoints: what their parameters are called here."""

from .official_names import NameTable, name_table, rename_official_keys

__all__ = ['NameTable', 'name_table', 'rename_official_keys']
