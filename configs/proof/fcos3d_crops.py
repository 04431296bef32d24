# mmdet3d's own FCOS3D on the same crops, backbone, neck, optimiser and steps as
# epropnp_det_crops.py; as fcos3d_small.py, its class is untouched, its losses have the weights that
# mmdet3d publishes, and the flip mirrors boxes and intrinsics.
from epropnp_det.datasets import recipe
from epropnp_det.models import blocks

_base_ = './epropnp_det_crops.py'
data_root = 'work_dirs/compare_on_crops/objects/'
class_names = ['car']
train_pipeline, test_pipeline = recipe.stock_pipelines([], class_names, pad=0)
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
model = blocks.fcos3d(
    base_depths=((28.0, 8.0),),
    base_dims=((4.62, 1.73, 1.96),),
    nms_pre=1000,
    score_thr=0.01,
    max_per_img=32,
)
