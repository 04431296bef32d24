"""Properties of the correspondence head on a small configuration."""

import copy

import pytest
import torch
from mmdet3d.models.builder import build_head

from epropnp_det.models.correspondence import CorrespondenceHead
from epropnp_det.models.structures import DenseFeatures, ImageGeometry, ObjectQueries

CLASSES, HEADS, POINTS, DIMS, STRIDE = 3, 4, 4, 16, 8
SIZE = (700.0, 420.0)  # original
NET_SIZE = (64.0, 48.0)
CONFIG = dict(
    type='CorrespondenceHead',
    num_classes=CLASSES,
    num_attrs=5,
    in_channels=8,
    level_channels=(8, 4),
    embed_dims=DIMS,
    num_levels=2,
    stride=STRIDE,
    num_heads=HEADS,
    num_points=POINTS,
    ffn_channels=16,
    point_ffn_channels=16,
    dropout=0.0,
    norm_cfg=dict(type='GN', num_groups=4),
    dim_coder=dict(
        type='MultiClassLogDimCoder',
        means=[[4.6, 1.7, 2.0], [0.7, 1.8, 0.7], [11.0, 3.5, 3.0]],
        stds=[[0.5, 0.2, 0.2], [0.2, 0.2, 0.1], [2.0, 0.5, 0.3]],
    ),
)


def make_head(**kwargs) -> CorrespondenceHead:
    """A head whose parameters are all random, so that no branch is silent."""
    torch.manual_seed(0)
    head = build_head({**CONFIG, **kwargs})
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return head.double()


def make_geometry(flip=(False, True)) -> ImageGeometry:
    num = len(flip)
    matrix = torch.tensor([[0.1, 0, -2], [0, 0.12, 1], [0, 0, 1]], dtype=torch.float64)
    mirror = torch.tensor([[-1.0, 0, NET_SIZE[0]], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    return ImageGeometry(
        cam2img=torch.eye(3, dtype=torch.float64).expand(num, 3, 3),
        img2net=torch.stack([mirror @ matrix if flipped else matrix for flipped in flip]),
        img_size=torch.tensor([SIZE] * num, dtype=torch.float64),
        net_size=torch.tensor([NET_SIZE] * num, dtype=torch.float64),
    )


def make_feats(seed=1):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, 8, 6, 8), (2, 8, 3, 4)]
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def make_queries(num=6, seed=2) -> ObjectQueries:
    generator = torch.Generator().manual_seed(seed)
    canvas = torch.tensor(NET_SIZE, dtype=torch.float64)
    return ObjectQueries(
        embeddings=torch.randn(num, DIMS, generator=generator, dtype=torch.float64),
        centers=torch.rand(num, 2, generator=generator, dtype=torch.float64) * canvas,
        strides=2.0 ** torch.randint(3, 5, (num,), generator=generator).double(),
        img_inds=torch.randint(0, 2, (num,), generator=generator),
        labels=torch.randint(0, CLASSES, (num,), generator=generator),
    )


def assert_same(first, second, **tolerance):
    for name in first._fields:
        torch.testing.assert_close(
            getattr(first, name),
            getattr(second, name),
            msg=lambda text, name=name: f'{name}: {text}',
            **tolerance,
        )


def run(head, feats, queries, geometry):
    return head(head.encode(feats, geometry), queries, geometry)


def test_shapes_and_ranges():
    geometry, queries = make_geometry(), make_queries()
    out = run(make_head(), make_feats(), queries, geometry)
    n, num_points = 6, HEADS * POINTS
    assert out.noc.shape == out.x3d.shape == (n, num_points, 3)
    assert out.x2d.shape == out.weights.shape == out.w2d.shape == (n, num_points, 2)
    assert out.scale.shape == out.velocities.shape == (n, 2)
    assert out.dims.shape == out.encoded_dims.shape == (n, 3)
    assert out.score_logits.shape == (n,)
    assert out.attr_logits.shape == (n, 5)
    assert (out.weights >= 0).all()
    assert (out.weights.sum(1) <= 1 + 1e-9).all()
    assert (out.scale > 0).all()
    assert (out.dims > 0).all()


def test_weights_sum_to_one_over_all_points_inside_the_canvas():
    head, geometry = make_head(), make_geometry()
    torch.nn.init.normal_(head.sampler.sampling_offsets.weight, std=1e-3)
    torch.nn.init.zeros_(head.sampler.sampling_offsets.bias)
    center = torch.tensor(NET_SIZE, dtype=torch.float64) / 2
    queries = make_queries()._replace(centers=center.expand(6, 2))
    weights = run(head, make_feats(), queries, geometry).weights
    torch.testing.assert_close(weights.sum(1), torch.ones(6, 2, dtype=torch.float64))


def test_dimensions_are_those_of_the_class():
    """Parameters of other classes have no influence."""
    head, geometry, queries = make_head(), make_geometry(), make_queries()
    before = run(head, make_feats(), queries, geometry)
    with torch.no_grad():
        head.dim_branch.weight.view(CLASSES, 3, -1)[1] += 1
    after = run(head, make_feats(), queries, geometry)
    changed = (before.encoded_dims != after.encoded_dims).any(1)
    assert torch.equal(changed, queries.labels == 1)
    assert changed.any() and not changed.all()
    decoded = head.dim_coder.decode(after.encoded_dims, queries.labels)
    assert torch.equal(after.dims, decoded)


def test_batched_equals_one_object_at_a_time():
    head, geometry, queries = make_head(), make_geometry(), make_queries()
    features = head.encode(make_feats(), geometry)
    batched = head(features, queries, geometry)
    for i in range(len(queries.labels)):
        alone = head(features, ObjectQueries(*(q[i : i + 1] for q in queries)), geometry)
        assert_same(type(batched)(*(field[i : i + 1] for field in batched)), alone)


@pytest.mark.parametrize('factor', [0.37, 1.0, 2.5])
def test_2d_points_do_not_depend_on_resizing_or_cropping(factor):
    head, geometry, queries = make_head(), make_geometry(), make_queries()
    features = head.encode(make_feats(), geometry)
    before = head(features, queries, geometry).x2d
    shift = torch.tensor([-13.0, 5.0], dtype=torch.float64)
    change = torch.diag(torch.tensor([factor, factor, 1.0], dtype=torch.float64))
    change[:2, 2] = shift
    resized = geometry._replace(
        img2net=change @ geometry.img2net, net_size=factor * geometry.net_size
    )
    moved = queries._replace(
        centers=factor * queries.centers + shift, strides=factor * queries.strides
    )
    after = head(features, moved, resized).x2d
    torch.testing.assert_close(after, before, atol=1e-8, rtol=1e-9)


def mirror_twin(head: CorrespondenceHead) -> CorrespondenceHead:
    """The head that sees a mirrored world as ``head`` sees the real one.

    It looks left where ``head`` looks right, also among the points of an object, and since mirrored
    images show mirrored objects, its raw coordinates z and velocities x have the opposite sign.
    """
    twin = copy.deepcopy(head)
    with torch.no_grad():
        for parameter in twin.sampler.sampling_offsets.parameters():
            parameter[0::2] *= -1
        for parameter in twin.point_head.regressor.parameters():
            parameter[:, 2] *= -1
        for parameter in twin.velocity_branch.parameters():
            parameter[0] *= -1
        twin.point_head.position_proj.weight[:, 0] *= -1
    return twin


def test_mirrored_image_gives_the_same_correspondences():
    head = make_head()
    # The query knows the centre on the canvas, which mirroring changes by intent.
    torch.nn.init.zeros_(head.sampler.query_proj.weight)
    plain, flipped = make_geometry((False, False)), make_geometry((True, True))
    features, queries = head.encode(make_feats(), plain), make_queries()
    mirrored = DenseFeatures(features.key.flip(-1), features.value.flip(-1), features.stride)
    centers = queries.centers.clone()
    centers[:, 0] = NET_SIZE[0] - centers[:, 0]

    expected = head(features, queries, plain)
    twin = mirror_twin(head)
    assert_same(
        twin(mirrored, queries._replace(centers=centers), flipped),
        expected,
        atol=1e-8,
        rtol=1e-8,
    )
    # Not trivially true: without the flip in the geometry it fails.
    unflipped = twin(mirrored, queries._replace(centers=centers), plain)
    assert (unflipped.noc - expected.noc).abs().max() > 1e-2


@pytest.mark.parametrize('training', [True, False])
def test_zero_objects(training):
    head, geometry = make_head().train(training), make_geometry()
    queries = ObjectQueries(*(field[:0] for field in make_queries()))
    out = run(head, make_feats(), queries, geometry)
    assert all(len(field) == 0 for field in out)
    assert out.x3d.shape == (0, HEADS * POINTS, 3)
    # Every parameter stays in the graph, as distributed training needs it.
    sum(field.sum() for field in out).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and not parameter.grad.any(), name


def test_every_parameter_gets_a_gradient():
    head, geometry, queries = make_head(), make_geometry(), make_queries()
    out = run(head, make_feats(), queries, geometry)
    sum((field * torch.rand_like(field)).sum() for field in out).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_inputs_are_left_alone():
    head, geometry, feats, queries = make_head(), make_geometry(), make_feats(), make_queries()
    inputs = [tensor for tensor in (*feats, *queries, *geometry) if tensor is not None]
    given = [tensor.clone() for tensor in inputs]
    run(head, feats, queries, geometry)
    assert all(torch.equal(a, b) for a, b in zip(given, inputs))


def test_gradients_in_double_precision():
    head, geometry, queries = make_head(), make_geometry(), make_queries(num=3)
    feats = [feat.requires_grad_() for feat in make_feats()]
    embeddings = queries.embeddings.requires_grad_()
    centers = queries.centers.requires_grad_()

    def correspondences(*_):
        out = run(head, feats, queries, geometry)
        fields = (out.x3d, out.x2d, out.w2d, out.score_logits, out.velocities, out.attr_logits)
        return torch.cat([field.flatten() for field in fields])

    # The checker perturbs tensors in place, so parameters need only be named.
    variables = (*feats, embeddings, centers, *head.parameters())
    assert torch.autograd.gradcheck(
        correspondences, variables, fast_mode=True, check_undefined_grad=False, atol=1e-5
    )


def test_starts_with_neutral_predictions():
    torch.manual_seed(0)
    head = build_head(CONFIG)
    head.init_weights()
    assert not head.class_embedding.weight.any()
    geometry, queries = make_geometry(), make_queries()
    out = run(head.double(), make_feats(), queries, geometry)
    assert torch.equal(out.scale, torch.ones_like(out.scale))
    torch.testing.assert_close(out.dims, head.dim_coder.mean[queries.labels], rtol=0.1, atol=0)
    assert out.noc.norm(dim=-1).mean().item() == pytest.approx(0.5, abs=0.05)


def test_class_embedding_is_an_option():
    geometry, queries = make_geometry(), make_queries()
    relabelled = queries._replace(labels=(queries.labels + 1) % CLASSES)
    for enabled in (True, False):
        head = make_head(class_embedding=enabled)
        features = head.encode(make_feats(), geometry)
        first, second = (head(features, q, geometry).noc for q in (queries, relabelled))
        assert torch.equal(first, second) is not enabled


def test_embedding_of_wrong_size():
    head, geometry, queries = make_head(), make_geometry(), make_queries()
    features = head.encode(make_feats(), geometry)
    with pytest.raises(ValueError, match='emb_channels'):
        head(features, queries._replace(embeddings=queries.embeddings[:, :-4]), geometry)


@pytest.mark.parametrize('zoom', [0.25, 1.0, 3.0])
def test_reference_spread_makes_weights_relative_to_the_size_of_objects(zoom):
    """The same network input at another resolution of the original: weights times pixels stay."""
    feats, queries = make_feats(), make_queries()
    head = make_head(reference_spread=10.0)
    geometry = make_geometry()
    scaled = geometry._replace(
        img2net=geometry.img2net @ torch.diag(torch.tensor([1 / zoom, 1 / zoom, 1.0])).double()
    )
    first, second = (run(head, feats, queries, g) for g in (geometry, scaled))
    torch.testing.assert_close(second.x2d, zoom * first.x2d)
    torch.testing.assert_close(second.w2d * zoom, first.w2d, rtol=1e-3, atol=1e-6)
    spread = first.x2d.var(1).sum(-1).sqrt()
    plain = run(make_head(), feats, queries, geometry)
    expected = plain.w2d * (10.0 / spread)[:, None, None]
    torch.testing.assert_close(first.w2d, expected)
