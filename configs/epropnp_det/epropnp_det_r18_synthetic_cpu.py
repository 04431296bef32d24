# The demo: a small network on the synthetic nuScenes of tools/make_synthetic_nuscenes.py at scale
# 0.24, trained from scratch on two CPU cores in minutes. `make demo-train` runs it.
from epropnp_det.datasets.recipe import mono3d_data

_base_ = [
    '../_base_/models/epropnp_det_small.py',
    '../_base_/datasets/nuscenes_mono3d.py',
    '../_base_/schedules/adamw_cpu.py',
    '../_base_/default_runtime.py',
]
data_root = 'work_dirs/demo_train/data/'
# Rendered at scale 0.24: 384 x 216, of which the top 56 rows show sky.
data = mono3d_data(data_root, crop_top=56, samples_per_gpu=4, workers_per_gpu=1)
train_pipeline = data['train']['pipeline']
# Residuals and bounds count in original pixels, of which these images have a quarter per metre.
model = dict(
    bbox_head=dict(correspondence=dict(initial_scale=4.0), camera=dict(border=50.0)),
)
runner = dict(type='ResumableEpochRunner', max_epochs=7)
evaluation = dict(interval=7)
checkpoint_config = dict(interval=2, max_keep_ckpts=1)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook')])
