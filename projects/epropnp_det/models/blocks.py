"""Blocks of a config's ``model`` that several configs have: each stands here once.

Configs that inherit from different files cannot share them by inheritance, since mmcv takes a name
such as ``model`` from one base only. As with :mod:`epropnp_det.datasets.recipe`, a config imports a
function, and a dumped config holds its result and needs nothing of this module.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ['direct_branches', 'fcos3d', 'heavy_pose_losses', 'mobilenet_v2']


def mobilenet_v2(checkpoint: str = 'work_dirs/proof/mobilenet_v2.pth') -> dict:
    """``backbone`` and ``neck``: MobileNetV2 from ImageNet instead of what the base has.

    Strides 8, 16 and 32; the first stages and all statistics stay as they are.

    Args:
        checkpoint: File of ``tools/convert_mobilenet.py``.
    """
    return dict(
        backbone=dict(
            _delete_=True,
            type='MobileNetV2',
            out_indices=(2, 4, 6),
            frozen_stages=2,
            norm_cfg=dict(type='BN', requires_grad=True),
            norm_eval=True,
            init_cfg=dict(type='Pretrained', checkpoint=checkpoint),
        ),
        neck=dict(in_channels=[32, 96, 320]),
    )


def direct_branches(weight: float = 8.0) -> dict:
    """What a ``bbox_head`` has that asks the features directly for what the solver needs of them.

    Which end of an object is the front, and how large it appears.

    Args:
        weight: Of the loss of either question.
    """
    return dict(
        heading=dict(
            type='HeadingBranch', loss=dict(type='SmoothL1Loss', beta=1.0, loss_weight=weight)
        ),
        apparent_size=dict(
            type='ApparentSizeBranch', loss=dict(type='SmoothL1Loss', beta=0.1, loss_weight=weight)
        ),
    )


def heavy_pose_losses() -> dict:
    """``losses`` of a ``bbox_head``: the solved pose counts more than in the small model."""
    return dict(
        losses=dict(
            loss_pose=dict(loss_weight=1.0),
            loss_reg_pos=dict(loss_weight=0.25),
            loss_reg_orient=dict(loss_weight=0.3),
        )
    )


def fcos3d(
    base_depths: Sequence[tuple[float, float]],
    base_dims: Sequence[tuple[float, float, float]],
    **test_cfg,
) -> dict:
    """A ``model`` of mmdet3d's FCOS3D, as small as EPro-PnP-Det is in configs/proof.

    Its losses have the weights that mmdet3d publishes. The means are those of its PGD: from 1 m and
    1 x 1 x 1 m, where it starts otherwise, hundreds of steps would go into the way there. EPro-PnP
    has the mean sizes, too.

    Args:
        base_depths: Mean and deviation of the depths of each class, in metres.
        base_dims: Mean length, height and width of each class.
        **test_cfg: ``nms_pre``, ``score_thr`` and ``max_per_img``.
    """
    return dict(
        type='FCOSMono3D',
        bbox_head=_fcos3d_head(base_depths, base_dims),
        train_cfg=dict(
            _delete_=True,
            allowed_border=0,
            code_weight=[1.0, 1.0, 0.2, 1.0, 1.0, 1.0, 1.0, 0.05, 0.05],
            pos_weight=-1,
            debug=False,
        ),
        test_cfg=dict(
            _delete_=True,
            use_rotate_nms=True,
            nms_across_levels=False,
            nms_thr=0.8,
            min_bbox_size=0,
            **test_cfg,
        ),
    )


def _fcos3d_head(
    base_depths: Sequence[tuple[float, float]], base_dims: Sequence[tuple[float, float, float]]
) -> dict:
    return dict(
        _delete_=True,
        type='FCOSMono3DHead',
        num_classes=len(base_dims),
        in_channels=64,
        feat_channels=64,
        stacked_convs=1,
        strides=(8, 16, 32),
        # Sizes in pixels that are asked at each stride, as EPro-PnP asks them.
        regress_ranges=((-1, 48), (48, 96), (96, 1e8)),
        norm_cfg=dict(type='GN', num_groups=8, requires_grad=True),
        use_direction_classifier=True,
        diff_rad_by_sin=True,
        pred_attrs=True,
        pred_velo=True,
        dir_offset=0.7854,
        dir_limit_offset=0,
        group_reg_dims=(2, 1, 3, 1, 2),
        cls_branch=(64,),
        reg_branch=((64,), (64,), (64,), (64,), ()),
        dir_branch=(64,),
        attr_branch=(64,),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0),
        loss_dir=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
        loss_attr=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        bbox_coder=dict(
            type='FCOS3DBBoxCoder', code_size=9, base_depths=base_depths, base_dims=base_dims
        ),
        norm_on_bbox=True,
        centerness_on_reg=True,
        center_sampling=True,
        conv_bias=True,
        dcn_on_last_conv=False,
    )
