"""Crops made on the device are those of the data set, and agree with pose and camera."""

import numpy as np
import pytest
import torch
from pose_study.batches import (
    ObjectTables,
    Options,
    Source,
    Windows,
    draw_windows,
    make_batch,
    occluders,
    sample,
    surface,
)
from pose_study.material import made_object
from pose_study.pools import SIDE, draw_views
from pose_study.turns import quaternion as batched_quaternion
from scipy.spatial.transform import Rotation

from epropnp_6dof.crops.crop import Crop
from epropnp_6dof.objects.models import Mesh
from epropnp_6dof.objects.poses import quaternion
from epropnp_6dof.objects.surfaces import render_surface
from epropnp_6dof.synthetic.objects import made_objects
from epropnp_det.pnp import PerspectiveCamera


@pytest.fixture(scope='module')
def brick():
    torch.manual_seed(0)
    model, shape, give = made_object(4, 'cpu')
    truth = give(3)
    return model, shape, truth, draw_views(shape, truth)


def tables(model):
    fields = (model.half_extents, model.center, model.symmetries)
    return ObjectTables(*(torch.from_numpy(field).float() for field in fields))


def photos():
    return torch.randint(0, 256, (4, 3, 480, 640), dtype=torch.uint8)


def test_windows_are_the_crops_of_the_data_set():
    torch.manual_seed(0)
    image = np.random.default_rng(0).uniform(0, 255, (90, 120, 3)).astype(np.float32)
    windows = draw_windows(torch.tensor([[30.0, 20.0, 50.0, 40.0]] * 4), Options(max_angle=1.0))
    camera = np.array([[500.0, 0, 60], [0, 510, 45], [0, 0, 1]])
    for k in range(4):
        crop = Crop(
            windows.center[k].double().numpy(),
            float(windows.size[k]),
            float(windows.angle[k]),
            resolution=64,
            grid_size=16,
        )
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
        cut = sample(tensor, windows.places(64)[k : k + 1])[0].permute(1, 2, 0).numpy()
        # OpenCV rounds places to 1/32 pixel.
        assert np.abs(cut - crop.cut(image)).mean() < 4
        assert np.allclose(windows.level(16)[k].numpy(), crop.grid(), atol=1e-4)
        turned = (windows.turn()[k].double() @ torch.from_numpy(camera)).numpy()
        assert np.allclose(turned, crop.cam2img(camera), atol=1e-3)


def test_surface_is_smooth_on_one_side_and_not_mixed_across_edges():
    points = torch.zeros(1, 3, 4, 4)
    points[..., :2] = 0.01
    points[..., 2] = 0.05
    x = torch.tensor([0.25, 0.6, 1.4, 1.8, 3.4])
    places = torch.stack([x, torch.full_like(x, 1.5)], -1)[None, None]
    found = surface(points, places)[0, 0, 0]
    assert torch.allclose(found, torch.tensor([0.01, 0.01, 0.01, 0.05, 0.0]))


def test_views_agree_with_the_renderer(brick):
    _, _, truth, views = brick
    made = made_objects()[4].mesh
    mesh = Mesh(made.vertices / 1000, np.asarray(made.faces), None, made.vertex_normals)
    for k in range(3):
        pose = (truth.rotation[k].double().numpy(), truth.translation[k].double().numpy())
        seen = render_surface(mesh, *pose, views.cam2img[k].double().numpy(), (SIDE, SIDE))
        expected = np.zeros((SIDE, SIDE, 3))
        rows, columns = seen.hit.shape
        expected[seen.top : seen.top + rows, seen.left : seen.left + columns] = seen.points
        found = views.points[k].permute(1, 2, 0).float().numpy()
        both = (expected != 0).any(2) & (found != 0).any(2)
        assert both.sum() > 0.99 * (expected != 0).any(2).sum() > 500
        assert np.percentile(np.abs(found - expected)[both], 95) < 0.001
        x, y, width, height = views.box[k].numpy()
        edges = np.nonzero((expected != 0).any(2))
        assert abs(x - edges[1].min()) <= 1 and abs(y + height - 1 - edges[0].max()) <= 1


def test_targets_project_to_their_cells_for_all_equivalent_poses(brick):
    model, _, _, views = brick
    torch.manual_seed(1)
    sources = [Source(views, 4, 1.0, True)]
    images, crops, targets = make_batch(sources, photos(), tables(model), Options())
    assert images.shape == (4, 3, 128, 128) and images.min() >= 0 and images.max() <= 1
    assert targets.poses.shape == (4, 2, 7)
    camera = PerspectiveCamera(crops.cam2img, 0.01)
    sure = targets.mask.flatten(1) > 0.9
    assert sure.sum() > 100
    for k in range(2):
        noc = targets.noc[:, k].flatten(2).transpose(1, 2)
        points = noc * crops.half_extents[:, None] + crops.center[:, None]
        error = camera.project(points, targets.poses[:, k]) - crops.grid.flatten(1, 2)
        assert (error.norm(dim=-1) / crops.cell[:, None])[sure].median() < 0.02


def test_a_background_is_replaced_where_the_object_is_not(brick):
    model, _, _, views = brick
    black = torch.zeros(2, 3, 480, 640, dtype=torch.uint8)
    plain = Options(color=0.0, occlusion=0.0, shift=0.0, zoom=0.0, max_angle=0.0)
    torch.manual_seed(0)
    dark = make_batch([Source(views, 3, 1.0, True)], black, tables(model), plain)
    torch.manual_seed(0)
    light = make_batch([Source(views, 3, 1.0, True)], black + 255, tables(model), plain)
    inner = torch.nn.functional.interpolate(dark[2].mask[:, None], scale_factor=4) > 0.99
    inner = -torch.nn.functional.max_pool2d(-inner.float(), 9, 1, 4) > 0
    change = (light[0] - dark[0]).abs().amax(1, keepdim=True)
    assert change[inner].max() < 0.02 and change[:, :, 0].min() > 0.95


def test_occluders_hide_parts_with_the_given_probability():
    torch.manual_seed(0)
    hidden = occluders(400, 32, torch.device('cpu'), 0.3)
    share = hidden.flatten(1).any(1).float().mean()
    assert 0.2 < share < 0.35 and not hidden.flatten(1).all(1).any()


def test_level_and_places_agree_without_a_turn():
    windows = Windows(torch.tensor([[5.0, 7.0]]), torch.tensor([8.0]), torch.zeros(1))
    assert torch.allclose(windows.level(4), windows.places(4))


def test_quaternions_of_any_rotation():
    matrices = np.concatenate(
        [Rotation.random(50, random_state=0).as_matrix(), np.diag([1.0, -1, -1])[None]]
    )
    expected = torch.from_numpy(np.stack([quaternion(matrix) for matrix in matrices]))
    found = batched_quaternion(torch.from_numpy(matrices))
    assert ((found * expected).sum(1).abs() > 1 - 1e-9).all()
