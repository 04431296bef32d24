"""The dimension coder against its formula, its inverse, and its input rules."""

import pytest
import torch
from mmcv import Config
from mmdet.core.bbox.builder import build_bbox_coder

from epropnp_det.models.coders import MultiClassLogDimCoder

MEANS = [[4.0, 1.5, 1.8], [0.5, 1.0, 2.5]]
STDS = [[0.4, 0.3, 0.2], [0.2, 0.1, 0.6]]


def test_round_trip():
    coder = MultiClassLogDimCoder(MEANS, STDS).double()
    labels = torch.tensor([0, 1, 1, 0])
    dims = torch.rand(4, 3, dtype=torch.float64) * 10 + 0.05
    torch.testing.assert_close(coder.decode(coder.encode(dims, labels), labels), dims)
    encoded = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(coder.encode(coder.decode(encoded, labels), labels), encoded)


def test_follows_the_formula_per_class():
    coder = MultiClassLogDimCoder(MEANS, STDS)
    decoded = coder.decode(torch.tensor([[0.0, 1.0, -2.0]]), torch.tensor([1]))
    expected = torch.tensor([[0.5, 1.0 * 1.1051709, 2.5 * 0.6187834]])  # exp(.1), exp(-2 * .24)
    torch.testing.assert_close(decoded, expected)


def test_zero_objects():
    coder = MultiClassLogDimCoder(MEANS, STDS)
    empty, labels = torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)
    assert coder.decode(empty, labels).shape == (0, 3)
    assert coder.encode(empty, labels).shape == (0, 3)


def test_statistics_are_no_parameters_of_a_checkpoint():
    assert not MultiClassLogDimCoder(MEANS, STDS).state_dict()


def test_config_of_v2_has_ten_classes(repository):
    path = repository / 'configs/_base_/models/epropnp_det_v2.py'
    head = Config.fromfile(str(path)).model.bbox_head.correspondence
    coder = build_bbox_coder(head.dim_coder)
    assert coder.mean.shape == coder.relative_std.shape == (head.num_classes, 3)


@pytest.mark.parametrize(
    'means, stds',
    [([4.0, 1.5, 1.8], [0.4, 0.3, 0.2]), (MEANS, STDS[:1]), (MEANS, [[0.4, 0.3, 0.0], STDS[1]])],
    ids=['flat', 'missing class', 'zero deviation'],
)
def test_rejects_bad_statistics(means, stds):
    with pytest.raises(ValueError, match='means and stds'):
        MultiClassLogDimCoder(means, stds)
