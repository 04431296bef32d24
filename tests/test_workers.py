"""What several processes of the suite may not share, and how many there may be."""

import os
from pathlib import Path

import pytest

from support.workers import own_numba_cache, worker_count

GB = 1 << 30


@pytest.mark.parametrize(
    ('processors', 'memory', 'expected'), [(2, 24, 2), (16, 8, 4), (4, 1, 1), (1, 64, 1)]
)
def test_as_many_as_processors_and_memory_allow(processors, memory, expected):
    assert worker_count(processors, memory * GB) == expected


def test_compiled_code_is_taken_over_once_and_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setenv('NUMBA_CACHE_DIR', 'of everybody')
    common, own = tmp_path / 'epropnp_det' / 'pnp-1', tmp_path / 'own'
    common.mkdir(parents=True)
    (common / 'index').write_text('old')
    for text in ('new', 'newer'):
        own_numba_cache(own)
        assert os.environ['NUMBA_CACHE_DIR'] == str(own)
        assert (own / 'pnp-1' / 'index').read_text() == 'old'
        (common / 'index').write_text(text)


def test_this_process_has_a_cache_of_its_own_where_there_are_others():
    worker = os.environ.get('PYTEST_XDIST_WORKER')
    assert worker is None or Path(os.environ['NUMBA_CACHE_DIR']).name == f'numba-{worker}'
