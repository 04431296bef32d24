"""Only what is unknown becomes zero, and the data set keeps its own boxes."""

import numpy as np
import pytest
import torch
from mmdet3d.core import CameraInstance3DBoxes

from epropnp_det.datasets.pipelines import ZeroUnknownVelocities


@pytest.mark.parametrize('unknown', [(True, True), (False, True), (False, False)])
def test_known_numbers_stay(unknown):
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32))
    values[1::2, 7:][:, torch.tensor(unknown)] = torch.nan
    before = CameraInstance3DBoxes(values.clone(), box_dim=9)
    after = ZeroUnknownVelocities()({'gt_bboxes_3d': before, 'img': 1})
    assert after['img'] == 1
    missing = values.isnan()
    assert torch.equal(before.tensor.isnan(), missing)
    assert torch.equal(after['gt_bboxes_3d'].tensor, values.masked_fill(missing, 0.0))


def test_no_objects():
    boxes = CameraInstance3DBoxes(torch.zeros(0, 9), box_dim=9)
    assert len(ZeroUnknownVelocities()({'gt_bboxes_3d': boxes})['gt_bboxes_3d']) == 0
