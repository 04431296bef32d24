"""Dense maps of mirrored views: exact where cells match, interpolated where they do not."""

import pytest
import torch

from epropnp_det.models.structures import DenseOutput, ImageGeometry
from epropnp_det.models.views import align_views, average_logits
from epropnp_det.models.views.alignment import mirror_map

STRIDES = (8, 32)


def make_geometry(width=320.0, flip=False, shift=0.0, num_imgs=2) -> ImageGeometry:
    matrix = torch.tensor([[0.5, 0, shift], [0, 0.5, -18], [0, 0, 1]])
    if flip:
        matrix = torch.tensor([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
    return ImageGeometry(
        cam2img=torch.eye(3).expand(num_imgs, 3, 3),
        img2net=matrix.expand(num_imgs, 3, 3),
        img_size=torch.tensor([[700.0, 420]] * num_imgs),
        net_size=torch.tensor([[width, 192.0]] * num_imgs),
    )


def make_output(width=320, seed=0) -> DenseOutput:
    generator = torch.Generator().manual_seed(seed)

    def maps(channels):
        shapes = [(2, channels, -(-192 // s), -(-width // s)) for s in STRIDES]
        return [torch.randn(shape, generator=generator) for shape in shapes]

    return DenseOutput(maps(3), maps(1), maps(6), maps(5), None, STRIDES)


def test_where_the_stride_divides_the_width_a_map_is_flipped():
    level = torch.randn(2, 3, 4, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mirror_map(level, 8, torch.tensor([320.0, 320.0])), level.flip(-1))


def test_padding_on_the_right_does_not_shift_cells():
    """A canvas of 320 px padded to 384: only its 40 cells change places."""
    level = torch.randn(1, 3, 4, 48, generator=torch.Generator().manual_seed(0))
    mirrored = mirror_map(level, 8, torch.tensor([320.0]))
    assert torch.equal(mirrored[..., :40], level[..., :40].flip(-1))
    assert torch.equal(mirrored[..., 40:], level[..., :1].expand(1, 3, 4, 8))


@pytest.mark.parametrize(
    'width, stride', [(1600, 128), (1600, 64), (1590, 32), (333, 8), (200, 128)]
)
def test_any_map_is_read_at_the_mirrored_points(width, stride):
    """docs/differences.md W19: a map that holds the position of its points must give the mirrored
    positions."""
    num = -(-width // stride)
    points = torch.arange(num) * stride + stride // 2
    level = points.float().expand(1, 1, 2, num)
    mirrored = mirror_map(level, stride, torch.tensor([float(width)]))[0, 0, 0]
    expected = (width - points).clamp(stride // 2, int(points[-1]))
    torch.testing.assert_close(mirrored, expected.float())


def test_images_of_a_batch_may_differ_in_width():
    level = torch.randn(2, 3, 4, 40, generator=torch.Generator().manual_seed(0))
    both = mirror_map(level, 8, torch.tensor([320.0, 236.0]))
    assert torch.equal(both[:1], mirror_map(level[:1], 8, torch.tensor([320.0])))
    assert torch.equal(both[1:], mirror_map(level[1:], 8, torch.tensor([236.0])))


def test_views_are_recognised_by_their_matrices():
    first, second = make_output(seed=0), make_output(seed=1)
    plain, mirrored = make_geometry(), make_geometry(flip=True)
    for geometries, flips in (
        ([plain, mirrored], (False, True)),
        ([mirrored, plain], (False, True)),
        ([mirrored, mirrored], (False, False)),
    ):
        aligned = align_views([first, second], geometries)
        for before, after, flip in zip((first, second), aligned, flips):
            for name in ('cls_logits', 'centerness', 'centers', 'embeddings'):
                for one, two in zip(getattr(before, name), getattr(after, name)):
                    assert torch.equal(two, one.flip(-1) if flip else one)


@pytest.mark.parametrize(
    'other',
    [
        make_geometry(shift=5.0),
        make_geometry(flip=True, shift=5.0),
        make_geometry(width=352.0),
        make_geometry(flip=True)._replace(cam2img=2 * torch.eye(3).expand(2, 3, 3)),
    ],
    ids=['shifted', 'flipped and shifted', 'other size', 'other camera'],
)
def test_other_views_are_refused_with_the_cure(other):
    with pytest.raises(ValueError, match='view 1 is neither.*flip=True'):
        align_views([make_output(), make_output()], [make_geometry(), other])


def test_average_touches_logits_only():
    first, second = make_output(seed=0), make_output(seed=1)
    mean = average_logits([first, second])
    torch.testing.assert_close(mean.cls_logits[1], (first.cls_logits[1] + second.cls_logits[1]) / 2)
    torch.testing.assert_close(mean.centerness[0], (first.centerness[0] + second.centerness[0]) / 2)
    assert mean.centers is first.centers and mean.embeddings is first.embeddings
    assert average_logits([first]) is first
