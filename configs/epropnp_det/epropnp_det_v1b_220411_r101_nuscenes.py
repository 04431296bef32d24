# EPro-PnP-Det v1b of 2022-04-11 on nuScenes. Effective batch 2 GPUs x 6 images.
_base_ = [
    '../_base_/models/epropnp_det_v1b_220411.py',
    '../_base_/datasets/nuscenes_mono3d.py',
    '../_base_/schedules/adamw_12e_v1.py',
    '../_base_/default_runtime.py',
]
