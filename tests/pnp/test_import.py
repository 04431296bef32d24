"""The layer works where torch is the only package."""

import subprocess
import sys

from support.limits import CHILD_SECONDS

SCRIPT = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    names = {'mmcv', 'mmdet', 'mmdet3d', 'mmseg', 'mmengine', 'nuscenes', 'cv2', 'matplotlib',
             'pyquaternion', 'numba', 'torchvision', 'shapely', 'scipy'}

    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in self.names:
            raise ModuleNotFoundError(f'{name} is blocked', name=name)

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])

import torch
from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, MonteCarloPoseLoss, PerspectiveCamera

generator = torch.Generator().manual_seed(0)
x3d = torch.rand(3, 24, 3, generator=generator) - 0.5
camera = PerspectiveCamera(torch.tensor([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]))
for layer, tail in ((EProPnP4DoF, [0.3]), (EProPnP6DoF, [1.0, 0.0, 0.0, 0.0])):
    pose = torch.tensor([[0.1, 0.2, 5.0, *tail]]).expand(3, -1)
    x2d = camera.project(x3d, pose).requires_grad_()
    result = layer(mc_samples=32).monte_carlo_forward(
        x3d, x2d, torch.ones(3, 24, 2), camera, pose, generator=generator
    )
    MonteCarloPoseLoss()(result.log_weights, result.cost_target, 1.0).backward()
    assert torch.allclose(result.pose[:, :3], pose[:, :3], atol=1e-2), result.pose
    assert torch.isfinite(x2d.grad).all()
loaded = sorted(Blocked.names & {name.partition('.')[0] for name in sys.modules})
assert not loaded, loaded
print('trained with torch alone')
"""


def test_runs_without_the_detector_stack(repository):
    result = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(repository / 'projects')],
        capture_output=True,
        text=True,
        timeout=CHILD_SECONDS,
    )
    assert result.returncode == 0, result.stderr
    assert 'trained with torch alone' in result.stdout


def test_public_names_are_documented():
    from epropnp_det import pnp

    for name in pnp.__all__:
        assert getattr(pnp, name).__doc__, name
