# EPro-PnP-Det v2 (docs/method.md 2 and 8): ResNet-101 with DCNv2, strides 8-128, 8 heads x 16
# points.
strides = (8, 16, 32, 64, 128)
gn_cfg = dict(type='GN', num_groups=32, requires_grad=True)
model = dict(
    type='EProPnPDet',
    backbone=dict(
        type='ResNet',
        depth=101,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, False, True, True),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
    neck=dict(
        type='FPN',
        in_channels=[512, 1024, 2048],
        out_channels=256,
        start_level=0,
        add_extra_convs='on_output',
        num_outs=5,
        relu_before_extra_convs=True,
    ),
    bbox_head=dict(
        type='EProPnPHead',
        samples_per_img=48,
        detector=dict(
            type='FCOSEmbeddingHead',
            num_classes=10,
            in_channels=256,
            feat_channels=256,
            emb_channels=256,
            centerness_channels=64,
            strides=strides,
            dcn_on_last_conv=True,
            class_aware_center=True,
            with_bbox=True,
            norm_cfg=gn_cfg,
        ),
        correspondence=dict(
            type='CorrespondenceHead',
            num_classes=10,
            num_attrs=9,
            in_channels=256,
            embed_dims=256,
            level_channels=(256, 128, 128),
            num_levels=3,
            stride=8,
            num_heads=8,
            num_points=16,
            class_embedding=True,
            norm_cfg=gn_cfg,
            # nuScenes statistics of length, height, width (docs/method.md 2.5).
            dim_coder=dict(
                type='MultiClassLogDimCoder',
                means=[
                    (4.62, 1.73, 1.96),  # car
                    (6.94, 2.84, 2.52),  # truck
                    (12.56, 3.89, 2.94),  # trailer
                    (11.22, 3.50, 2.95),  # bus
                    (6.68, 3.21, 2.85),  # construction_vehicle
                    (1.70, 1.29, 0.61),  # bicycle
                    (2.11, 1.46, 0.78),  # motorcycle
                    (0.73, 1.77, 0.67),  # pedestrian
                    (0.41, 1.08, 0.41),  # traffic_cone
                    (0.50, 0.99, 2.52),  # barrier
                ],
                stds=[
                    (0.46, 0.24, 0.16),
                    (2.11, 0.84, 0.45),
                    (4.50, 0.77, 0.54),
                    (2.06, 0.49, 0.33),
                    (3.23, 0.93, 1.07),
                    (0.26, 0.35, 0.16),
                    (0.33, 0.29, 0.17),
                    (0.19, 0.19, 0.14),
                    (0.14, 0.27, 0.13),
                    (0.17, 0.15, 0.62),
                ],
            ),
        ),
        pnp=dict(
            type='EProPnP4DoF',
            mc_samples=128,
            num_iter=4,
            normalize=True,
            cost=dict(type='AdaptiveHuberCost', relative_delta=0.5),
            solver=dict(type='LMSolver', num_iter=10),
            init_solver=dict(type='RSLMSolver', num_points=16, num_proposals=64, num_iter=3),
        ),
        pnp_test=dict(mc_samples=512, solver=dict(type='LMSolver', num_iter=5)),
        camera=dict(type='PerspectiveCamera', border=200.0, pixel_center=0.5, z_min=0.1),
        losses=dict(
            type='ObjectLosses',
            loss_dim=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
            loss_pose=dict(type='MonteCarloPoseLoss', momentum=0.01, loss_weight=0.5),
            loss_score=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
            loss_reg_pos=dict(type='SmoothL1Loss', beta=1.0, loss_weight=0.05),
            loss_reg_orient=dict(type='CosineAngleLoss', loss_weight=0.05),
            loss_velo=dict(type='SmoothL1Loss', beta=1.0, loss_weight=0.05),
            loss_attr=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.5),
        ),
        # Dense supervision of training, the last two by LiDAR (docs/method.md 2.6, 3.2, 8).
        auxiliary=dict(
            type='AuxiliaryHead',
            roi_size=14,
            depth_modes=4,
            loss_proj=dict(type='MixtureNLLLoss', huber_delta=2.0, loss_weight=0.5),
            loss_regr=dict(type='MixtureNLLLoss', huber_delta=2.0, init_sigma=0.2, loss_weight=2.5),
            loss_depth=dict(
                type='MixtureNLLLoss', huber_delta=0.3, init_sigma=0.3, loss_weight=1.5
            ),
        ),
        # nuScenes attributes by class (docs/method.md 4.6); 8 is "none".
        class_attributes=[
            (5, 6, 7),  # car: moving, parked, stopped
            (5, 6, 7),  # truck
            (5, 6, 7),  # trailer
            (5, 6, 7),  # bus
            (5, 6, 7),  # construction_vehicle
            (0, 1),  # bicycle: with_rider, without_rider
            (0, 1),  # motorcycle
            (2, 3, 4),  # pedestrian: moving, standing, sitting_lying_down
            (8,),  # traffic_cone
            (8,),  # barrier
        ],
    ),
    train_cfg=dict(),
    test_cfg=dict(
        score_thr=0.04, max_per_img=256, nms_iou2d=0.8, nms_iou_bev=0.25, fast_mode=True, seed=0
    ),
)
