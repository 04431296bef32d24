"""Object sampling: counts, balance, unbiasedness, reproducibility, empty batches."""

import pytest
import torch

from epropnp_det.models.structures import DenseOutput, GroundTruth
from epropnp_det.models.targets import fcos_targets, point_grid, sample_objects
from epropnp_det.models.targets.object_sampling import balance, draw_points

CLASSES, STRIDES = 4, (8, 16)


def dense_output(seed=0, num_imgs=2):
    generator = torch.Generator().manual_seed(seed)

    def maps(channels):
        sizes = [(12, 20), (6, 10)]
        return [
            torch.randn(num_imgs, channels, *size, generator=generator).requires_grad_()
            for size in sizes
        ]

    return DenseOutput(maps(CLASSES), maps(1), maps(2 * CLASSES), maps(6), None, STRIDES)


def scene(output, num=3):
    centers = torch.tensor([[30.0, 30], [90, 50], [100, 60]])[:num]
    gt = GroundTruth(
        bboxes=torch.cat([centers - 20, centers + 20], 1),
        labels=torch.tensor([1, 0, 3])[:num],
        boxes3d=torch.ones(num, 7),
        velocities=torch.zeros(num, 2),
        attributes=torch.zeros(num, dtype=torch.long),
        img_inds=torch.tensor([0, 1, 1])[:num],
    )
    grid = point_grid(output.cls_logits, STRIDES)
    return gt, fcos_targets(grid, gt, centers, 2, CLASSES, ((-1, 48), (24, 1e8)))


@pytest.mark.parametrize('num_samples', [5, 12, 96])
def test_half_uniform_without_replacement(num_samples):
    centerness = torch.linspace(0.1, 1, 30)
    draw = draw_points(centerness, num_samples, generator=torch.Generator().manual_seed(1))
    num_uniform = min(round(0.5 * num_samples), 30)
    assert draw.inds.shape == draw.weights.shape == (num_samples,)
    assert len(draw.inds[:num_uniform].unique()) == num_uniform


@pytest.mark.parametrize('num_samples', [20, 120])  # fewer and more than there are points
def test_weights_make_the_estimate_unbiased(num_samples):
    """The mean of weight x value over samples estimates the centerness-weighted mean."""
    generator = torch.Generator().manual_seed(0)
    centerness = torch.rand(40, generator=generator, dtype=torch.float64) + 0.05
    values = torch.randn(40, generator=generator, dtype=torch.float64) + 3 * centerness
    expected = (centerness * values).sum() / centerness.sum()
    estimates = []
    for _ in range(1500):
        draw = draw_points(centerness, num_samples, generator=generator)
        estimates.append((draw.weights * values[draw.inds]).mean())
    estimates = torch.stack(estimates)
    error = estimates.std() / len(estimates) ** 0.5
    assert (estimates.mean() - expected).abs() < 4 * error
    assert (values.mean() - expected).abs() > 10 * error  # so that unweighted draws would fail


def test_every_object_has_the_same_total_weight():
    output = dense_output()
    gt, targets = scene(output)
    samples = sample_objects(output, targets, gt, 64, generator=torch.Generator().manual_seed(2))
    assert len(samples.gt_inds.unique()) == 3
    for weights in (samples.weights, samples.uniform_weights):
        assert weights.mean().item() == pytest.approx(1, abs=1e-5)
        totals = torch.zeros(3).index_add(0, samples.gt_inds, weights)
        assert torch.allclose(totals, torch.full((3,), 64 / 3), rtol=1e-4)
    same = samples.uniform_weights[samples.gt_inds == 1]
    assert torch.allclose(same, same[:1])
    assert samples.weights[samples.gt_inds == 1].std() > 0


def test_queries_are_the_outputs_of_the_drawn_points():
    output = dense_output()
    gt, targets = scene(output)
    samples = sample_objects(output, targets, gt, 40, generator=torch.Generator().manual_seed(3))
    queries = samples.queries
    assert torch.equal(queries.labels, gt.labels[samples.gt_inds])
    assert torch.equal(queries.img_inds, gt.img_inds[samples.gt_inds])
    flat = torch.cat([level.flatten(2) for level in output.embeddings], 2)  # (B, C, P)
    centers = torch.cat([level.flatten(2) for level in output.centers], 2)
    for i in range(0, 40, 7):
        match = (flat[queries.img_inds[i]] == queries.embeddings[i][:, None]).all(0).nonzero()
        point = match[0, 0]
        assert targets.labels[queries.img_inds[i], point] == queries.labels[i]
        label = queries.labels[i]
        expected = centers[queries.img_inds[i], 2 * label : 2 * label + 2, point]
        assert torch.equal(queries.centers[i], expected)
        assert queries.strides[i] == (8 if point < 240 else 16)
    (queries.embeddings.sum() + queries.centers.sum()).backward()
    assert output.embeddings[0].grad.abs().sum() > 0 and output.centers[0].grad.abs().sum() > 0


def test_same_generator_same_samples():
    output = dense_output()
    gt, targets = scene(output)
    first, second, other = (
        sample_objects(output, targets, gt, 32, generator=torch.Generator().manual_seed(seed))
        for seed in (7, 7, 8)
    )
    assert torch.equal(first.queries.embeddings, second.queries.embeddings)
    assert not torch.equal(first.queries.embeddings, other.queries.embeddings)


@pytest.mark.parametrize('num', [0, 1])
def test_no_positives_no_samples_but_a_graph(num):
    output = dense_output()
    gt, targets = scene(output, num)
    targets = targets._replace(
        **{
            name: getattr(targets, name)[:0]
            for name in targets._fields
            if name not in ('labels', 'cls_weights')
        }
    )
    samples = sample_objects(output, targets, gt, 48)
    assert samples.queries.embeddings.shape == (0, 6) and samples.queries.centers.shape == (0, 2)
    assert samples.weights.shape == samples.uniform_weights.shape == samples.gt_inds.shape == (0,)
    assert samples.gt_inds.dtype == torch.long
    samples.queries.embeddings.sum().backward()
    assert (output.embeddings[0].grad == 0).all()


def test_objects_without_a_sample_do_not_matter():
    weights = balance(torch.tensor([1.0, 3, 2]), torch.tensor([0, 0, 5]), 9)
    assert torch.allclose(weights, torch.tensor([0.375, 1.125, 1.5]))
