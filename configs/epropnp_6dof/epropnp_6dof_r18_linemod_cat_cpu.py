# A small network for one LineMOD object, learned from 117 real images and new views of them on a
# single processor core; docs/6dof.md says how the data are made and what it reaches.
_base_ = ['../_base_/default_runtime.py']
custom_imports = dict(imports=['epropnp_6dof'], allow_failed_imports=False)
data_root = 'data/linemod_cat/'
prepared = 'data/linemod_cat_prepared/'
obj_ids = [6]
# What inference must know of the objects, so that it needs no mesh: mm, as in BOP.
objects = {
    6: dict(diameter=154.546, half_extents=(33.50535, 63.8165, 58.7285), center=(0.0, 0.0, 0.0002))
}
crop = dict(resolution=128, grid_size=32)
num_points = 128

model = dict(
    type='ObjectPoseEstimator',
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=32,
        stem_channels=32,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN'),
        norm_eval=False,
        style='pytorch',
        init_cfg=[
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer='BatchNorm2d'),
        ],
    ),
    head=dict(
        type='CorrespondenceHead',
        in_channels=256,
        channels=(128, 96, 64),
        num_convs=1,
        lateral_channels=(128, 64, 32),
    ),
    weights='softmax_per_cell',
    losses=dict(
        coordinate=1.0, coordinate_over_mask=True, monte_carlo=0.2, translation=1.0, rotation=1.0
    ),
    pnp=dict(mc_samples=128, num_iter=4),
    train_cfg=dict(num_points=num_points),
    test_cfg=dict(num_train_points=num_points, proposals=64),
)

augmentation = dict(
    jitter=dict(shift=0.2, zoom=0.25, max_angle=0.5),
    backgrounds=[prepared + 'backgrounds'],
    color=0.7,
    occlusion=0.3,
)
real = dict(
    type='ObjectPoseDataset',
    split=data_root + 'test',
    image_ids=(data_root + 'splits.json', 'train'),
    obj_ids=obj_ids,
    models=data_root + 'models',
    coordinate_maps=prepared + 'coordinate_maps',
    background_prob=0.5,
    repeat=22,
    **crop,
    **augmentation,
)
views = dict(
    type='ObjectPoseDataset',
    split=prepared + 'views',
    obj_ids=obj_ids,
    models=data_root + 'models',
    coordinate_maps=prepared + 'view_coordinate_maps',
    background_prob=1.0,
    **crop,
    **augmentation,
)
test = dict(
    type='ObjectPoseDataset',
    split=data_root + 'test',
    image_ids=(data_root + 'splits.json', 'test'),
    obj_ids=obj_ids,
    models=data_root + 'models',
    box_jitter=0.1,
    test_mode=True,
    test_crops=5,
    **crop,
)
data = dict(
    samples_per_gpu=16,
    workers_per_gpu=0,
    persistent_workers=False,
    train=[real, views],
    val=test,
    test=test,
    val_dataloader=dict(samples_per_gpu=50, workers_per_gpu=0),
    test_dataloader=dict(samples_per_gpu=50, workers_per_gpu=0),
)

optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.01)
optimizer_config = dict(type='NanSafeOptimizerHook', grad_clip=dict(max_norm=10.0))
total_iters = 4000
lr_config = dict(
    policy='CosineAnnealing', by_epoch=False, min_lr=1e-6, warmup='linear', warmup_iters=200
)
runner = dict(type='ResumableIterRunner', max_iters=total_iters)
checkpoint_config = dict(by_epoch=False, interval=500, max_keep_ckpts=2)
evaluation = dict(interval=1000)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
