# EPro-PnP-Det v2 trained on the train and val splits, for submission of the test split.
_base_ = [
    '../_base_/models/epropnp_det_v2.py',
    '../_base_/datasets/nuscenes_mono3d_trainval.py',
    '../_base_/schedules/adamw_12e.py',
    '../_base_/default_runtime.py',
]
