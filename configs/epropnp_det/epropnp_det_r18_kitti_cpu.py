# The small network on KITTI images at half size, on two CPU cores; tools/export_kitti.py writes
# synthetic images in this layout, without a download (docs/training.md).
_base_ = [
    '../_base_/models/epropnp_det_small.py',
    '../_base_/datasets/kitti_mono3d.py',
    '../_base_/default_runtime.py',
]
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
class_names = {{_base_.class_names}}
train_keys = {{_base_.train_keys}}
meta_keys = {{_base_.meta_keys}}
half_size = dict(type='ResizeMono3D', scale=0.5)
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
    half_size,
    dict(type='FlipMono3D', flip_ratio=0.5),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size_divisor=32),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(type='Collect3D', keys=train_keys, meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='LoadImageMono3D'),
    dict(
        type='MultiScaleFlipAug',
        scale_factor=1.0,
        flip=False,
        transforms=[
            half_size,
            dict(type='FlipMono3D', flip_ratio=0.0),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='DefaultFormatBundle3D', class_names=class_names, with_label=False),
            dict(type='Collect3D', keys=['img'], meta_keys=meta_keys),
        ],
    ),
]
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
model = dict(
    bbox_head=dict(
        detector=dict(num_classes=3),
        correspondence=dict(
            num_classes=3,
            dim_coder=dict(
                means=[(0.84, 1.76, 0.66), (1.76, 1.74, 0.60), (3.88, 1.53, 1.63)],
                stds=[(0.23, 0.11, 0.14), (0.18, 0.09, 0.12), (0.43, 0.14, 0.10)],
            ),
        ),
        losses=dict(loss_velo=None, loss_attr=None),
        class_attributes=None,
    )
)
optimizer = dict(
    type='AdamW',
    lr=1e-3,
    weight_decay=1e-4,
    paramwise_cfg=dict(custom_keys={'scale_branch': dict(lr_mult=0.1)}),
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0, norm_type=2))
lr_config = dict(
    policy='CosineAnnealing', min_lr=0, by_epoch=False, warmup='linear', warmup_iters=50
)
runner = dict(type='ResumableEpochRunner', max_epochs=10)
evaluation = dict(interval=10)
checkpoint_config = dict(interval=2, max_keep_ckpts=1)
log_config = dict(interval=20, hooks=[dict(type='TextLoggerHook')])
