"""The tour's pictures are those of its page, and its numbers those of the layer."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det.apis import Frame, ImageDetections
from epropnp_det.pnp import EProPnP4DoF, PerspectiveCamera
from epropnp_det.visualization import LEVEL_CAMERA, Objects, box_corners
from support.scripts import load

SIZE = (400, 225)
K = np.array([[320.0, 0, 200], [0, 320, 110], [0, 0, 1]])
BOXES = np.array([[4.5, 1.6, 1.9, 1.0, 0.8, 14.0, -1.2], [1.8, 1.3, 0.6, -3.0, 0.8, 18.0, 0.4]])


@pytest.fixture(scope='module')
def tour(repository):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / 'demo'))
        return load(repository / 'demo' / 'tour.py')


@pytest.fixture(scope='module')
def hero(tour):
    """Two boxes with noisy correspondences of their own, as a detector would return them."""
    rng = np.random.default_rng(0)
    x3d = (rng.random((2, 64, 3)) - 0.5) * BOXES[:, None, :3]
    camera = PerspectiveCamera(torch.from_numpy(K))
    x2d = camera.project(torch.from_numpy(x3d), torch.from_numpy(BOXES[:, 3:]))
    found = ImageDetections(
        boxes=BOXES,
        labels=np.array([0, 5]),
        scores=np.array([0.9, 0.5]),
        velocities=np.zeros((2, 2)),
        attributes=np.array([-1, -1]),
        pose_cov=np.tile(0.1 * np.eye(4), (2, 1, 1)),
        class_names=('car', 'truck', 'trailer', 'bus', 'construction_vehicle', 'bicycle'),
        cam2img=K,
        image_size=SIZE,
        samples=BOXES[:, None, 3:] + rng.normal(size=(2, 128, 4)),
        log_weights=rng.normal(size=(2, 128)),
        ess=np.array([50.0, 60.0]),
        x3d=x3d,
        x2d=x2d.numpy() + rng.normal(size=x2d.shape),
        w2d=0.1 + rng.random((2, 64, 2)),
        maps={'scores': rng.random((28, 50)), 'score2img': np.diag([8.0, 8.0, 1.0])},
    )
    truth = Objects(BOXES + 0.1, np.array([0, 5]))
    frame = Frame(Path('x.jpg'), K, LEVEL_CAMERA, SIZE, '', 's', 't', truth, np.zeros((2, 4)))
    image = rng.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    return tour.Hero(found, 0, truth.boxes[0], frame, image)


@pytest.fixture(scope='module')
def layer(tour, hero):
    found = hero.found
    points = tuple(torch.as_tensor(v[:1]) for v in (found.x3d, found.x2d, found.w2d))
    camera = PerspectiveCamera.from_image_size(torch.from_numpy(K[None]), torch.tensor([[*SIZE]]))
    return tour.Layer(EProPnP4DoF(mc_samples=128), points, camera)


def test_costs_are_the_layers(layer):
    result = layer.solve()
    torch.testing.assert_close(layer.cost(result.pose), result.cost)


def test_the_landscape_is_lowest_where_the_layer_ends(layer):
    result = layer.solve()
    reach = torch.tensor([0.8, 2.0], dtype=torch.float64)
    landscape = layer.landscape(result.pose[0], reach, cells=21)
    assert landscape.argmin() == 10 * 21 + 10
    torch.testing.assert_close(landscape[10, 10], result.cost[0])


def test_the_outline_is_the_box_from_above(tour):
    for box in BOXES:
        corners = {tuple(np.round(c, 9)) for c in box_corners(box[None])[0][:, [0, 2]]}
        assert {tuple(np.round(c, 9)) for c in tour.box_outline(box)} == corners


def test_pictures_are_those_of_the_page(tour, hero, layer, repository, tmp_path):
    pictures, figures = tour.image_pictures(hero, 0.2), tour.layer_figures(hero, layer)
    for name, figure in figures.items():
        figure.savefig(tmp_path / f'{name}.png', dpi=40)
    assert all(picture.std() > 10 for picture in pictures.values())
    made = {f'{name}.jpg' for name in pictures} | {f'{name}.png' for name in figures}
    page = (repository / 'docs' / 'tour.md').read_text('utf-8')
    assert set(re.findall(r'\(images/tour/([^)]+)\)', page)) == made
