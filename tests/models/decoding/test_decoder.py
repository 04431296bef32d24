"""From solved poses to detections: scores, posterior, filters, and independence of resolution."""

import math

import pytest
import torch

from epropnp_det.models.correspondence.image_transform import network_to_image
from epropnp_det.models.decoding import Ground, decode_detections, posterior_score
from epropnp_det.models.structures import Correspondences, ImageGeometry
from epropnp_det.models.targets import Candidates, volume_centers
from epropnp_det.pnp import EProPnP4DoF, MonteCarloResult, PerspectiveCamera

WIDTH, HEIGHT = 1600, 900
CAM2IMG = torch.tensor([[1260.0, 0, 810], [0, 1260, 480], [0, 0, 1]])
BOXES3D = torch.tensor(
    [  # l, h, w, x, y, z, yaw
        [4.6, 1.7, 1.9, 2.0, 1.0, 12.0, 0.3],
        [0.7, 1.8, 0.7, -4.0, 0.9, 18.0, -2.0],
        [11.0, 3.5, 2.9, 6.0, 0.2, 35.0, 1.4],
        [4.4, 1.6, 1.8, -10.0, 1.1, 16.0, 2.9],  # cut by the left border
        [1.7, 1.3, 0.6, 1.0, 1.0, 8.0, -0.9],
    ]
)


def make_geometry(scale=1.0, flip=False, crop=0.0) -> ImageGeometry:
    """An image resized by any factor, cropped at the top and flipped."""
    size = torch.tensor([WIDTH * scale, (HEIGHT - crop) * scale])
    matrix = torch.tensor([[scale, 0, 0], [0, scale, -crop * scale], [0, 0, 1.0]])
    if flip:
        matrix = torch.tensor([[-1.0, 0, float(size[0])], [0, 1, 0], [0, 0, 1]]) @ matrix
    return ImageGeometry(
        cam2img=CAM2IMG[None],
        img2net=matrix[None],
        img_size=torch.tensor([[float(WIDTH), HEIGHT]]),
        net_size=size[None],
    )


def make_candidates(scores=None, labels=None) -> Candidates:
    num = len(BOXES3D)
    zeros = torch.zeros(num, dtype=torch.long)
    return Candidates(
        img_inds=zeros,
        point_inds=zeros,
        labels=torch.arange(num) if labels is None else labels,
        strides=torch.full((num,), 8),
        scores=torch.linspace(0.9, 0.5, num) if scores is None else scores,
    )


def make_correspondences(geometry: ImageGeometry, num_points=64) -> Correspondences:
    """Exact correspondences, observed in the pixels of the network image and carried back."""
    num = len(BOXES3D)
    noc = torch.rand(num, num_points, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    camera = PerspectiveCamera(CAM2IMG.expand(num, 3, 3))
    pixels = camera.project(noc * BOXES3D[:, None, :3], BOXES3D[:, 3:])
    matrix = geometry.img2net.expand(num, 3, 3)
    network = pixels @ matrix[:, :2, :2].transpose(1, 2) + matrix[:, None, :2, 2]
    return Correspondences(
        noc=noc,
        x2d=network_to_image(network, matrix),
        weights=torch.full((num, num_points, 2), 1 / num_points),
        scale=torch.full((num, 2), 10.0),
        dims=BOXES3D[:, :3],
        encoded_dims=torch.zeros(num, 3),
        score_logits=torch.zeros(num),
        velocities=torch.zeros(num, 2),
        attr_logits=torch.zeros(num, 9),
    )


def solve(correspondences, method='forward', **options):
    camera = PerspectiveCamera.from_image_size(
        CAM2IMG.expand(len(BOXES3D), 3, 3), torch.tensor([float(WIDTH), HEIGHT])
    )
    points = (correspondences.x3d, correspondences.x2d, correspondences.w2d, camera)
    generator = torch.Generator().manual_seed(0)
    layer = EProPnP4DoF(mc_samples=128, normalize=True)
    return getattr(layer, method)(*points, generator=generator, **options)


@pytest.mark.parametrize('fast_mode', [True, False])
@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('scale, crop', [(0.24, 0), (0.37, 228), (1.0, 228), (1.9, 100)])
def test_decoded_boxes_do_not_depend_on_the_resolution(scale, crop, flip, fast_mode):
    geometry = make_geometry(scale, flip, crop)
    correspondences = make_correspondences(geometry)
    solution = solve(correspondences, fast_mode=fast_mode)
    found = decode_detections(make_candidates(), correspondences, solution, geometry)
    assert found.labels.tolist() == list(range(len(BOXES3D)))
    torch.testing.assert_close(found.boxes3d[:, :6], BOXES3D[:, :6], atol=5e-3, rtol=0)
    turn = found.boxes3d[:, 6] - BOXES3D[:, 6]
    assert torch.atan2(turn.sin(), turn.cos()).abs().max() < 1e-3


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('scale', [0.24, 0.5, 0.77, 1.6])
def test_center_targets_do_not_depend_on_the_resolution(scale, flip):
    """In original pixels, up to the sampling of the rays: 2 % of the box, at least half a pixel."""

    def centers(geometry):
        num = len(BOXES3D)
        found = volume_centers(
            BOXES3D,
            geometry.cam2img.expand(num, 3, 3),
            geometry.img2net.expand(num, 3, 3),
            geometry.net_size.expand(num, 2),
        )
        assert (found.volume > 0).all()
        return network_to_image(found.centers[:, None], geometry.img2net.expand(num, 3, 3))[:, 0]

    extent = CAM2IMG[0, 0] * BOXES3D[:, :3].amax(1) / BOXES3D[:, 5]  # pixels
    error = (centers(make_geometry(scale, flip)) - centers(make_geometry())).norm(dim=1)
    assert (error < (0.02 * extent).clamp(min=0.5)).all()


def make_posterior(deviation, share) -> MonteCarloResult:
    """One object whose samples lie `deviation` metres off, in turns along x, y and z."""
    solution = solve(make_correspondences(make_geometry()), 'monte_carlo_forward')
    samples = solution.pose.repeat(len(deviation), 1, 1)
    for index, distance in enumerate(deviation):
        samples[index, :, (0, 2, 1)[index % 3]] += distance
    log_weights = torch.tensor(share).log()[:, None].expand(-1, len(BOXES3D)) + 7
    return solution._replace(samples=samples, log_weights=log_weights)


def test_posterior_score_is_the_expected_distance_score():
    """Scores 0.625 at 1 m and 0.375 at 2 m; height does not count, nor the weights' scale."""
    posterior = make_posterior([1.0, 2.0, 50.0], [0.5, 0.2, 0.3])
    expected = 0.5 * 0.625 + 0.2 * 0.375 + 0.3 * 1.0
    torch.testing.assert_close(posterior_score(posterior), torch.full((5,), expected))


@pytest.mark.parametrize('ratio', [0.0, 0.3, 1.0])
def test_score_blends_prediction_and_posterior(ratio):
    geometry = make_geometry()
    logits = torch.tensor([1.0, 0.5, 0.0, -0.5, -1.0])
    correspondences = make_correspondences(geometry)._replace(score_logits=logits)
    posterior = make_posterior([1.0, 2.0, 50.0], [0.5, 0.2, 0.3])
    candidates = make_candidates()
    found = decode_detections(
        candidates, correspondences, posterior, geometry, mc_score_ratio=ratio
    )
    blend = logits.sigmoid() ** (1 - ratio) * posterior_score(posterior) ** ratio
    order = found.labels
    torch.testing.assert_close(found.scores, (candidates.scores * blend)[order])
    torch.testing.assert_close(found.samples, posterior.samples.transpose(0, 1)[order])
    assert found.log_weights.shape == (5, 3) and torch.equal(found.ess, posterior.ess[order])


@pytest.mark.parametrize('rivalry', [0.0, 0.5, 1.0])
def test_rivals_of_other_classes_lower_the_scores_and_change_the_order(rivalry):
    """One object is found twice, as two classes; no others touch."""
    geometry = make_geometry()
    correspondences = make_correspondences(geometry)
    solution = solve(correspondences)
    pose, dims = solution.pose.clone(), correspondences.dims.clone()
    pose[2], dims[2] = pose[3], dims[3]
    scores = torch.tensor([0.45, 0.2, 0.6, 0.5, 0.9])
    found = decode_detections(
        make_candidates(scores),
        correspondences._replace(dims=dims),
        solution._replace(pose=pose, valid=torch.arange(5) < 4),
        geometry,
        class_rivalry=rivalry,
    )
    expected = scores[:4] / 2  # the 3D score is a half
    expected[2:] *= (torch.tensor([0.36, 0.25]) / 0.61) ** rivalry
    order = expected.argsort(descending=True)
    assert found.labels.tolist() == order.tolist()
    assert (order[1] == 3) == (rivalry == 0)
    torch.testing.assert_close(found.scores, expected[order])


def test_no_posterior_without_samples():
    geometry = make_geometry()
    correspondences = make_correspondences(geometry)
    solution = solve(correspondences)
    found = decode_detections(make_candidates(), correspondences, solution, geometry)
    assert found.samples is None and found.log_weights is None and found.ess is None
    assert found.select(found.labels < 2).samples is None
    torch.testing.assert_close(found.scores, make_candidates().scores / 2)


def test_unsolved_tiny_and_duplicate_objects_are_dropped():
    geometry = make_geometry()
    correspondences = make_correspondences(geometry)
    solution = solve(correspondences)
    valid, pose = solution.valid.clone(), solution.pose.clone()
    valid[0] = False
    pose[1, 2] = 900.0  # far away: smaller than 4 px
    pose[3] = pose[2]
    dims = correspondences.dims.clone()
    dims[3] = dims[2]
    labels = torch.tensor([0, 1, 2, 2, 4])
    found = decode_detections(
        make_candidates(labels=labels),
        correspondences._replace(dims=dims),
        solution._replace(valid=valid, pose=pose),
        geometry,
    )
    assert found.labels.tolist() == [2, 4]
    assert found.cls_scores.tolist() == pytest.approx([0.7, 0.5])


def test_attributes_are_the_best_that_the_class_may_have():
    geometry = make_geometry()
    correspondences = make_correspondences(geometry)
    logits = torch.zeros(len(BOXES3D), 9)
    logits[:, 4], logits[:, 1], logits[:, 6] = 3.0, 2.0, 1.0
    found = decode_detections(
        make_candidates(labels=torch.tensor([0, 1, 0, 1, 0])),
        correspondences._replace(attr_logits=logits),
        solve(correspondences),
        geometry,
        class_attributes=[(0, 1, 2), (5, 6)],
    )
    assert (found.attributes == torch.where(found.labels == 0, 1, 6)).all()


def test_covariance_is_that_of_the_kept_objects():
    geometry = make_geometry()
    correspondences = make_correspondences(geometry)
    solution = solve(correspondences)
    scores = torch.tensor([0.1, 0.9, 0.3, 0.5, 0.7])
    found = decode_detections(make_candidates(scores), correspondences, solution, geometry)
    assert found.labels.tolist() == [1, 4, 3, 2, 0]
    assert torch.equal(found.pose_cov, solution.pose_cov[found.labels])
    assert (found.pose_cov.diagonal(dim1=1, dim2=2) > 0).all()
    # Depth of a small object is what the image tells least about.
    assert found.pose_cov[0, 2, 2] > 10 * found.pose_cov[0, 0, 0]
    assert math.isfinite(float(found.pose_cov.sum()))


def test_correspondences_stay_with_their_detection():
    """Whatever is dropped and however it is sorted: the points of a detection project to x2d."""
    geometry = make_geometry()
    correspondences = make_correspondences(geometry)
    candidates = make_candidates(scores=torch.tensor([0.5, 0.9, 0.1, 0.7, 0.6]))
    solution = solve(correspondences)
    solution = solution._replace(valid=torch.tensor([True, True, True, False, True]))
    found = decode_detections(candidates, correspondences, solution, geometry, with_points=True)
    assert len(found.scores) == 4 and found.x3d.shape == (4, 64, 3)
    camera = PerspectiveCamera(CAM2IMG.expand(4, 3, 3))
    pixels = camera.project(found.x3d, found.boxes3d[:, 3:])
    torch.testing.assert_close(pixels, found.x2d, rtol=0, atol=0.1)
    torch.testing.assert_close(found.w2d, torch.full((4, 64, 2), 10 / 64))
    plain = decode_detections(candidates, correspondences, solution, geometry)
    assert plain.x3d is plain.x2d is plain.w2d is None


@pytest.mark.parametrize('mounting', [None, [float('nan')] * 3, [0.0, 1 / 1.8, 0.0]])
def test_objects_stand_on_the_ground_where_it_is_known_and_wished_for(mounting):
    geometry = make_geometry()
    correspondences = make_correspondences(geometry)
    # As far off as 64 points of 2 pixels leave it.
    correspondences = correspondences._replace(scale=torch.full((5, 2), 0.5))
    solution = solve(correspondences)
    geometry = geometry._replace(ground_planes=mounting and torch.tensor([mounting]))
    plain = decode_detections(make_candidates(), correspondences, solution, geometry)
    ground = Ground(height_std=0.01, slope_std=0.001)
    found = decode_detections(make_candidates(), correspondences, solution, geometry, ground=ground)
    known = mounting is not None and mounting[0] == 0
    assert torch.equal(found.boxes3d, plain.boxes3d) != known
    bottom = [d.boxes3d[:, 4] + d.boxes3d[:, 1] / 2 - 1.8 for d in (plain, found)]
    assert not known or bottom[1].abs().median() < 0.7 * bottom[0].abs().median()
