# EPro-PnP-Det v1 of the CVPR paper (docs/method.md 3.4): correspondences at stride 4 with twice the
# points; objects are still found on strides 8-128.
_base_ = './epropnp_det_v1b_220312.py'
model = dict(
    backbone=dict(out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[256, 512, 1024, 2048], num_outs=6),
    bbox_head=dict(
        correspondence=dict(num_levels=4, stride=4, num_points=32),
        auxiliary=dict(roi_size=28, loss_regr=None),
    ),
)
