# epropnp_det_small.py with what the detector that ships has besides
# (../epropnp_det/epropnp_det_mobilenet_rich.py): its features are asked for the heading and the
# apparent size directly while it trains, as FCOS3D's are, and the answer for the heading joins the
# solver's. Weights are those that ship; nothing was tuned here. The ground has no part.
_base_ = './epropnp_det_small.py'
model = dict(
    bbox_head=dict(
        losses=dict(
            loss_pose=dict(loss_weight=1.0),
            loss_reg_pos=dict(loss_weight=0.25),
            loss_reg_orient=dict(loss_weight=0.3),
        ),
        heading=dict(
            type='HeadingBranch', loss=dict(type='SmoothL1Loss', beta=1.0, loss_weight=8.0)
        ),
        apparent_size=dict(
            type='ApparentSizeBranch', loss=dict(type='SmoothL1Loss', beta=0.1, loss_weight=8.0)
        ),
    ),
    test_cfg=dict(heading_weight=2.0),
)
