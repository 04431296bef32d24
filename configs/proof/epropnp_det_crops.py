# EPro-PnP v2 with few numbers on the crops of benchmarks/compare_on_crops.py, which trains it
# beside FCOS3D: cars of one focal length, a backbone that starts from ImageNet
# (tools/convert_mobilenet.py), mirrored at random, and no LiDAR, which FCOS3D cannot use.
from epropnp_det.datasets.recipe import mono3d_data
from epropnp_det.models import blocks

_base_ = '../epropnp_det/epropnp_det_r18_objects_cpu.py'
data_root = 'work_dirs/compare_on_crops/objects/'
data = dict(
    _delete_=True,
    **mono3d_data(
        data_root,
        pad=0,
        class_names=['car'],
        train_file='train.json',
        val_file='tune.json',
        test_file='test.json',
        annotation_filter=dict(min_visibility=3, max_truncation=0.5, min_box_size=8),
        samples_per_gpu=16,
        workers_per_gpu=1,
    ),
)
model = dict(
    **blocks.mobilenet_v2(),
    bbox_head=dict(auxiliary=None),
    # What answers for an object is looked for among all that is detected.
    test_cfg=dict(score_thr=0.01, max_per_img=32),
)
optimizer = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.25)}))
runner = dict(max_iters=900)
log_config = dict(interval=25)
