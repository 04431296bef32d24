# epropnp_det_crops.py with what the detector that ships has besides
# (../epropnp_det/epropnp_det_mobilenet_rich_cpu.py): its features are asked for the heading and the
# apparent size directly while it trains, as FCOS3D's are, and points start wide.
_base_ = './epropnp_det_crops.py'
model = dict(
    bbox_head=dict(
        correspondence=dict(reference_spread=10.0, embedding_gain=1.0),
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
    )
)
