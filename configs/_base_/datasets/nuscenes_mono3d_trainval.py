# nuScenes for submission: trains on the train and val splits, tests the test split. What is logged
# on val during training says nothing about accuracy, since it is trained on.
_base_ = './nuscenes_mono3d.py'
data_root = 'data/nuscenes/'
val_part = dict(
    type={{_base_.data.train.type}},
    data_root=data_root,
    ann_file=data_root + 'nuscenes_infos_val_mono3d.coco.json',
    img_prefix=data_root,
    classes={{_base_.class_names}},
    pipeline={{_base_.data.train.pipeline}},
    annotation_filter={{_base_.data.train.annotation_filter}},
    modality={{_base_.data.train.modality}},
    test_mode=False,
    box_type_3d='Camera',
)
data = dict(
    train=dict(_delete_=True, type='ConcatDataset', datasets=[{{_base_.data.train}}, val_part]),
    test=dict(ann_file=data_root + 'nuscenes_infos_test_mono3d.coco.json'),
)
