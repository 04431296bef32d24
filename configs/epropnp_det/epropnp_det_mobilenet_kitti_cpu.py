# KITTI in minutes of one CPU core: the shipped detector goes on from its weights with KITTI's three
# classes, for which classification, class embedding and extents start anew.
# tools/export_kitti.py writes synthetic images in this layout (docs/training.md).
from epropnp_det.datasets import recipe

_base_ = './epropnp_det_mobilenet_rich_cpu.py'
data_root = 'data/kitti/'
val_root = data_root
data = recipe.kitti_data(data_root, samples_per_gpu=12, workers_per_gpu=1)
class_names = data['train']['classes']
train_steps = recipe.window_steps(size=(192, 128), zoom=(0.6, 1.8), class_weights=(2, 2, 1))
train_pipeline = recipe.train_pipeline(
    train_steps, class_names, to_float32=True, keys=recipe.KITTI_TRAIN_KEYS
)
data['train'].update(pipeline=train_pipeline)
test_steps = recipe.whole_steps(img_scale=(640, 4096), keep_ratio=True)
for part in ('val', 'test'):
    data[part].update(pipeline=recipe.test_pipeline(test_steps, class_names))
del part
model = dict(backbone=dict(init_cfg=None), bbox_head=recipe.kitti_head())
find_unused_parameters = True  # those of velocities and attributes
load_from = 'projects/epropnp_det/weights/epropnp_det_mobilenet_rich-306ab9b0.pth'
optimizer = dict(lr=1e-3)
lr_config = dict(warmup_iters=30)
runner = dict(max_iters=300)
evaluation = dict(interval=100)
checkpoint_config = dict(interval=100)
