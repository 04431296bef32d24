# KITTI objects, from the raw layout (image_2, calib, label_2, and ImageSets beside `training`), or
# from mmdet3d's `kitti_infos_*_mono3d.coco.json` as ann_file.
dataset_type = 'KittiEProPnPDataset'
data_root = 'data/kitti/'
class_names = ['Pedestrian', 'Cyclist', 'Car']
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
train_keys = ['img', 'gt_bboxes', 'gt_labels', 'gt_bboxes_3d', 'gt_labels_3d', 'gt_bboxes_ignore']
meta_keys = [
    'sample_idx',
    'filename',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'flip',
    'cam2img',
    'img2net',
    'img_norm_cfg',
    'box_type_3d',
    'box_mode_3d',
]
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
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='DefaultFormatBundle3D', class_names=class_names, with_label=False),
            dict(type='Collect3D', keys=['img'], meta_keys=meta_keys),
        ],
    ),
]
data = dict(
    samples_per_gpu=6,
    workers_per_gpu=4,
    train=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=data_root + 'ImageSets/train.txt',
        img_prefix=data_root,
        classes=class_names,
        pipeline=train_pipeline,
        # What the benchmark's hardest level leaves out is ignored, not trained as background.
        annotation_filter=dict(max_truncation=0.5, min_box_size=8),
        test_mode=False,
        box_type_3d='Camera',
    ),
    val=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=data_root + 'ImageSets/val.txt',
        img_prefix=data_root,
        classes=class_names,
        pipeline=test_pipeline,
        test_mode=True,
        box_type_3d='Camera',
    ),
    test=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=data_root + 'ImageSets/val.txt',
        img_prefix=data_root,
        classes=class_names,
        pipeline=test_pipeline,
        test_mode=True,
        box_type_3d='Camera',
    ),
)
