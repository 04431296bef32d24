"""Volume centres against Monte Carlo integration, the grid definition, symmetry and real boxes."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epropnp_det.models.targets import volume_centers
from epropnp_det.models.targets.volume_center import box_thickness

K = torch.tensor([[1260.0, 0, 800], [0, 1250, 450], [0, 0, 1]])
CROP = torch.tensor([[1.0, 0, 0], [0, 1, -228], [0, 0, 1]])
FLIP = torch.tensor([[-1.0, 0, 1600], [0, 1, 0], [0, 0, 1]])
HALF = torch.tensor([[0.5, 0, 0], [0, 0.5, 0], [0, 0, 1]])
SIZE = torch.tensor([1600.0, 672])

# l h w x y z yaw: ahead, near and truncated, tall beyond the canvas, straddling the camera plane,
# far and small, around the camera
BOXES = torch.tensor(
    [
        [4.6, 1.7, 2.0, 1.0, 1.0, 20.0, 0.5],
        [4.6, 1.7, 2.0, -6.0, 1.0, 8.0, 1.2],
        [11.0, 3.5, 3.0, 3.0, 0.0, 9.0, -2.0],
        [10.0, 3.0, 2.5, 3.0, 0.5, 2.0, 1.3],
        [0.4, 1.1, 0.4, 10.0, 1.0, 55.0, 0.0],
        [8.0, 5.0, 8.0, 0.3, 0.2, 0.5, 0.4],
    ]
)


def centers_of(boxes, img2net=CROP, size=SIZE, **kwargs):
    num = len(boxes)
    matrices = [m.to(boxes).expand(num, 3, 3) for m in (K, img2net)]
    return volume_centers(boxes, *matrices, size.to(boxes).expand(num, 2), **kwargs)


def monte_carlo(box, img2net, size, stride, near=1e-2, num=400_000):
    """The same integrals over the volume of the box: a volume element covers area / depth^2."""
    generator = torch.Generator().manual_seed(0)
    box, K64, img2net = box.double(), K.double(), img2net.double()
    points = (torch.rand(num, 3, generator=generator, dtype=torch.float64) - 0.5) * box[:3]
    c, s = math.cos(box[6]), math.sin(box[6])
    x = c * points[:, 0] + s * points[:, 2] + box[3]
    z = -s * points[:, 0] + c * points[:, 2] + box[5]
    y = points[:, 1] + box[4]
    seen = z > near
    image = torch.stack([x / z, y / z, torch.ones_like(z)], -1) @ (img2net @ K64).T
    pixels = image[:, :2]
    seen &= ((pixels > 0) & (pixels < size)).all(-1)
    weights = torch.where(seen, 1 / z**2, torch.zeros_like(z))
    pixels = torch.where(seen[:, None], pixels, torch.zeros_like(pixels))
    center = (weights[:, None] * pixels).sum(0) / weights.sum()
    area = torch.det(img2net[:2, :2]).abs() * K64[0, 0] * K64[1, 1]
    return center, weights.mean() * box[:3].prod() * area / stride**2


@pytest.mark.parametrize('img2net', [CROP, FLIP @ CROP, HALF @ CROP], ids=['crop', 'flip', 'half'])
@pytest.mark.parametrize('index', range(4))
def test_equals_monte_carlo_over_the_volume(index, img2net):
    size = SIZE * img2net[0, 0].abs()
    box = BOXES[index]
    out = centers_of(box[None], img2net, size, stride=4)
    center, volume = monte_carlo(box, img2net, size, stride=4)
    extent = torch.sqrt(volume)  # a length of the order of the object
    assert (out.centers[0] - center).norm() < 0.02 * extent.clamp(max=size.max())
    assert out.volume[0].item() == pytest.approx(volume.item(), rel=0.02)


@pytest.mark.parametrize('index', range(6))
def test_converges_to_the_grid_definition(index):
    """docs/method.md 2.3 sums over feature grid points; a fine grid must give the same centroid."""
    stride = 0.5 if index == 4 else 2.0
    x = (torch.arange(int(1600 / stride)) + 0.5) * stride
    y = (torch.arange(int(672 / stride)) + 0.5) * stride
    net2ray = torch.linalg.inv(CROP @ K)[None]
    box = BOXES[index : index + 1]
    thickness = box_thickness(box, net2ray, x[None, None], y[None, :, None])[0].double()
    total = thickness.sum()
    expected = torch.stack([(thickness * x).sum(), (thickness * y[:, None]).sum()]) / total
    out = centers_of(box, stride=stride)
    area = (thickness > 0).sum() * stride**2
    assert (out.centers[0] - expected).norm() < 0.01 * area.sqrt()
    assert out.volume[0].item() == pytest.approx(total.item(), rel=0.02)


def test_thickness_of_known_rays():
    """Straight ahead the thickness is the side along z; grazing and missing rays give 0."""
    net2ray = torch.eye(3)[None]  # pixels are x/z, y/z
    box = torch.tensor([[4.0, 2.0, 6.0, 0.0, 0.0, 10.0, 0.0]])
    x = torch.tensor([[0.0, 0.1, 0.5, 2 / 7 * 0.999, 2 / 7 * 1.001]])
    thickness = box_thickness(box, net2ray, x, torch.zeros_like(x))
    expected = [[6.0, 6.0, 0.0, 0.0, 0.0]]
    expected[0][3] = 2 / x[0, 3].item() - 7  # leaves through the side at x = 2
    assert torch.allclose(thickness, torch.tensor(expected), atol=1e-4)
    around = box_thickness(torch.tensor([[4.0, 2.0, 6.0, 0, 0, 0, 0]]), net2ray, x, 0 * x, near=0.5)
    assert around[0, 0].item() == pytest.approx(2.5)  # from the near plane to z = 3
    turned = box.clone()
    turned[0, 6] = math.pi / 2
    assert box_thickness(turned, net2ray, x, 0 * x)[0, 0].item() == pytest.approx(4.0, abs=1e-4)


boxes = st.tuples(
    *[st.floats(0.3, 12), st.floats(0.5, 4), st.floats(0.3, 3)],
    *[st.floats(-15, 15), st.floats(-2, 3), st.floats(-3, 60), st.floats(-3.2, 3.2)],
)


@settings(max_examples=40)
@given(st.lists(boxes, min_size=1, max_size=4))
def test_mirroring_and_resizing_the_image_mirror_and_resize_the_centres(rows):
    box = torch.tensor(rows, dtype=torch.float64)
    plain = centers_of(box)
    mirrored = centers_of(box, FLIP @ CROP)
    halved = centers_of(box, HALF @ CROP, SIZE / 2, stride=4)
    expected = torch.stack([1600 - plain.centers[:, 0], plain.centers[:, 1]], -1)
    seen = plain.volume > 0
    assert torch.allclose(mirrored.volume, plain.volume, rtol=1e-6)
    assert torch.allclose(mirrored.centers[seen], expected[seen], atol=1e-5)
    assert torch.allclose(halved.centers[seen], plain.centers[seen] / 2, atol=1e-5)
    assert torch.allclose(halved.volume, plain.volume, rtol=1e-6)
    assert ((plain.centers >= 0) & (plain.centers <= SIZE)).all()
    assert (plain.volume >= 0).all()


def test_a_turned_symmetric_box_has_the_same_centre():
    box = BOXES.double()
    turned = box.clone()
    turned[:, 6] += math.pi
    assert torch.allclose(centers_of(box).centers, centers_of(turned).centers, atol=1e-6)


def test_unseen_boxes_have_no_volume_and_finite_centres():
    box = BOXES[:1].repeat(4, 1)
    box[0, 5] = -20  # behind
    box[1, 3] = 200  # beside
    box[2, :3] = 0  # of no size
    out = centers_of(box)
    assert (out.volume[:3] == 0).all() and out.volume[3] > 1
    assert torch.isfinite(out.centers).all()


def test_smaller_than_a_cell_still_has_a_centre():
    box = torch.tensor([[0.05, 0.05, 0.05, 3.0, 1.0, 50.0, 0.3]])  # 1.3 px
    out = centers_of(box)
    center = (CROP @ K @ box[0, 3:6])[:2] / 50
    assert out.volume[0] > 1e-6
    assert torch.allclose(out.centers[0], center, atol=0.05)


def test_zero_boxes_and_wrong_shapes():
    out = centers_of(BOXES[:0])
    assert out.centers.shape == (0, 2) and out.volume.shape == (0,)
    with pytest.raises(ValueError, match='img_inds'):
        volume_centers(BOXES, K[None], CROP.expand(6, 3, 3), SIZE.expand(6, 2))


def test_real_boxes(mini_val_json):
    """Centres lie in the 2D boxes; that of a whole, distant object is near its projected centre."""
    data = json.loads(mini_val_json.read_text())
    cams = {image['id']: image['cam_intrinsic'] for image in data['images']}
    rows = data['annotations']
    box = torch.tensor([row['bbox_cam3d'] for row in rows])[:, [3, 4, 5, 0, 1, 2, 6]]
    cam2img = torch.tensor([cams[row['image_id']] for row in rows])
    eye, size = torch.eye(3).expand_as(cam2img), torch.tensor([1600.0, 900]).expand(len(rows), 2)
    out = volume_centers(box, cam2img, eye, size)
    xywh = torch.tensor([row['bbox'] for row in rows])
    low, high = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    # the json's 2D boxes know pitch and roll, so a sliver at the border may lie outside a yawed box
    visible = xywh[:, 2:].amin(-1) >= 5
    assert (out.volume[visible] > 1e-6).all()
    inside = ((out.centers >= low - 0.5) & (out.centers <= high + 0.5)).all(-1)
    assert inside[visible].all()
    whole = visible & (low > 5).all(-1) & (high < size - 5).all(-1) & (box[:, 5] > 10)
    assert whole.sum() > 1000
    projected = torch.tensor([row['center2d'][:2] for row in rows])
    error = (out.centers - projected).norm(dim=-1) / xywh[:, 2:].amax(-1)
    assert error[whole].max() < 0.1
