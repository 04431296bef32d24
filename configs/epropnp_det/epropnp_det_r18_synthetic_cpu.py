# The demo: a small network on the synthetic nuScenes of tools/make_synthetic_nuscenes.py at scale
# 0.24, trained from scratch on two CPU cores in minutes. `make demo` runs it.
_base_ = [
    '../_base_/models/epropnp_det_small.py',
    '../_base_/datasets/nuscenes_mono3d.py',
    '../_base_/default_runtime.py',
]
data_root = 'work_dirs/demo/data/'
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
class_names = {{_base_.class_names}}
train_keys = {{_base_.train_keys}}
meta_keys = {{_base_.meta_keys}}
# Rendered at scale 0.24: 384 x 216, of which the top 56 rows show sky.
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
            dict(type='FlipMono3D', flip_ratio=0.0),
            dict(type='CropMono3D', top=56),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='DefaultFormatBundle3D', class_names=class_names, with_label=False),
            dict(type='Collect3D', keys=['img'], meta_keys=meta_keys),
        ],
    ),
]
# Residuals and bounds count in original pixels, of which these images have a quarter per metre.
model = dict(
    bbox_head=dict(correspondence=dict(initial_scale=4.0), camera=dict(border=50.0)),
)
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    train=dict(
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_train_mono3d.coco.json',
        img_prefix=data_root,
        pipeline=train_pipeline,
    ),
    val=dict(
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_val_mono3d.coco.json',
        img_prefix=data_root,
        pipeline=test_pipeline,
    ),
    test=dict(
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_val_mono3d.coco.json',
        img_prefix=data_root,
        pipeline=test_pipeline,
    ),
)
optimizer = dict(
    type='AdamW',
    lr=1e-3,
    weight_decay=1e-4,
    # Weights that shrink before the object coordinates have learned would stop their gradient.
    paramwise_cfg=dict(custom_keys={'scale_branch': dict(lr_mult=0.1)}),
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0, norm_type=2))
lr_config = dict(
    policy='CosineAnnealing', min_lr=0, by_epoch=False, warmup='linear', warmup_iters=50
)
runner = dict(type='ResumableEpochRunner', max_epochs=7)
evaluation = dict(interval=7)
checkpoint_config = dict(interval=2, max_keep_ckpts=1)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook')])
