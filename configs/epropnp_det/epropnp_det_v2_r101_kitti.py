# EPro-PnP-Det v2 on KITTI's three classes: no velocity, no attribute, no LiDAR supervision.
from epropnp_det.datasets import recipe

_base_ = [
    '../_base_/models/epropnp_det_v2.py',
    '../_base_/datasets/kitti_mono3d.py',
    '../_base_/schedules/adamw_12e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(auxiliary=dict(loss_depth=None, loss_regr=None), **recipe.kitti_head()))
find_unused_parameters = True  # those of velocities and attributes
lr_config = dict(step=[32, 38])
runner = dict(max_epochs=40)
evaluation = dict(interval=5)
