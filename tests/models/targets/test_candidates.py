"""Candidate selection: threshold, cap per image, order, ties, NaN."""

import torch

from epropnp_det.models.structures import DenseOutput
from epropnp_det.models.targets import find_candidates

CLASSES, SIZES, STRIDES = 3, ((4, 6), (2, 3)), (8, 16)


def select_candidates(output, *args, **kwargs):
    candidates = find_candidates(output, *args, **kwargs)
    return candidates.queries(output), candidates.scores


def dense_output(cls=None, seed=0, num_imgs=2):
    generator = torch.Generator().manual_seed(seed)

    def maps(channels):
        return [torch.randn(num_imgs, channels, *size, generator=generator) for size in SIZES]

    out = DenseOutput(maps(CLASSES), maps(1), maps(2 * CLASSES), maps(5), None, STRIDES)
    return out if cls is None else out._replace(cls_logits=cls)


def brute_force(output, img, threshold, limit):
    """(score, cls probability, level, y, x, label) of one image, best first."""
    found = []
    for level, (cls, ctr) in enumerate(zip(output.cls_logits, output.centerness)):
        for y in range(cls.shape[2]):
            for x in range(cls.shape[3]):
                for label in range(CLASSES):
                    prob = cls[img, label, y, x].sigmoid()
                    score = prob * ctr[img, 0, y, x].sigmoid()
                    if score >= threshold:
                        found.append((score.item(), prob.item(), level, y, x, label))
    return sorted(found, key=lambda row: -row[0])[:limit]


def test_equals_brute_force():
    output = dense_output()
    queries, scores = select_candidates(output, score_thr=0.3, max_per_img=11)
    rows = [(i, *row) for i in range(2) for row in brute_force(output, i, 0.3, 11)]
    assert len(rows) > 12 and queries.img_inds.tolist() == [row[0] for row in rows]
    assert torch.allclose(scores, torch.tensor([row[2] for row in rows]))
    assert queries.labels.tolist() == [row[6] for row in rows]
    for i, (img, _, _, level, y, x, label) in enumerate(rows):
        assert torch.equal(queries.embeddings[i], output.embeddings[level][img, :, y, x])
        center = output.centers[level][img, 2 * label : 2 * label + 2, y, x]
        assert torch.equal(queries.centers[i], center)
        assert queries.strides[i] == STRIDES[level]


def test_an_image_does_not_depend_on_its_batch_mates():
    output = dense_output()
    alone = DenseOutput(
        *([level[:1] for level in maps] for maps in output[:4]), bboxes=None, strides=STRIDES
    )
    batch, batch_scores = select_candidates(output, 0.05, 10)
    single, scores = select_candidates(alone, 0.05, 10)
    assert len(scores) == 10
    mine = batch.img_inds == 0
    assert torch.equal(batch.embeddings[mine], single.embeddings)
    assert torch.equal(batch_scores[mine], scores)


def test_ties_keep_the_order_of_points_and_classes():
    cls = [torch.zeros(1, CLASSES, *size) for size in SIZES]
    output = dense_output(cls, num_imgs=1)
    output = output._replace(centerness=[torch.zeros(1, 1, *size) for size in SIZES])
    queries, scores = select_candidates(output, 0.2, 7)
    assert queries.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert torch.equal(queries.embeddings[3], output.embeddings[0][0, :, 0, 1])
    assert (scores == 0.5).all()


def test_threshold_is_inclusive():
    cls = [torch.full((1, CLASSES, *size), -9.0) for size in SIZES]
    cls[0][0, 1, 2, 2] = 0.0
    output = dense_output(cls, num_imgs=1)
    output = output._replace(centerness=[torch.zeros(1, 1, *size) for size in SIZES])
    assert len(select_candidates(output, 0.25)[1]) == 1
    assert len(select_candidates(output, 0.2501)[1]) == 0


def test_nan_is_never_a_candidate():
    output = dense_output()
    output.cls_logits[0][0] = float('nan')
    output.centerness[1][0] = float('nan')
    queries, scores = select_candidates(output, 0.0, 1000)
    assert (queries.img_inds == 1).all() and len(scores) == CLASSES * (24 + 6)
    assert torch.isfinite(scores).all()


def test_no_candidates():
    queries, scores = select_candidates(dense_output(), score_thr=1.0)
    assert scores.shape == (0,) and queries.embeddings.shape == (0, 5)
    assert queries.centers.shape == (0, 2) and queries.img_inds.dtype == torch.long
