# mmdet3d's own FCOS3D on the same crops, backbone, neck, optimiser and steps as
# epropnp_det_crops.py; as fcos3d_small.py, its class is untouched, its losses have the weights that
# mmdet3d publishes, and the flip mirrors boxes and intrinsics.
from epropnp_det.datasets import recipe

_base_ = './epropnp_det_crops.py'
data_root = 'work_dirs/compare_on_crops/objects/'
class_names = ['car']
train_pipeline = recipe.train_pipeline(
    [
        dict(type='ZeroUnknownVelocities'),
        dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    ],
    class_names,
    pad=0,
)
train_pipeline[-1] = dict(
    type='Collect3D', keys=[key for key in recipe.TRAIN_KEYS if key != 'gt_bboxes_ignore']
)
test_pipeline = recipe.test_pipeline(
    [dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.0)], class_names, pad=0
)
test_pipeline[-1]['transforms'][-1] = dict(type='Collect3D', keys=['img'])
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
model = dict(
    type='FCOSMono3D',
    bbox_head=dict(
        _delete_=True,
        type='FCOSMono3DHead',
        num_classes=1,
        in_channels=64,
        feat_channels=64,
        stacked_convs=1,
        strides=(8, 16, 32),
        # Cars of at most 70 pixels are asked at stride 8, as EPro-PnP does, at 9 cells each.
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
        # Mean and deviation of depths and the mean car, as mmdet3d's PGD has them: from 1 m and
        # 1 x 1 x 1 m, where it starts otherwise, hundreds of steps would go into the way there.
        bbox_coder=dict(
            type='FCOS3DBBoxCoder',
            code_size=9,
            base_depths=((28.0, 8.0),),
            base_dims=((4.62, 1.73, 1.96),),
        ),
        norm_on_bbox=True,
        centerness_on_reg=True,
        center_sampling=True,
        conv_bias=True,
        dcn_on_last_conv=False,
    ),
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
        nms_pre=1000,
        nms_thr=0.8,
        score_thr=0.01,
        min_bbox_size=0,
        max_per_img=32,
    ),
)
