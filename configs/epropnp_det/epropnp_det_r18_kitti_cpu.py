# The small network on KITTI images at half size, on two CPU cores; tools/export_kitti.py writes
# synthetic images in this layout, without a download (docs/training.md).
from epropnp_det.datasets import recipe

_base_ = [
    '../_base_/models/epropnp_det_small.py',
    '../_base_/datasets/kitti_mono3d.py',
    '../_base_/schedules/adamw_cpu.py',
    '../_base_/default_runtime.py',
]
data_root = 'data/kitti/'
data = recipe.kitti_data(data_root, scale=0.5, samples_per_gpu=4, workers_per_gpu=1)
train_pipeline = data['train']['pipeline']
model = dict(bbox_head=recipe.kitti_head())
find_unused_parameters = True  # those of velocities and attributes
runner = dict(type='ResumableEpochRunner', max_epochs=10)
evaluation = dict(interval=10)
checkpoint_config = dict(interval=2, max_keep_ckpts=1)
log_config = dict(interval=20, hooks=[dict(type='TextLoggerHook')])
