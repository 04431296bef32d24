# EPro-PnP-Det v1 without the reprojection loss: the ablation without any dense supervision.
_base_ = './epropnp_det_v1_basic_r101_nuscenes.py'
model = dict(bbox_head=dict(auxiliary=None))
