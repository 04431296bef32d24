"""Our attention and feed-forward network against mmcv's, with the same parameters."""

import pytest
import torch
from mmcv.cnn.bricks.transformer import FFN, BaseTransformerLayer, MultiheadAttention

from epropnp_det.models.correspondence.point_transformer import FeedForward, PointAttention


def layer(attention, network):
    torch.manual_seed(0)
    made = BaseTransformerLayer(
        attn_cfgs=dict(type=attention, embed_dims=8, num_heads=1),
        ffn_cfgs=dict(type=network, embed_dims=8, feedforward_channels=16, ffn_drop=0.3),
        operation_order=('self_attn', 'norm', 'ffn', 'norm'),
        batch_first=True,
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


@pytest.mark.parametrize('training', [False, True])
def test_equals_mmcv_forward_and_backward(training):
    ours = layer(PointAttention, FeedForward).double().train(training)
    stock = layer(MultiheadAttention, FFN).double().train(training)
    stock.load_state_dict(ours.state_dict())
    results = []
    for made in (ours, stock):
        torch.manual_seed(1)
        tokens, position = torch.randn(2, 5, 7, 8, dtype=torch.double).unbind(0)
        tokens.requires_grad_(), position.requires_grad_()
        out = made(tokens, query_pos=position, key_pos=position)
        weight = torch.randn_like(out)
        inputs = [tokens, position, *made.parameters()]
        results.append([out, *torch.autograd.grad((weight * out).sum(), inputs)])
    for own, expected in zip(*results):
        torch.testing.assert_close(own, expected)


def test_no_objects():
    tokens = torch.zeros(0, 7, 8)
    assert layer(PointAttention, FeedForward)(tokens, query_pos=tokens).shape == (0, 7, 8)
