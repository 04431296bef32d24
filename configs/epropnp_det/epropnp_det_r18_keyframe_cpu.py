# Overfits the small network to one real nuScenes keyframe, six images at half size, on two cores:
# the whole road on real input. tools/extract_keyframe.py makes the data from a nuScenes,
# demo/overfit_keyframe.py runs it.
_base_ = ['./epropnp_det_r18_synthetic_cpu.py']
data_root = 'data/nuscenes_keyframe/'
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
class_names = {{_base_.class_names}}
train_keys = {{_base_.train_keys}}
meta_keys = {{_base_.meta_keys}}
# 1600 x 900 at half size, the upper quarter cut off; no flips, since this is about six images only.
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
    dict(type='ResizeMono3D', scale=0.5),
    dict(type='CropMono3D', top=98),
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
            dict(type='ResizeMono3D', scale=0.5),
            dict(type='FlipMono3D', flip_ratio=0.0),
            dict(type='CropMono3D', top=98),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='DefaultFormatBundle3D', class_names=class_names, with_label=False),
            dict(type='Collect3D', keys=['img'], meta_keys=meta_keys),
        ],
    ),
]
data = dict(
    samples_per_gpu=3,
    train=dict(
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_mono3d.coco.json',
        img_prefix=data_root,
        pipeline=train_pipeline,
    ),
    val=dict(
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_mono3d.coco.json',
        img_prefix=data_root,
        pipeline=test_pipeline,
    ),
    test=dict(
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_mono3d.coco.json',
        img_prefix=data_root,
        pipeline=test_pipeline,
    ),
)
model = dict(
    bbox_head=dict(
        samples_per_img=24,
        correspondence=dict(initial_scale=1.0),
        camera=dict(border=200.0),
    ),
    test_cfg=dict(max_per_img=128),
)
runner = dict(_delete_=True, type='ResumableIterRunner', max_iters=600)
checkpoint_config = dict(interval=200, max_keep_ckpts=1, by_epoch=False)
