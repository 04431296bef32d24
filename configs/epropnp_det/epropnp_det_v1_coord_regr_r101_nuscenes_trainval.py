# EPro-PnP-Det v1 with regression of object coordinates, trained on the train and val splits, for
# submission of the test split.
_base_ = [
    '../_base_/models/epropnp_det_v1_coord_regr.py',
    '../_base_/datasets/nuscenes_mono3d_trainval.py',
    '../_base_/schedules/adamw_12e_v1.py',
    '../_base_/default_runtime.py',
]
data = dict(samples_per_gpu=3)
