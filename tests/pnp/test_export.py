import pytest
import torch

from epropnp_det.pnp import (
    DeterministicPnP,
    EProPnP4DoF,
    EProPnP6DoF,
    LMSolver,
    Pose6DoF,
    export_onnx,
)
from epropnp_det.pnp.export import cube_rotations

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}


def arguments(objects, with_pose_init=True):
    lower, upper = (bound.expand(len(objects.pose), 2) for bound in objects.camera.bounds())
    args = (*objects[:3], objects.camera.cam2img, lower, upper)
    return (*args, objects.pose) if with_pose_init else args


@pytest.mark.parametrize('fast_mode', [False, True])
@pytest.mark.parametrize('dof', [4, 6])
def test_gives_what_the_layer_gives(random_objects, dof, fast_mode):
    objects = random_objects(5, dof=dof)
    layer = LAYERS[dof](normalize=True)
    ours = DeterministicPnP(layer, fast_mode=fast_mode)(*arguments(objects))
    expected = layer(*objects[:4], objects.pose, fast_mode=fast_mode)
    torch.testing.assert_close(ours.pose, expected.pose)
    torch.testing.assert_close(ours.cost, expected.cost)
    torch.testing.assert_close(ours.pose_cov, expected.pose_cov)


@pytest.mark.parametrize('dof', [4, 6])
def test_fan_of_rotations_finds_poses_from_scratch(random_objects, dof):
    objects = random_objects(40, dof=dof)
    layer = LAYERS[dof](solver=LMSolver(num_iter=15))
    module = DeterministicPnP(layer, with_pose_init=False, fast_mode=False)
    pose = module(*arguments(objects, False)).pose
    error = (pose[:, :3] - objects.pose[:, :3]).norm(dim=1) / objects.pose[:, 2]
    assert (error < 0.05).double().mean() > 0.95


def test_cube_rotations_are_the_24():
    quaternions = cube_rotations()
    assert quaternions.shape == (24, 4)
    matrices = Pose6DoF.rotation(torch.cat((torch.zeros(24, 3), quaternions), 1))
    rounded = matrices.round()
    torch.testing.assert_close(matrices, rounded, atol=1e-6, rtol=0)
    assert len({tuple(matrix.flatten().int().tolist()) for matrix in rounded}) == 24


def test_asks_for_the_pose_it_was_made_for(random_objects):
    objects = random_objects(2)
    with pytest.raises(ValueError, match='pose_init'):
        DeterministicPnP(EProPnP4DoF())(*arguments(objects, False))


@pytest.mark.parametrize('dof', [4, 6])
def test_takes_no_objects(random_objects, dof):
    objects = random_objects(3, dof=dof)
    none = [tensor[:0] for tensor in arguments(objects)]
    solved = DeterministicPnP(LAYERS[dof]())(*none)
    assert solved.pose.shape == (0, LAYERS[dof].pose_type.dim)
    assert solved.cost.shape == (0,) and solved.pose_cov.shape == (0, dof, dof)


@pytest.mark.parametrize(
    'dof, with_pose_init, fast_mode',
    [(4, True, False), (4, False, True), (6, True, True), (6, False, True)],
)
def test_onnxruntime_agrees(random_objects, tmp_path, dof, with_pose_init, fast_mode):
    """Other numbers of objects and points than the export saw, none among them."""
    pytest.importorskip('onnx', reason='onnx is not installed (pip install onnx onnxruntime)')
    runtime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    # the exporter of torch 2.0 and older takes time quadratic in the graph
    quick = tuple(int(part) for part in torch.__version__.split('.')[:2]) > (2, 0)
    layer = LAYERS[dof](normalize=True, solver=LMSolver(num_iter=5 if quick else 1))
    module = DeterministicPnP(layer, with_pose_init=with_pose_init, fast_mode=fast_mode)
    path = tmp_path / 'pnp.onnx'
    export_onnx(module, path)
    session = runtime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    names = [item.name for item in session.get_inputs()]
    objects = random_objects(7, points=40, dof=dof, dtype=torch.float32)
    away = torch.linspace(-0.05, 0.1, objects.pose.size(1))  # a start, not the solution
    objects = objects._replace(pose=layer.pose_type.canonical(objects.pose + away))
    for count in (7, 1, 0):
        tensors = [tensor[:count] for tensor in arguments(objects, with_pose_init)]
        feed = {name: tensor.contiguous().numpy() for name, tensor in zip(names, tensors)}
        pose, cost, covariance = (torch.from_numpy(item) for item in session.run(None, feed))
        expected = module(*tensors)
        assert pose.shape == expected.pose.shape
        error = (pose - expected.pose).norm(dim=1)
        assert (error < 1e-4 * expected.pose.norm(dim=1)).all()
        torch.testing.assert_close(cost, expected.cost, rtol=1e-4, atol=1e-3)
        scale = expected.pose_cov.diagonal(dim1=1, dim2=2).sqrt()
        spread = (covariance - expected.pose_cov) / (scale[:, None] * scale[..., None])
        assert (spread.abs() < 1e-2).all()
