"""nuScenes tables that people wrote themselves: their names, their gaps."""

import json
import shutil

import pytest

from epropnp_det.datasets.prepare import prepare_nuscenes
from epropnp_det.datasets.tables import load_tables, official_category
from epropnp_det.inputs import InputWarning
from epropnp_det.inputs.notices import forget_notices
from epropnp_det.taxonomy import CATEGORIES


@pytest.fixture
def own_root(synthetic_root, tmp_path):
    """The synthetic tables, to be changed, beside its images."""
    forget_notices()
    root = tmp_path / 'own'
    root.mkdir()
    for name in ('samples', 'maps'):
        (root / name).symlink_to(synthetic_root / name)
    shutil.copytree(synthetic_root / 'v1.0-mini', root / 'v1.0-mini')
    return root


def edit(root, table, change):
    path = root / 'v1.0-mini' / f'{table}.json'
    path.write_text(json.dumps([change(row) for row in json.loads(path.read_text())]))


def prepare(root, **options):
    paths = prepare_nuscenes(root, 'v1.0-mini', root / 'out', **options)
    return [json.loads(path.read_text()) for path in paths]


def flat(row):
    names = {official: name for name, official in CATEGORIES.items()}
    return {**row, 'name': names.get(row['name'], row['name'])}


def test_names_of_classes_are_categories(own_root, synthetic_root, tmp_path):
    expected = prepare_nuscenes(synthetic_root, 'v1.0-mini', tmp_path / 'expected')
    edit(own_root, 'category', flat)
    assert prepare(own_root) == [json.loads(path.read_text()) for path in expected]
    names = {row['name'] for row in load_tables(own_root, 'v1.0-mini').category}
    assert 'car' not in names  # so that the devkit's evaluator finds the objects, too


@pytest.mark.parametrize('name', ['Car', ' traffic cone', 'construction-vehicle', 'PEDESTRIAN'])
def test_spelling_of_categories(name):
    assert official_category(name) in CATEGORIES.values()
    assert official_category('vehicle.car') == 'vehicle.car'
    assert official_category('animal') == 'animal'


def test_tables_without_any_known_category_are_refused(own_root):
    edit(own_root, 'category', lambda row: {**row, 'name': 'thing.' + row['name']})
    with pytest.raises(ValueError, match=r'none of the \d+ annotations .*thing\.vehicle.*by class'):
        prepare(own_root)
    assert not (own_root / 'out').exists()


def test_what_is_left_out_is_counted(own_root):
    def rename(row):
        return {**row, 'name': 'tram'} if row['name'] == 'vehicle.car' else row

    edit(own_root, 'category', rename)
    with pytest.warns(InputWarning, match=r'\d+ of \d+ annotations .* left out.*tram \d+'):
        assert prepare(own_root)[0]['annotations']


def test_scenes_of_other_names_need_a_list(own_root):
    edit(own_root, 'scene', lambda row: {**row, 'name': 'my-' + row['name']})
    with pytest.raises(ValueError, match=r'my-scene-0061.*--split FILE'):
        prepare(own_root)
    content = prepare(own_root, splits={'mine': ['my-scene-0061']})[0]
    assert len(content['images']) == 18 and content['annotations']


def test_a_split_that_is_empty_is_said(own_root):
    edit(
        own_root,
        'scene',
        lambda row: {**row, 'name': row['name'].replace('scene-0103', 'my-scene')},
    )
    with pytest.warns(InputWarning, match='mini_val of v1.0-mini have no complete sample'):
        train, val = prepare(own_root)
    assert train['images'] and not val['images']


@pytest.mark.parametrize(
    ('table', 'column'),
    [
        ('sample_annotation', 'visibility_token'),
        ('sample_annotation', 'num_lidar_pts'),
        ('sample_data', 'is_key_frame'),
        ('calibrated_sensor', 'camera_intrinsic'),
        ('category', 'name'),
        ('scene', 'name'),
        ('ego_pose', 'rotation'),
        ('sample', 'token'),
    ],
)
def test_missing_columns_are_named_as_columns(table, column, own_root):
    edit(own_root, table, lambda row: {k: v for k, v in row.items() if k != column})
    with pytest.raises(ValueError, match=rf'{table}\.json lacks the column {column} \(in the row'):
        prepare(own_root)


def test_versions_of_ones_own_need_a_list(own_root):
    (own_root / 'v1.0-mini').rename(own_root / 'mine')
    with pytest.raises(ValueError, match='unknown version mine.*--split FILE'):
        prepare_nuscenes(own_root, 'mine', own_root / 'out')
    splits = {'all': ['scene-0061', 'scene-0103']}
    (path,) = prepare_nuscenes(own_root, 'mine', own_root / 'out', splits=splits)
    assert len(json.loads(path.read_text())['images']) == 36


def test_tables_with_byte_order_marks(own_root):
    for path in (own_root / 'v1.0-mini').glob('*.json'):
        path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())
    assert prepare(own_root)[0]['annotations']
