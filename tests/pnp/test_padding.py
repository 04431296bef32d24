"""A mask makes padding invisible, whatever it holds."""

import pytest
import torch

from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, MonteCarloPoseLoss, PerspectiveCamera

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
pytestmark = pytest.mark.usefixtures('backend')


def padded(objects, filling):
    """Eleven more points, and which ones are real."""
    tensors = []
    for tensor in objects[:3]:
        more = torch.full((*tensor.shape[:1], 11, *tensor.shape[2:]), filling, dtype=tensor.dtype)
        tensors.append(torch.cat((tensor, more), 1).requires_grad_())
    mask = torch.ones(tensors[0].shape[:2], dtype=torch.bool)
    mask[:, objects.x3d.size(1) :] = False
    return tensors, mask


def train(pnp, tensors, objects, mask=None):
    generator = torch.Generator().manual_seed(3)
    found = pnp.monte_carlo_forward(
        *tensors, objects.camera, objects.pose, True, generator=generator, mask=mask
    )
    value = MonteCarloPoseLoss().eval()(found.log_weights, found.cost_target, 1.0)
    (value + found.pose_plus.sum()).backward()
    return found


@pytest.mark.parametrize(
    ('dof', 'filling', 'normalize'), [(4, 7.0, False), (4, float('nan'), True), (6, 0.0, True)]
)
def test_padding_is_invisible(random_objects, dof, filling, normalize):
    """The draws too: they do not depend on how far an object was padded."""
    objects = random_objects(4, points=20, dof=dof)
    pnp = LAYERS[dof](mc_samples=32, normalize=normalize)
    plain = [tensor.clone().requires_grad_() for tensor in objects[:3]]
    expected = train(pnp, plain, objects)
    more, mask = padded(objects, filling)
    found = train(pnp, more, objects, mask)
    assert found.valid.all()
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    for one, other in zip(more, plain):
        torch.testing.assert_close(one.grad[:, :20], other.grad, rtol=1e-5, atol=1e-6)
        assert (one.grad[:, 20:] == 0).all()


def test_objects_of_different_sizes_batch(random_objects):
    objects = random_objects(3, points=30)
    counts = torch.tensor([12, 30, 20])
    mask = torch.arange(30) < counts[:, None]
    pnp = EProPnP4DoF()
    together = pnp(*objects[:4], objects.pose, mask=mask)
    for index, count in enumerate(counts.tolist()):
        part = [tensor[index : index + 1, :count] for tensor in objects[:3]]
        pose = objects.pose[index : index + 1]
        alone = pnp(*part, objects.camera[index : index + 1], pose)
        torch.testing.assert_close(together.pose[index : index + 1], alone.pose)
        torch.testing.assert_close(together.pose_cov[index : index + 1], alone.pose_cov)


def test_default_stays_the_published_threshold(random_objects):
    """Without a mask, points of weight zero count in the means of the threshold."""
    objects = random_objects(2, points=20)
    more, mask = padded(objects, 0.0)
    delta = EProPnP4DoF().cost
    assert not torch.allclose(delta(*more[1:]), delta(*objects[1:3]))
    torch.testing.assert_close(delta(*more[1:], mask), delta(*objects[1:3]))


def test_nothing_but_padding_is_invalid(random_objects):
    objects = random_objects(2, points=8)
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[0] = False
    assert EProPnP4DoF()(*objects[:4], mask=mask).valid.tolist() == [False, True]


def test_wrong_masks_are_named(random_objects):
    objects = random_objects(2, points=8)
    with pytest.raises(ValueError, match='mask must be'):
        EProPnP4DoF()(*objects[:4], mask=torch.ones(2, 7, dtype=torch.bool))
    with pytest.raises(ValueError, match='mask must be bool'):
        EProPnP4DoF()(*objects[:4], mask=torch.ones(2, 8))


@pytest.mark.parametrize('dof', [4, 6])
def test_intrinsics_get_their_gradient(random_objects, dof):
    """A learned focal length: through the target's cost, the samples' costs and `pose_plus`."""
    objects = random_objects(2, points=10, dof=dof, noise=20.0)
    pnp = LAYERS[dof](mc_samples=4, num_iter=1)
    free = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 0]], dtype=torch.float64)

    def value(cam2img, which):
        camera = PerspectiveCamera(cam2img * free + objects.camera.cam2img * (1 - free))
        found = pnp.monte_carlo_forward(
            *objects[:3],
            camera,
            objects.pose,
            with_pose_plus=True,
            generator=torch.Generator().manual_seed(0),
            hypothesis=start,
        )
        return found.cost_target if which == 'target' else found.log_weights

    start = pnp.initialize(*objects[:4], generator=torch.Generator().manual_seed(1))
    cam2img = objects.camera.cam2img.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(cam2img, 'target').sum(), cam2img)
    for row, column in ((0, 0), (1, 1), (0, 2), (1, 2), (0, 1)):
        step = torch.zeros_like(cam2img)
        step[:, row, column] = 1e-4
        with torch.no_grad():
            there, back = (value(cam2img + way * step, 'target') for way in (1, -1))
        numeric = (there - back) / 2e-4
        torch.testing.assert_close(gradient[:, row, column], numeric, rtol=1e-5, atol=1e-7)
    value(cam2img, 'samples').sum().backward()
    assert torch.isfinite(cam2img.grad).all() and (cam2img.grad[:, 0, 0] != 0).all()
