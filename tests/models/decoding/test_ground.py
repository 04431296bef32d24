"""Objects of one image stand on one plane: scales that the ground shows, and what it leaves."""

import pytest
import torch
from torch.testing import assert_close

from epropnp_det.boxes.tensors import project_boxes
from epropnp_det.models.decoding import Detections, Ground, stand_on_ground

CAM2IMG = torch.tensor([[500.0, 0, 320], [0, 500, 180], [0, 0, 1]])
LEVEL = torch.tensor([[0.0, 1 / 1.55, 0.0]])
"""Ground under a level camera 1.55 m above it."""
EXACT = Ground(slope_std=0.1, size_error=1e-3, roughness=1e-3)
"""Flat ground of any slope, and objects whose lower edge is seen."""


def standing(plane, num=12, seed=0, deviation=0.1, img_ind=0) -> Detections:
    """Objects that stand on ``y = plane[0] + plane[1] x + plane[2] z``, with their posteriors."""
    generator = torch.Generator().manual_seed(seed)
    x, z, height, length = torch.rand(4, num, generator=generator)
    x, z, height = 8 * x - 4, 8 + 40 * z, 0.8 + height
    y = plane[0] + plane[1] * x + plane[2] * z - height / 2
    boxes = torch.stack([1 + 3 * length, height, 1 + length, x, y, z, 6 * length], dim=1)
    ray = torch.cat([boxes[:, 3:6], torch.zeros(num, 1)], dim=1) * deviation
    noise = 1e-4 * torch.eye(4).expand(num, 4, 4)
    draws = torch.randn(num, 64, 1, generator=generator)
    zeros = torch.zeros(num, dtype=torch.long)
    return Detections(
        boxes3d=boxes,
        scores=torch.linspace(0.9, 0.3, num),
        labels=zeros,
        attributes=zeros,
        velocities=torch.zeros(num, 2),
        bboxes=torch.zeros(num, 4),
        cls_scores=torch.ones(num),
        pose_cov=ray[:, :, None] * ray[:, None, :] + noise,
        img_inds=zeros + img_ind,
        samples=boxes[:, None, 3:] * torch.cat([(deviation * draws).exp()] * 3 + [draws**0], -1),
        log_weights=torch.zeros(num, 64),
        ess=torch.full((num,), 64.0),
        x3d=torch.rand(num, 5, 3, generator=generator),
    )


def scaled(found: Detections, factors) -> Detections:
    """The same in the image, nearer and smaller or farther and larger."""
    units = torch.stack([factors] * 6 + [torch.ones_like(factors)], dim=1)
    samples = torch.cat(
        [found.samples[..., :3] * factors[:, None, None], found.samples[..., 3:]], -1
    )
    cov = found.pose_cov * units[:, 3:, None] * units[:, None, 3:]
    return found._replace(boxes3d=found.boxes3d * units, samples=samples, pose_cov=cov)


def joined(*parts: Detections) -> Detections:
    fields = zip(*parts)
    return Detections(*(None if f[0] is None else torch.cat(f) for f in fields))


def errors_of(num, seed=1, size=0.1):
    return (size * torch.randn(num, generator=torch.Generator().manual_seed(seed))).exp()


@pytest.mark.parametrize('plane', [(1.55, 0, 0), (1.4, 0.02, -0.01), (1.8, -0.01, 0.03)])
def test_objects_come_to_stand_on_the_ground(plane):
    truth = standing(plane, num=200)
    seen = scaled(truth, errors_of(200))
    found = stand_on_ground(seen, LEVEL, EXACT)
    before = (seen.boxes3d[:, 5] / truth.boxes3d[:, 5]).log().abs()
    after = (found.boxes3d[:, 5] / truth.boxes3d[:, 5]).log().abs()
    assert before.median() > 0.05 and after.median() < 0.3 * before.median()


def test_sizes_positions_and_points_are_scaled_alike():
    seen = scaled(standing((1.6, 0, 0)), errors_of(12))
    found = stand_on_ground(seen, LEVEL, Ground())
    factor = found.boxes3d[:, 5:6] / seen.boxes3d[:, 5:6]
    assert (factor - 1).abs().max() > 0.02
    assert_close(found.boxes3d[:, :6], seen.boxes3d[:, :6] * factor)
    assert_close(found.x3d, seen.x3d * factor[:, None])
    assert_close(found.boxes3d[:, 6], seen.boxes3d[:, 6])


def test_they_keep_their_place_in_the_image():
    seen = scaled(standing((1.6, 0, 0)), errors_of(12))
    found = stand_on_ground(seen, LEVEL, Ground())
    size = torch.tensor([640.0, 360]).expand(12, 2)
    boxes = [project_boxes(d.boxes3d, CAM2IMG.expand(12, 3, 3), size) for d in (seen, found)]
    assert (found.boxes3d - seen.boxes3d).abs().max() > 0.1
    assert_close(*boxes, atol=2e-2, rtol=0)


def test_one_object_moves_as_the_variances_say():
    """A scalar normal posterior, computed by hand, where the ground is known exactly."""
    seen = scaled(standing((1.55, 0, 0), num=1, deviation=0.08), torch.tensor([1.02]))
    ground = Ground(height_std=1e-6, slope_std=1e-6, roughness=0.05, size_error=0.04, spread=1.5)
    found = stand_on_ground(seen, LEVEL, ground)
    height, z = seen.boxes3d[0, 1].double(), seen.boxes3d[0, 5].double()
    solver = 1.5**2 * seen.pose_cov[0, 2, 2].double() / z**2
    observed = (0.05**2 + (0.04 * height) ** 2) / 1.55**2
    share = solver / (solver + observed)
    expected = share * torch.tensor(1 / 1.02).double().log()
    assert_close((found.boxes3d[0, 5].double() / z).log(), expected, rtol=1e-4, atol=1e-7)


def test_posteriors_shrink_along_the_ray_alone():
    seen = scaled(standing((1.55, 0, 0)), errors_of(12, size=0.03))
    found = stand_on_ground(seen, LEVEL, Ground())
    deviations = [d.samples[..., 2].log().std(1) for d in (seen, found)]
    assert (deviations[1] < 0.95 * deviations[0]).all()
    means = found.samples[..., 2].log().mean(1) - found.boxes3d[:, 5].log()
    assert means.abs().max() < 0.03
    relative = [d.pose_cov[:, 2, 2] / d.boxes3d[:, 5] ** 2 for d in (seen, found)]
    assert (relative[1] < 0.9 * relative[0]).all()
    assert (torch.linalg.eigvalsh(found.pose_cov.double()) > 0).all()
    assert_close(found.pose_cov[:, 3, 3], seen.pose_cov[:, 3, 3], rtol=1e-3, atol=0)
    assert_close(found.samples[..., 3], seen.samples[..., 3])
    ratio = found.samples[..., :2] / found.samples[..., 2:3]
    assert_close(ratio, seen.samples[..., :2] / seen.samples[..., 2:3], rtol=1e-4, atol=1e-5)


def test_what_floats_counts_little_and_stays():
    """An eighth of the objects hangs in the air, 3 m above the ground that the others show."""
    ground = Ground(slope_std=0.01)
    truth = standing((1.55, 0, 0), num=40)
    seen = scaled(truth, errors_of(40))
    boxes = seen.boxes3d.clone()
    boxes[::8, 4] -= 3
    found = stand_on_ground(seen._replace(boxes3d=boxes), LEVEL, ground)
    assert_close(found.boxes3d[::8], boxes[::8])
    others = torch.arange(40) % 8 > 0
    without = stand_on_ground(seen.select(others), LEVEL, ground)
    # The mean of all would lie 0.4 m too high, a quarter of the distance.
    moved = (found.boxes3d[others, 5] / without.boxes3d[:, 5]).log().abs()
    assert moved.median() < 0.08


def test_each_image_has_a_ground_of_its_own():
    """Of three images; what is not known of the second one's camera leaves its objects alone."""
    planes = torch.tensor([[0.0, 1 / 1.9, -0.01], [float('nan')] * 3, [-0.01, 1 / 1.3, 0]])
    parts = [standing((h, 0, 0), seed=h_, img_ind=h_) for h_, h in enumerate((1.9, 1.5, 1.3))]
    seen = [scaled(part, errors_of(12, seed)) for seed, part in enumerate(parts)]
    alone = [stand_on_ground(part, planes, Ground()) for part in seen]
    mixed = torch.arange(36).view(3, 12).t().flatten()  # in turns
    together = stand_on_ground(joined(*seen).select(mixed), planes, Ground())
    for name, found in zip(Detections._fields, together):
        if found is not None:
            assert_close(found, getattr(joined(*alone).select(mixed), name))
    assert_close(alone[1].boxes3d, seen[1].boxes3d)
    assert_close(alone[1].samples, seen[1].samples)
    assert (alone[2].boxes3d - seen[2].boxes3d).abs().max() > 0.1


@pytest.mark.parametrize('height', [0.8, 2.6])
def test_the_mounting_of_the_camera_says_where_the_ground_is(height):
    """A trolley and a bus: one object alone cannot tell how high its camera is."""
    truth = standing((height, 0, 0), num=1, deviation=0.2)
    seen = scaled(truth, torch.tensor([1.2]))
    mounting = torch.tensor([[0.0, 1 / height, 0.0]])
    found = stand_on_ground(seen, mounting, Ground(height_std=0.05, slope_std=0.001))
    assert abs(found.boxes3d[0, 5] / truth.boxes3d[0, 5] - 1) < 0.07


def test_certain_distances_stay():
    seen = scaled(standing((1.55, 0, 0), deviation=1e-4), errors_of(12))
    found = stand_on_ground(seen, LEVEL, Ground())
    assert_close(found.boxes3d, seen.boxes3d, rtol=2e-3, atol=0)


def test_no_object_no_samples_no_points():
    seen = standing((1.55, 0, 0))
    none = seen.select(torch.zeros(12, dtype=torch.bool))
    assert stand_on_ground(none, LEVEL, Ground()).boxes3d.shape == (0, 7)
    bare = seen._replace(samples=None, log_weights=None, ess=None, x3d=None)
    found = stand_on_ground(bare, LEVEL, Ground())
    assert found.samples is None and found.x3d is None
    assert_close(found.boxes3d, stand_on_ground(seen, LEVEL, Ground()).boxes3d)


def test_a_config_names_fields():
    assert Ground.from_config(None) is None
    assert Ground.from_config({}) == Ground()
    assert Ground.from_config(dict(spread=1.5)) == Ground(spread=1.5)
    with pytest.raises(ValueError, match='heigth'):
        Ground.from_config(dict(heigth_std=0.1))
    with pytest.raises(ValueError, match='height_std.*positive'):
        Ground.from_config(dict(height_std=0.0))
