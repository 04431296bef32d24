"""The small detector and its data."""

from support.small_detector import config, small_data  # noqa: F401
