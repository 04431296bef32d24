# EPro-PnP-Det v1 with regression of object coordinates to LiDAR points (docs/method.md 3.4).
_base_ = './epropnp_det_v1.py'
model = dict(
    bbox_head=dict(
        auxiliary=dict(
            loss_regr=dict(_delete_=True, type='SmoothL1Loss', beta=0.05, loss_weight=0.25)
        )
    )
)
