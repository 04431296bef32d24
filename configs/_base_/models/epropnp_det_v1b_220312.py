# EPro-PnP-Det v1b of 2022-03-12 (docs/method.md 3.4): one projected centre for all classes, no
# class embedding, a weaker pose loss with more samples.
_base_ = './epropnp_det_v1b_220411.py'
model = dict(
    bbox_head=dict(
        detector=dict(class_aware_center=False),
        correspondence=dict(class_embedding=False),
        pnp=dict(mc_samples=512),
        pnp_test=dict(mc_samples=512),
        losses=dict(loss_pose=dict(loss_weight=0.15)),
    )
)
