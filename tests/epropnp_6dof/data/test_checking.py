import json
import shutil

import numpy as np
import pytest

from epropnp_6dof.data.bop import read_bop
from epropnp_6dof.data.checking import MISTAKES, check_model, check_poses, explain, overlap
from epropnp_6dof.objects.models import read_models
from support.scripts import load

# What a user's files hold, by the mistake; applied to what is right.
WRONG = {
    'metres': lambda i: i._replace(translation=i.translation / 1000),
    'centimetres': lambda i: i._replace(translation=i.translation / 10),
    'camera to object': lambda i: i._replace(
        rotation=i.rotation.T, translation=-i.rotation.T @ i.translation
    ),
    'OpenGL': lambda i: i._replace(
        rotation=np.diag([1, -1, -1]) @ i.rotation, translation=i.translation * [1, -1, -1]
    ),
    'half the size': lambda i: i._replace(cam2img=np.diag([0.5, 0.5, 1]) @ i.cam2img),
    'twice the size': lambda i: i._replace(cam2img=np.diag([2.0, 2, 1]) @ i.cam2img),
}


@pytest.fixture(scope='module')
def annotated(bop_root):
    instances = [i for i in read_bop(bop_root / 'train') if i.visibility >= 0.85]
    models = read_models(bop_root / 'models')
    size = (640, 480)
    return instances, models, {k: model.mesh() for k, model in models.items()}, size


def test_right_annotations_are_not_doubted(annotated):
    instances, models, meshes, size = annotated
    assert instances
    for instance in instances:
        assert overlap(instance, meshes[instance.obj_id], size) > 0.9
        boxed = instance._replace(mask=None)
        assert overlap(boxed, meshes[instance.obj_id], size) > 0.8
    for finding in check_poses(instances, meshes, [size] * len(instances)):
        assert finding.wrong == 0 and finding.reasons == ()
    for model in models.values():
        assert check_model(model, meshes[model.obj_id]) == []


@pytest.mark.parametrize('name', WRONG)
def test_a_usual_mistake_is_named(annotated, name):
    instances, _, meshes, size = annotated
    wrong = [WRONG[name](instance) for instance in instances]
    reasons = {explain(instance, meshes[instance.obj_id], size) for instance in wrong}
    assert len(reasons) == 1 and name in reasons.pop()


def test_a_transposed_rotation_is_named(annotated):
    instances, _, meshes, size = annotated
    reasons = [
        explain(i._replace(rotation=i.rotation.T), meshes[i.obj_id], size) for i in instances
    ]
    named = [reason for reason in reasons if reason is not None]
    assert named and all('transposed' in reason for reason in named)


def test_every_mistake_leaves_right_annotations_wrong_when_taken_back(annotated):
    """Else it would never be the best explanation."""
    instances, _, meshes, size = annotated
    for name, undo in MISTAKES.items():
        values = [overlap(undo(i), meshes[i.obj_id], size) for i in instances]
        assert min(values) < 0.7, name


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda m: m._replace(vertices=m.vertices / 1000), 'is the mesh in metres'),
        (lambda m: m._replace(vertices=m.vertices / 25.4), 'is the mesh in inches'),
        (lambda m: m._replace(vertices=m.vertices + 0.02), 'another origin'),
        (lambda m: m._replace(vertices=m.vertices[:, [2, 0, 1]]), 'axes exchanged'),
    ],
)
def test_a_mesh_that_is_not_the_one_of_the_table_is_named(annotated, change, message):
    _, models, meshes, _ = annotated
    obj_id = next(k for k, mesh in meshes.items() if np.ptp(np.ptp(mesh.vertices, axis=0)) > 0.01)
    (fault,) = check_model(models[obj_id], change(meshes[obj_id]))
    assert message in fault


def test_sizes_in_metres_are_named(annotated):
    _, models, meshes, _ = annotated
    obj_id = next(iter(models))
    model = models[obj_id]._replace(diameter=models[obj_id].diameter / 1000)
    (fault,) = check_model(model, meshes[obj_id])
    assert 'BOP has millimetres' in fault


def test_the_command_says_what_is_wrong_and_draws(
    repository, bop_root, tmp_path, monkeypatch, capsys
):
    command = load(repository / 'tools' / 'check_poses.py')
    copied = tmp_path / 'train'
    shutil.copytree(bop_root / 'train', copied)
    for path in copied.glob('*/scene_gt.json'):
        annotations = json.loads(path.read_text())
        for entries in annotations.values():
            for entry in entries:
                entry['cam_t_m2c'] = [value / 1000 for value in entry['cam_t_m2c']]
        path.write_text(json.dumps(annotations))
    for split, code, said in ((bop_root / 'train', 0, 'nothing suspicious'), (copied, 1, 'metres')):
        arguments = ['check', str(split), str(bop_root / 'models'), '--out', str(tmp_path / 'out')]
        monkeypatch.setattr('sys.argv', arguments)
        with pytest.raises(SystemExit) as stopped:
            command.main()
        assert stopped.value.code == code and said in capsys.readouterr().out
    assert list((tmp_path / 'out').glob('*.png'))
