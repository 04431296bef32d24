import json

import pytest

from epropnp_det.datasets.files import write_json


def test_writes_and_replaces(tmp_path):
    path = tmp_path / 'new' / 'file.json'
    for content in ({'a': 1}, {'b': [2.5]}):
        assert json.loads(write_json(path, content).read_text()) == content
    assert [item.name for item in path.parent.iterdir()] == ['file.json']


@pytest.mark.parametrize(
    ('content', 'error'), [({'a': float('nan')}, ValueError), ({1j}, TypeError)]
)
def test_failure_leaves_the_old_file(tmp_path, content, error):
    path = write_json(tmp_path / 'file.json', {'a': 1})
    with pytest.raises(error):
        write_json(path, content, allow_nan=False)
    assert json.loads(path.read_text()) == {'a': 1}
    assert len(list(tmp_path.iterdir())) == 1
