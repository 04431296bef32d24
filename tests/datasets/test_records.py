import pickle

import numpy as np
import pytest

from epropnp_det.datasets.records import PackedRecords

RECORDS = [
    {'id': 'a', 'box': [1.0, float('inf')]},
    {},
    {'id': 3, 'nested': {'K': [[1, 2], [3, 4]]}},
]


def test_behaves_as_a_list():
    packed = PackedRecords(iter(RECORDS))
    assert len(packed) == 3 and list(packed) == RECORDS
    assert packed[-1] == RECORDS[-1] and packed[np.int64(1)] == {}
    assert packed[1:] == RECORDS[1:]
    assert list(packed + RECORDS) == list(RECORDS + packed) == RECORDS + RECORDS
    for index in (3, -4):
        with pytest.raises(IndexError, match='3 records'):
            packed[index]
    assert not PackedRecords([]) and list(PackedRecords([])) == []


def test_what_is_read_can_be_changed_without_changing_what_is_stored():
    packed = PackedRecords(RECORDS)
    packed[0]['box'][0] = 7
    assert packed[0]['box'][0] == 1.0


def test_travels_to_other_processes():
    assert list(pickle.loads(pickle.dumps(PackedRecords(RECORDS)))) == RECORDS
