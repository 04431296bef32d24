"""Names and shapes of the official heads' parameters, written from docs/method.md 12."""

from __future__ import annotations

VERSIONS = {
    'v1_basic': dict(points=32, levels=4),
    'v1_coord_regr': dict(points=32, levels=4),
    'v1_no_reproj': dict(points=32, levels=4, loss_proj=False),
    'v1b_220312': dict(),
    'v1b_220411': dict(classwise=True),
    'v2': dict(classwise=True, v2=True),
}

Shapes = dict  # name -> list of sizes


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f'{name}.weight': [outputs, inputs], f'{name}.bias': [outputs]}


def _conv(name: str, outputs: int, inputs: int, kernel: int, bias: bool) -> Shapes:
    shapes = {f'{name}.weight': [outputs, inputs, kernel, kernel]}
    return {**shapes, f'{name}.bias': [outputs]} if bias else shapes


def _norm(name: str, channels: int) -> Shapes:
    return {f'{name}.weight': [channels], f'{name}.bias': [channels]}


def _conv_gn(name: str, outputs: int, inputs: int, kernel: int = 3) -> Shapes:
    return {**_conv(f'{name}.conv', outputs, inputs, kernel, False), **_norm(f'{name}.gn', outputs)}


def _detector(classwise: bool, v2: bool) -> Shapes:
    shapes: Shapes = {}
    for tower in ('cls_convs', 'reg_convs'):
        for index in (0, 1):
            shapes.update(_conv_gn(f'detector.{tower}.{index}', 256, 256))
        shapes.update(_conv(f'detector.{tower}.1.conv.conv_offset', 27, 256, 3, True))
    for branch, channels in (('cls', 256), ('centerness', 64), ('emb', 256), ('offset', 256)):
        shapes.update(_conv_gn(f'detector.conv_{branch}_prev.0', channels, 256))
    shapes.update(_conv('detector.conv_cls', 10, 256, 1, True))
    shapes.update(_conv('detector.conv_centerness', 1, 64, 1, True))
    shapes.update(_conv('detector.conv_offset', 20 if classwise else 2, 256, 1, True))
    shapes.update(_conv_gn('detector.conv_emb', 256, 256, 1))
    if v2:
        shapes.update(_conv_gn('detector.conv_bbox_prev.0', 256, 256))
        shapes.update(_conv('detector.conv_bbox', 4, 256, 1, True))
    return shapes


def _attention(points: int) -> Shapes:
    return {
        **_linear('attention_sampler.sampling_offsets', 8 * points * 2, 256),
        **_linear('attention_sampler.out_proj', 256, 256),
        **_norm('attention_sampler.layer_norms.0', 256),
        **_norm('attention_sampler.layer_norms.1', 256),
        **_linear('attention_sampler.ffn.layers.0.0', 1024, 256),
        **_linear('attention_sampler.ffn.layers.1', 256, 1024),
    }


def _points(stage: str) -> Shapes:
    prefix = f'pts_trans.{stage}'
    return {
        f'obj_query_scale.{stage}scale': [],
        f'{prefix}attentions.0.attn.in_proj_weight': [96, 32],
        f'{prefix}attentions.0.attn.in_proj_bias': [96],
        **_linear(f'{prefix}attentions.0.attn.out_proj', 32, 32),
        **_linear(f'{prefix}ffns.0.layers.0.0', 256, 32),
        **_linear(f'{prefix}ffns.0.layers.1', 32, 256),
        **_norm(f'{prefix}norms.0', 32),
        **_norm(f'{prefix}norms.1', 32),
        **_linear('x2d_pos_enc', 32, 2),
    }


def _auxiliary(v2: bool, loss_proj: bool) -> Shapes:
    main, aux = ('corr_reg', 'corr_reg_aux') if v2 else ('corr_regs.1', 'corr_regs.0')
    shapes: Shapes = {}
    for name in (main, aux):
        shapes.update({f'{name}.weight': [8, 5, 32], f'{name}.bias': [8, 5]})
    if loss_proj:
        shapes['loss_proj.mean_inv_std'] = []
    if v2:
        for index, outputs in ((0, 256), (2, 256), (4, 8)):
            shapes.update(_linear(f'depth_branch.{index}', outputs, 256))
        for name in ('loss_regr', 'loss_depth'):
            shapes.update({f'{name}.mean_inv_std': [], f'{name}.log_sigma': [1]})
    return shapes


def head_shapes(version: str) -> Shapes:
    """Name -> shape of every entry of the official head's state, without `bbox_head.`."""
    options = {
        **dict(points=16, levels=3, classwise=False, v2=False, loss_proj=True),
        **VERSIONS[version],
    }
    v2, stage = options['v2'], '' if options['v2'] else '0.'
    shapes = {
        **_detector(options['classwise'], v2),
        **_conv('convs.0.conv', 256, 256, 3, False),
        **_conv('convs.1.conv', 128, 256, 3, False),
        **_conv('convs.2.conv', 128, 128, 3, False),
        **_conv_gn('conv_upsampled', 256, 128 * options['levels'], 1),
        **_conv('k_proj', 256, 512, 1, True),
        **_conv('v_proj', 256, 256, 1, True),
        'query_scale.scale': [],
        **_linear('query_proj', 256, 256),
        **_attention(options['points']),
        **_linear('w2d_scale_branch' if v2 else 'scale_branch', 2, 256),
        **_linear('score_branch', 1, 256),
        **_linear('velo_branch', 2, 256),
        **_linear('attr_branch', 9, 256),
        **_linear('dim_branch', 30, 256),
        **_linear('pred_fc.0', 256, 256),
        **_linear('pred_fc.2', 256, 256),
        **_points(stage),
        **_auxiliary(v2, options['loss_proj']),
        f'loss_pose.{stage}norm_factor': [],
    }
    if options['classwise']:
        shapes['cls_emb'] = [10, 256]
    return shapes
