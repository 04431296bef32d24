# mmdet3d's own PGD, FCOS3D's successor, as fcos3d_small.py: what its published nuScenes config adds
# are a distribution over depths and the 2D box, and the losses of both.
_base_ = './fcos3d_small.py'
model = dict(
    bbox_head=dict(
        type='PGDHead',
        pred_bbox2d=True,
        pred_keypoints=False,
        group_reg_dims=(2, 1, 3, 1, 2, 4),
        reg_branch=((64,), (64,), (64,), (64,), (), (64,)),
        use_depth_classifier=True,
        depth_branch=(64,),
        depth_range=(0, 50),
        depth_unit=10,
        division='uniform',
        depth_bins=6,
        loss_depth=dict(type='SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0),
        bbox_coder=dict(type='PGDBBoxCoder'),
    ),
    train_cfg=dict(
        code_weight=[1.0, 1.0, 0.2, 1.0, 1.0, 1.0, 1.0, 0.05, 0.05, 0.2, 0.2, 0.2, 0.2],
    ),
)
