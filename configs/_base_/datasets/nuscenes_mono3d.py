# nuScenes, one camera image per item, in mmdet3d's stock `*_mono3d.coco.json` format.
from epropnp_det.datasets import recipe

class_names = recipe.CLASSES
train_keys, meta_keys = recipe.TRAIN_KEYS, recipe.META_KEYS
data_root = 'data/nuscenes/'
# The top 228 rows show sky (docs/method.md 6.3).
data = recipe.mono3d_data(data_root, crop_top=228, lidar={}, samples_per_gpu=6, workers_per_gpu=4)
# What mmdet3d's browse_dataset.py asks for. It shows eval_pipeline, to which it adds the
# annotations and the keys of train_pipeline.
dataset_type = data['train']['type']
train_pipeline = data['train']['pipeline']
eval_pipeline = [
    dict(type='LoadImageMono3D'),
    dict(type='LoadLidarMono3D', missing_ok=True),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(type='Collect3D', keys=['img'], meta_keys=meta_keys),
]
