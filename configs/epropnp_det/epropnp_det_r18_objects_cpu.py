# Poses of cars in the 64 x 64 crops of benchmarks/ablation.py, in minutes of a CPU: the small
# network with all losses of v2. The script switches them off.
_base_ = './epropnp_det_r18_synthetic_aux_cpu.py'
data_root = 'work_dirs/ablation/objects/'
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
class_names = ['car']
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
    dict(type='LoadLidarMono3D', max_points=512),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(type='Collect3D', keys=lidar_train_keys, meta_keys=meta_keys),
]
# Held-out objects with their ground truth, which tells where to look for them.
val_pipeline = [step for step in train_pipeline if step['type'] != 'FlipMono3D']
held_out = dict(
    _delete_=True,
    type='NuScenesEProPnPDataset',
    data_root=data_root,
    ann_file=data_root + 'val.json',
    img_prefix=data_root,
    classes=class_names,
    pipeline=val_pipeline,
    annotation_filter=dict(min_visibility=3, max_truncation=0.5, min_box_size=12),
    modality={{_base_.input_modality}},
    test_mode=False,
    box_type_3d='Camera',
)
data = dict(
    samples_per_gpu=16,
    workers_per_gpu=1,
    train=dict(
        data_root=data_root,
        ann_file=data_root + 'train.json',
        img_prefix=data_root,
        classes=class_names,
        pipeline=train_pipeline,
        annotation_filter=dict(min_visibility=3, max_truncation=0.5, min_box_size=12),
    ),
    val=held_out,
    test=held_out,
)
model = dict(
    bbox_head=dict(
        samples_per_img=4,
        detector=dict(num_classes=1),
        correspondence=dict(
            num_classes=1,
            initial_scale=4.0,
            dim_coder=dict(means=[(4.62, 1.73, 1.96)], stds=[(0.46, 0.24, 0.16)]),
        ),
        camera=dict(border=50.0),
        class_attributes=None,
    )
)
lr_config = dict(warmup_iters=30)
runner = dict(_delete_=True, type='ResumableIterRunner', max_iters=800)
checkpoint_config = dict(_delete_=True, interval=200, max_keep_ckpts=1, by_epoch=False)
log_config = dict(interval=50)
