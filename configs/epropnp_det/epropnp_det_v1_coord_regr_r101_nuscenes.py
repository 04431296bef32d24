# EPro-PnP-Det v1 with regression of object coordinates to LiDAR points.
_base_ = './epropnp_det_v1_basic_r101_nuscenes.py'
