"""Sine encoding against mmdet's and against its own point version."""

import torch
from mmdet.models.utils import SinePositionalEncoding

from epropnp_det.models.correspondence.positional_encoding import (
    cell_positions,
    encode_points,
    sine_encoding,
)


def dense_encoding(height, width, stride, size, num_feats):
    rows = sine_encoding(cell_positions(height, stride, size[:, 1]), num_feats)
    columns = sine_encoding(cell_positions(width, stride, size[:, 0]), num_feats)
    shape = (len(size), height, width, num_feats)
    joined = torch.cat([rows[:, :, None].expand(shape), columns[:, None].expand(shape)], dim=-1)
    return joined.permute(0, 3, 1, 2)


def test_equals_mmdet_on_the_valid_canvas():
    height, width, stride, num_feats = 5, 7, 8, 16
    valid = [(7, 5), (4, 3)]  # cells along x and y, the second image is padded
    padding = torch.ones(2, height, width)
    for mask, (columns, rows) in zip(padding, valid):
        mask[:rows, :columns] = 0
    reference = SinePositionalEncoding(num_feats, normalize=True, offset=-0.5)(padding.long())
    encoding = dense_encoding(height, width, stride, torch.tensor(valid) * float(stride), num_feats)
    for image, (columns, rows) in enumerate(valid):
        torch.testing.assert_close(
            encoding[image, :, :rows, :columns],
            reference[image, :, :rows, :columns],
            atol=1e-5,
            rtol=0,
        )


def test_points_and_cells_agree():
    size = torch.tensor([[52.0, 37.0]])
    dense = dense_encoding(5, 7, 8, size, 12)[0]
    points = torch.tensor([[4.0, 4.0], [6.5 * 8, 4.5 * 8], [3.5 * 8, 2.5 * 8]])
    cells = dense[:, [0, 4, 2], [0, 6, 3]].T
    torch.testing.assert_close(encode_points(points, size.expand(3, 2), 12), cells)


def test_no_points():
    assert encode_points(torch.zeros(0, 2), torch.zeros(0, 2), 8).shape == (0, 16)
