"""Official checkpoints of the object pose network become ours."""

from .conversion import Conversion, convert_state, official_version

__all__ = ['Conversion', 'convert_state', 'official_version']
