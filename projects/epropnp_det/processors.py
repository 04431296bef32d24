"""How many processes make sense here."""

import os


def available_processors() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, 'sched_getaffinity', None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
