"""The blocks of configs: parts that fit together, and builders that take them."""

import pytest
import torch
from mmdet3d.models import build_backbone, build_model

from epropnp_det.engine import load_config
from epropnp_det.models import blocks


def without_delete(block):
    return {key: value for key, value in block.items() if key != '_delete_'}


def test_the_neck_takes_what_the_backbone_gives_at_the_strides_of_the_head():
    model = blocks.mobilenet_v2('elsewhere.pth')
    assert model['backbone']['init_cfg']['checkpoint'] == 'elsewhere.pth'
    backbone = build_backbone({**without_delete(model['backbone']), 'init_cfg': None})
    features = backbone(torch.zeros(1, 3, 64, 96))
    assert [feature.shape[1] for feature in features] == model['neck']['in_channels']
    assert [96 // feature.shape[3] for feature in features] == [8, 16, 32]


@pytest.mark.parametrize('name', ['epropnp_det_branches_small', 'epropnp_det_branches_crops'])
def test_branches_ask_while_training(repository, name):
    cfg = load_config(repository / 'configs' / 'proof' / f'{name}.py')
    cfg.model.backbone.init_cfg = None
    head = build_model(cfg.model).bbox_head
    assert head.heading is not None and head.apparent_size is not None
    plain = load_config(repository / 'configs' / 'proof' / f'{name.replace("_branches", "")}.py')
    plain.model.backbone.init_cfg = None
    head = build_model(plain.model).bbox_head
    assert head.heading is None and head.apparent_size is None


def test_blocks_are_separate_values():
    """A config may change what it was given; the next one must not see that."""
    changed = blocks.direct_branches()
    changed['heading']['loss']['loss_weight'] = 7.0
    assert blocks.direct_branches()['heading']['loss']['loss_weight'] != 7.0


@pytest.mark.parametrize(
    ('name', 'classes', 'numbers'),  # a box and its velocity; PGD's 2D box, too
    [('fcos3d_small', 10, 9), ('pgd_small', 10, 13), ('fcos3d_crops', 1, 9)],
)
def test_peers_answer_for_their_classes(repository, name, classes, numbers):
    cfg = load_config(repository / 'configs' / 'proof' / f'{name}.py')
    cfg.model.backbone.init_cfg = None
    model = build_model(cfg.model).eval()
    coder = model.bbox_head.bbox_coder
    assert len(coder.base_depths) == len(coder.base_dims) == classes == len(cfg.class_names)
    with torch.no_grad():
        scores, boxes, *_ = model.forward_dummy(torch.zeros(1, 3, 64, 96))
    assert [score.shape[1:] for score in scores] == [(classes, 8 // n, 12 // n) for n in (1, 2, 4)]
    assert {box.shape[1] for box in boxes} == {numbers}
