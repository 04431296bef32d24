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


@pytest.mark.parametrize('with_pose_init', [True, False])
@pytest.mark.parametrize('dof', [4, 6])
def test_onnxruntime_agrees(random_objects, tmp_path, dof, with_pose_init):
    """Another number of objects and points than the export saw."""
    pytest.importorskip('onnx', reason='onnx is not installed (pip install onnx onnxruntime)')
    runtime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    layer = LAYERS[dof](normalize=True, solver=LMSolver(num_iter=5))
    module = DeterministicPnP(layer, with_pose_init=with_pose_init)
    path = tmp_path / 'pnp.onnx'
    export_onnx(module, path)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    objects = random_objects(7, points=40, dof=dof, dtype=torch.float32)
    tensors = arguments(objects, with_pose_init)
    names = [item.name for item in session.get_inputs()]
    feed = {name: tensor.contiguous().numpy() for name, tensor in zip(names, tensors)}
    pose, cost, covariance = (torch.from_numpy(item) for item in session.run(None, feed))
    expected = module(*tensors)
    assert ((pose - expected.pose).norm(dim=1) / expected.pose.norm(dim=1)).max() < 1e-4
    torch.testing.assert_close(cost, expected.cost, rtol=1e-4, atol=1e-3)
    scale = expected.pose_cov.diagonal(dim1=1, dim2=2).sqrt()
    error = (covariance - expected.pose_cov) / (scale[:, None] * scale[..., None])
    assert error.abs().max() < 1e-2
