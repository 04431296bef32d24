# EPro-PnP-Det v2 on nuScenes: the full network, 12 epochs, effective batch 12 images.
_base_ = [
    '../_base_/models/epropnp_det_v2.py',
    '../_base_/datasets/nuscenes_mono3d.py',
    '../_base_/schedules/adamw_12e.py',
    '../_base_/default_runtime.py',
]
