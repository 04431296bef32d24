# EPro-PnP-Det v1b of 2022-04-11 (docs/method.md 3.4): the network of v2 without its auxiliary box
# and depth branches, in integer pixel coordinates.
_base_ = './epropnp_det_v2.py'
pixel_center = 0.0  # the intrinsics count from the centre of the first pixel
model = dict(
    bbox_head=dict(
        detector=dict(
            with_bbox=False,
            # v2 also starts the centre offsets small.
            init_cfg=dict(
                type='Normal',
                layer=[],
                std=0.01,
                override=dict(name='conv_cls', type='Normal', std=0.01, bias=-4.59512),
            ),
        ),
        correspondence=dict(
            x2d_source='sampled', pixel_center=pixel_center, detach_position_code=True
        ),
        pnp=dict(cost=dict(detach_x2d=True)),
        pnp_test=dict(mc_samples=128),
        camera=dict(pixel_center=pixel_center),
        losses=dict(detach_derivative=True),
        auxiliary=dict(
            loss_proj=dict(huber_delta=None),
            loss_regr=dict(_delete_=True, type='SmoothL1Loss', beta=0.05, loss_weight=0.25),
            loss_depth=None,
        ),
    )
)
