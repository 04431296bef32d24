"""Training crops: targets agree with their grid, whatever the crop; both layouts agree."""

import json
import pickle

import cv2
import numpy as np
import pytest
import torch

from epropnp_6dof.data import ObjectPoseDataset
from epropnp_6dof.data.bop import detected, read_bop
from epropnp_6dof.data.coordinate_maps import load_map, map_path
from epropnp_6dof.data.official import CAM2IMG, read_official, read_official_map
from epropnp_6dof.objects.models import read_mesh, read_models
from epropnp_6dof.synthetic.preparation import prepare_maps
from epropnp_det.pnp import PerspectiveCamera

NAMES = {1: 'ape', 4: 'camera'}  # official names of the numbers that the two objects have
JITTER = {'shift': 0.25, 'zoom': 0.25, 'max_angle': 0.0}


def make(root, **options):
    return ObjectPoseDataset(
        str(root / 'train'),
        str(root / 'models'),
        coordinate_maps=str(root / 'coordinate_maps'),
        **{'resolution': 64, 'grid_size': 32, **options},
    )


def grid_errors(item, pose=0):
    """Projected targets minus grid, in pixels, where the object is."""
    points = item['noc'][pose].flatten(1).t() * item['half_extents'] + item['center']
    found = PerspectiveCamera(item['cam2img']).project(points, item['poses'][pose])
    return (found - item['grid'].flatten(0, 1))[item['mask'].flatten() > 0.9]


@pytest.mark.parametrize('angle', [0.0, 3.0])
@pytest.mark.parametrize('shift', [0.0, 0.7])
def test_targets_project_onto_the_grid(bop_root, angle, shift):
    data = make(bop_root, jitter={'shift': shift, 'zoom': 0.5, 'max_angle': angle})
    np.random.seed(1)  # noqa: NPY002
    for k in range(len(data)):
        item = data[k]
        errors = grid_errors(item)
        if len(errors):
            # A nearest sample is half a pixel away at most, plus what rounding to half costs.
            assert errors.abs().max() < 0.5 * 2**0.5 + 0.25
            assert errors.mean(0).abs().max() < 0.25


def test_equivalent_targets_project_alike(bop_root):
    data = make(bop_root, symmetric=True, obj_ids=[4], jitter=JITTER)
    np.random.seed(0)  # noqa: NPY002
    item = data[0]
    assert item['poses'].shape == (2, 7)
    assert not torch.allclose(item['poses'][0], item['poses'][1], atol=0.1)
    torch.testing.assert_close(grid_errors(item, 0), grid_errors(item, 1), atol=1e-3, rtol=0)


def test_stale_maps_are_named(bop_root, tmp_path):
    with pytest.raises(FileNotFoundError, match='prepare_lm'):
        ObjectPoseDataset(
            str(bop_root / 'train'), str(bop_root / 'models'), coordinate_maps=str(tmp_path)
        )


@pytest.fixture
def official_root(bop_root, tmp_path):
    """The same images in the official layout."""
    models = read_models(bop_root / 'models')
    lines = []
    for obj_id, model in models.items():
        name = NAMES[obj_id]
        folder = tmp_path / 'models' / name
        folder.mkdir(parents=True)
        mesh = read_mesh(model.mesh_path, 1.0)
        import trimesh

        trimesh.Trimesh(mesh.vertices / 1000, mesh.faces).export(str(folder / f'{name}.ply'))
        low = -1000 * model.half_extents
        numbers = ' '.join(f'{axis} {value}' for axis, value in zip('xyz', low))
        lines.append(f'{obj_id} diameter {1000 * model.diameter} {numbers}')
    (tmp_path / 'models' / 'models_info.txt').write_text('\n'.join(lines))
    for instance in read_bop(bop_root / 'train'):
        folder = tmp_path / 'real_train' / NAMES[instance.obj_id]
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f'{instance.image_id + 1:06d}'
        cv2.imwrite(f'{stem}-color.png', cv2.imread(str(instance.image)))
        label = (cv2.imread(str(instance.mask), cv2.IMREAD_GRAYSCALE) > 0) * instance.obj_id
        cv2.imwrite(f'{stem}-label.png', label)
        np.savetxt(f'{stem}-pose.txt', np.c_[instance.rotation, instance.translation], '%.18g')
        np.savetxt(f'{stem}-box.txt', instance.box[None], '%g')
        found = load_map(map_path(bop_root / 'coordinate_maps', instance))
        height, width = found.points.shape[:2]
        content = {'u': found.top, 'l': found.left, 'h': height, 'w': width, 'coor': found.points}
        stem.with_name(stem.name + '-coor.pkl').write_bytes(pickle.dumps(content))
    return tmp_path


def test_both_layouts_give_identical_batches(bop_root, official_root, monkeypatch):
    from epropnp_6dof.data.official import read_official_models

    instances = read_official(official_root / 'real_train')
    models = read_official_models(official_root / 'models')
    prepare_maps(
        instances, models, official_root / 'coordinate_maps', 'official', lambda items, _: items
    )
    bop = make(bop_root, jitter=JITTER)
    official = ObjectPoseDataset(
        str(official_root / 'real_train'),
        str(official_root / 'models'),
        layout='official',
        coordinate_maps=str(official_root / 'coordinate_maps'),
        resolution=64,
        grid_size=32,
        jitter=JITTER,
    )
    assert len(bop) == len(official) == 4
    # The synthetic block is not centred, which the official files cannot say.
    for k, instance in enumerate(bop.instances):
        np.random.seed(k)  # noqa: NPY002
        expected = bop[k]
        np.random.seed(k)  # noqa: NPY002
        found = official[k]
        names = set(expected) if instance.obj_id == 4 else {'img', 'grid', 'mask', 'poses'}
        for name in names:
            torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize('protocol', range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_maps_of_every_pickle_protocol_are_read(official_root, protocol):
    instance = read_official(official_root / 'real_train')[0]
    expected = read_official_map(instance)
    path = str(instance.image).replace('-color.png', '-coor.pkl')
    content = {'u': np.int64(expected.top), 'l': expected.left, 'coor': expected.points}
    with open(path, 'wb') as file:
        pickle.dump(content, file, protocol=protocol)
    found = read_official_map(instance)
    assert (found.left, found.top) == (expected.left, expected.top)
    assert np.array_equal(found.points, expected.points)


def test_unsafe_pickles_are_refused(bop_root, official_root):
    instance = read_official(official_root / 'real_train')[0]
    path = str(instance.image).replace('-color.png', '-coor.pkl')
    with open(path, 'wb') as file:
        pickle.dump({'coor': json.JSONDecoder}, file)
    with pytest.raises(ValueError, match='no coordinate map needs'):
        read_official_map(instance)


def test_detections(bop_root, tmp_path):
    instances = read_bop(bop_root / 'train')
    first = instances[0]
    table = {
        f'{first.scene_id}/{first.image_id}': [
            {'obj_id': first.obj_id, 'bbox_est': [1, 2, 3, 4], 'score': 0.5}
        ]
    }
    path = tmp_path / 'detections.json'
    path.write_text(json.dumps(table))
    found = detected(instances, path)
    assert found[0].box.tolist() == [1, 2, 3, 4]
    assert found[0].score == 0.5
    assert all(other.score == 0 for other in found[1:])
    enlarged = detected(instances, jitter=0.1, seed=3)
    for before, after in zip(instances, enlarged):
        grow = after.box[2:] / before.box[2:]
        assert ((grow >= 1) & (grow <= 1.1)).all()
        assert (after.box[:2] <= before.box[:2]).all()
    again = detected(instances[::-1], jitter=0.1, seed=3)[::-1]
    assert all((a.box == b.box).all() for a, b in zip(enlarged, again))
    assert instances[0].cam2img == pytest.approx(CAM2IMG)
