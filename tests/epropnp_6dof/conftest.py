"""A tiny synthetic data set in BOP layout, with coordinate maps."""

from pathlib import Path

import pytest

from epropnp_6dof.data.bop import read_bop
from epropnp_6dof.objects.models import read_models
from epropnp_6dof.synthetic.objects import made_objects, write_models
from epropnp_6dof.synthetic.preparation import prepare_maps
from epropnp_6dof.synthetic.scenes import write_scenes


def quiet(items, title):
    return items


@pytest.fixture(scope='session')
def bop_root(tmp_path_factory) -> Path:
    """Two images each of the block and of the brick; shared by all tests: read only."""
    root = tmp_path_factory.mktemp('bop')
    objects = made_objects()
    write_models(root / 'models', {k: objects[k] for k in (1, 4)})
    write_scenes(root / 'models', root / 'train', 2, 0, None, quiet)
    instances, models = read_bop(root / 'train'), read_models(root / 'models')
    assert prepare_maps(instances, models, root / 'coordinate_maps', 'bop', quiet) == 4
    assert prepare_maps(instances, models, root / 'coordinate_maps', 'bop', quiet) == 0
    return root
