# EPro-PnP-Det v2 on KITTI's three classes: no velocity, no attribute, no LiDAR supervision.
_base_ = [
    '../_base_/models/epropnp_det_v2.py',
    '../_base_/datasets/kitti_mono3d.py',
    '../_base_/schedules/adamw_12e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    bbox_head=dict(
        detector=dict(num_classes=3),
        correspondence=dict(
            num_classes=3,
            dim_coder=dict(
                # Length, height, width of Pedestrian, Cyclist, Car in the training set.
                means=[(0.84, 1.76, 0.66), (1.76, 1.74, 0.60), (3.88, 1.53, 1.63)],
                stds=[(0.23, 0.11, 0.14), (0.18, 0.09, 0.12), (0.43, 0.14, 0.10)],
            ),
        ),
        losses=dict(loss_velo=None, loss_attr=None),
        auxiliary=dict(loss_depth=None, loss_regr=None),
        class_attributes=None,
    )
)
find_unused_parameters = True  # those of velocities and attributes
lr_config = dict(step=[32, 38])
runner = dict(max_epochs=40)
evaluation = dict(interval=5)
