# nuScenes, one camera image per item, in mmdet3d's stock `*_mono3d.coco.json` format.
dataset_type = 'NuScenesEProPnPDataset'
data_root = 'data/nuscenes/'
class_names = [
    'car',
    'truck',
    'trailer',
    'bus',
    'construction_vehicle',
    'bicycle',
    'motorcycle',
    'pedestrian',
    'traffic_cone',
    'barrier',
]
input_modality = dict(
    use_lidar=False, use_camera=True, use_radar=False, use_map=False, use_external=False
)
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
train_keys = [
    'img',
    'gt_bboxes',
    'gt_labels',
    'attr_labels',
    'gt_bboxes_3d',
    'gt_labels_3d',
    'centers2d',
    'depths',
    'gt_bboxes_ignore',
]
lidar_train_keys = [*train_keys, 'lidar_points']
meta_keys = [
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
# The top 228 rows show sky (docs/method.md 6.3).
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
    dict(type='CropMono3D', top=228),
    # For the auxiliary losses only; without LiDAR in the annotation file they are zero.
    dict(type='LoadLidarMono3D'),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size_divisor=32),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(type='Collect3D', keys=lidar_train_keys, meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='LoadImageMono3D'),
    dict(
        type='MultiScaleFlipAug',
        scale_factor=1.0,
        flip=False,
        transforms=[
            dict(type='FlipMono3D', flip_ratio=0.0),
            dict(type='CropMono3D', top=228),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='DefaultFormatBundle3D', class_names=class_names, with_label=False),
            dict(type='Collect3D', keys=['img'], meta_keys=meta_keys),
        ],
    ),
]
# What mmdet3d's browse_dataset.py shows: it adds the annotations and what training collects.
eval_pipeline = [
    dict(type='LoadImageMono3D'),
    dict(type='LoadLidarMono3D', missing_ok=True),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(type='Collect3D', keys=['img'], meta_keys=meta_keys),
]
data = dict(
    samples_per_gpu=6,
    workers_per_gpu=4,
    train=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_train_mono3d.coco.json',
        img_prefix=data_root,
        classes=class_names,
        pipeline=train_pipeline,
        # docs/method.md 6.2; what fails is ignored, not trained as background
        annotation_filter=dict(min_visibility=2, max_truncation=0.8, min_box_size=4),
        modality=input_modality,
        test_mode=False,
        box_type_3d='Camera',
    ),
    val=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_val_mono3d.coco.json',
        img_prefix=data_root,
        classes=class_names,
        pipeline=test_pipeline,
        modality=input_modality,
        test_mode=True,
        box_type_3d='Camera',
    ),
    test=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_val_mono3d.coco.json',
        img_prefix=data_root,
        classes=class_names,
        pipeline=test_pipeline,
        modality=input_modality,
        test_mode=True,
        box_type_3d='Camera',
    ),
)
