# For official v2 checkpoints only: their weights have seen validity ramps that lie one cell too far
# inside at the left and upper border (docs/differences.md W12), and boxes of ReLU distances
# (docs/differences.md W22).
_base_ = './epropnp_det_v2_r101_nuscenes.py'
model = dict(
    bbox_head=dict(
        detector=dict(bbox_activation='relu', bbox_inside_only=False),
        correspondence=dict(border_ramp='official'),
    )
)
