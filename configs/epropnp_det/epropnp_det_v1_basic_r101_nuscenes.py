# EPro-PnP-Det v1 basic: no supervision by LiDAR. Effective batch 4 GPUs x 3 images.
_base_ = [
    '../_base_/models/epropnp_det_v1.py',
    '../_base_/datasets/nuscenes_mono3d.py',
    '../_base_/schedules/adamw_12e_v1.py',
    '../_base_/default_runtime.py',
]
data = dict(samples_per_gpu=3)
