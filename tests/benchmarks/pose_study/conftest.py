"""Makes the parts of benchmarks/train_6dof.py importable, as the script does; a tiny data set."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'benchmarks'))

from epropnp_6dof.synthetic.objects import made_objects, write_models
from epropnp_6dof.synthetic.scenes import write_scenes


@pytest.fixture
def block_images(tmp_path):
    """Two images of a made-up block in BOP layout, for training and for test."""
    root = tmp_path / 'block'
    write_models(root / 'models', {1: made_objects()[1]})
    write_scenes(root / 'models', root / 'test', 2, 0, None, lambda items, title: items)
    (root / 'splits.json').write_text(json.dumps({'train': [0, 1], 'test': [0, 1]}))
    return root
