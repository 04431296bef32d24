# The demo's small network with the dense auxiliary losses of v2, which LiDAR supervises.
_base_ = './epropnp_det_r18_synthetic_cpu.py'
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
class_names = {{_base_.class_names}}
lidar_train_keys = {{_base_.lidar_train_keys}}
meta_keys = {{_base_.meta_keys}}
train_pipeline = [
    dict(type='LoadImageMono3D'),
    dict(
        type='LoadAnnotations3D',
        with_bbox=True,
        with_label=True,
        with_attr_label=True,
        with_bbox_3d=True,
        with_label_3d=True,
        with_bbox_depth=True,
    ),
    dict(type='FlipMono3D', flip_ratio=0.5),
    dict(type='CropMono3D', top=56),
    dict(type='LoadLidarMono3D'),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size_divisor=32),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(type='Collect3D', keys=lidar_train_keys, meta_keys=meta_keys),
]
data = dict(train=dict(pipeline=train_pipeline))
model = dict(
    bbox_head=dict(
        auxiliary=dict(
            _delete_=True,
            type='AuxiliaryHead',
            # A few cells of the output stride per object, as in v2 at full size.
            roi_size=7,
            depth_modes=4,
            loss_proj=dict(type='MixtureNLLLoss', huber_delta=2.0, loss_weight=0.5),
            loss_regr=dict(type='MixtureNLLLoss', huber_delta=2.0, init_sigma=0.2, loss_weight=2.5),
            loss_depth=dict(
                type='MixtureNLLLoss', huber_delta=0.3, init_sigma=0.3, loss_weight=1.5
            ),
        )
    )
)
