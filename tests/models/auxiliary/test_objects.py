import torch

from epropnp_det.models.auxiliary import supervised_objects


def test_weighted_means_of_the_samples(make_scene):
    scene = make_scene(samples_per_object=3)
    keep = scene.samples.gt_inds != 1  # the second object has no sample
    samples = scene.samples._replace(
        gt_inds=scene.samples.gt_inds[keep], weights=scene.samples.weights[keep]
    )
    query, dims = scene.query[keep].requires_grad_(), scene.dims[keep].requires_grad_()
    objects = supervised_objects(samples, scene.gt, query, dims)
    assert objects.img_inds.tolist() == [0, 1]
    for row, gt_ind in enumerate((0, 2)):
        mine = samples.gt_inds == gt_ind
        weights = samples.weights[mine] / samples.weights[mine].sum()
        expected = sum(w * q for w, q in zip(weights, query[mine]))
        torch.testing.assert_close(objects.query[row], expected)
        expected = sum(w * d for w, d in zip(weights, dims[mine]))
        torch.testing.assert_close(objects.dims[row], expected)
        assert torch.equal(objects.bboxes[row], scene.gt.bboxes[gt_ind])
        assert torch.equal(objects.boxes3d[row], scene.gt.boxes3d[gt_ind])
    assert objects.query.requires_grad and not objects.dims.requires_grad


def test_no_samples(make_scene):
    scene = make_scene(num_objects=0)
    query = scene.query.requires_grad_()
    objects = supervised_objects(scene.samples, scene.gt, query, scene.dims)
    assert objects.query.shape == (0, 2, 4) and objects.bboxes.shape == (0, 4)
    objects.query.sum().backward()
    assert query.grad.shape == (0, 2, 4)
