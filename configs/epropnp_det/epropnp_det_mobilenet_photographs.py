# The detector for photographs (docs/results.md): the one for drawings, continued on drawings and
# photographs together. Windows are drawn by the focal length that they have, so that objects of all
# cameras appear at the same sizes; test images lie near the middle of that range.
from epropnp_det.datasets import recipe

_base_ = './epropnp_det_mobilenet_rich_cpu.py'
train_steps = recipe.window_steps(
    size=(256, 160),
    focal=(250, 800),
    class_weights=(2, 2, 2, 2, 2, 2, 2, 1, 1, 1),
    light=dict(brightness_delta=32, contrast_range=(0.6, 1.4), saturation_range=(0.5, 1.5)),
)
train_pipeline = recipe.train_pipeline(train_steps, recipe.CLASSES, to_float32=True)
test_steps = recipe.whole_steps(focal=400.0)
test_pipeline = recipe.test_pipeline(test_steps, recipe.CLASSES)


def _part(**options):
    part = recipe.mono3d_data(**options)
    part['train'].update(pipeline=train_pipeline)
    part['val'].update(pipeline=test_pipeline)
    part['test'].update(pipeline=test_pipeline)
    return part


kitti = _part(
    data_root='data/kitti/',
    train_file='ImageSets/photographs_train.txt',
    val_file='ImageSets/photographs_val.txt',
    dataset=dict(type='KittiAsNuScenesDataset'),
)
front = _part(data_root='data/nuscenes_front/')
drawn = [_part(data_root=f'data/drawn/{name}/') for name in ('a', 'b')]
# Seven of ten windows are of photographs, of which there are few: their images count several times.
data = dict(
    _delete_=True,
    samples_per_gpu=12,
    workers_per_gpu=1,
    train=[
        dict(type='RepeatDataset', times=84, dataset=kitti['train']),
        dict(type='RepeatDataset', times=48, dataset=front['train']),
        *(part['train'] for part in drawn),
    ],
    val=kitti['val'],
    test=kitti['test'],
)
del kitti, front, drawn
# The weights of the detector for drawings come by `--load-from`.
model = dict(
    backbone=dict(init_cfg=None),
    bbox_head=dict(pnp_test=dict(init_solver=dict(num_points=16, num_proposals=64))),
    # As epropnp_det_mobilenet_rich.py, but for the ground, which needs the mounting of a camera,
    # and the mirrored image, which brought nothing here (docs/results.md).
    test_cfg=dict(
        nms_iou2d=0.6, nms_iou_bev=0.1, mc_score_ratio=0.5, class_rivalry=0.5, heading_weight=2.0
    ),
)
optimizer = dict(lr=1.5e-3)
lr_config = dict(warmup_iters=40)
runner = dict(max_iters=1400)
checkpoint_config = dict(interval=50)
