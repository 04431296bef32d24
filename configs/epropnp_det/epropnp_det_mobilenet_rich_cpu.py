# The detector that ships (docs/results.md): two hours of one CPU core, on windows around objects of
# `--preset rich` scenes. MobileNetV2 starts from ImageNet (tools/convert_mobilenet.py) and costs as
# much per step as the narrow ResNet-18, because nothing goes back through its first stages.
from epropnp_det.datasets import recipe
from epropnp_det.models import blocks

_base_ = './epropnp_det_r18_synthetic_cpu.py'
data_root = 'work_dirs/proof/train/'
val_root = 'work_dirs/proof/val/'
data = recipe.mono3d_data(data_root, val_root=val_root, samples_per_gpu=12, workers_per_gpu=1)
# A fifth of an image costs a fifth of its time; vehicles of the rare kinds are looked at twice as
# often as the others.
train_steps = recipe.window_steps(
    size=(192, 128), zoom=(0.6, 1.8), class_weights=(1, 2, 2, 2, 2, 2, 2, 1, 1, 1)
)
# Images of any size as 640 pixels of width, which the zoom of training is around.
test_steps = recipe.whole_steps(img_scale=(640, 4096), keep_ratio=True)
train_pipeline = recipe.train_pipeline(train_steps, recipe.CLASSES, to_float32=True)
data['train'].update(pipeline=train_pipeline)
for part in ('val', 'test'):
    data[part].update(pipeline=recipe.test_pipeline(test_steps, recipe.CLASSES))
del part
model = dict(
    **blocks.mobilenet_v2(),
    bbox_head=dict(
        samples_per_img=8,
        detector=dict(with_bbox=False),
        correspondence=dict(
            initial_scale=4.0,
            # Near and far objects weigh the same, and what the level of an object's size knows of
            # it reaches its points from the start.
            reference_spread=10.0,
            embedding_gain=1.0,
        ),
        **blocks.direct_branches(),
        **blocks.heavy_pose_losses(),
    ),
)
optimizer = dict(
    lr=2e-3,
    betas=(0.9, 0.99),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.25)}),
)
lr_config = dict(
    _delete_=True,
    policy='CosineAnnealing',
    min_lr_ratio=1e-3,
    by_epoch=False,
    warmup='linear',
    warmup_iters=150,
    warmup_ratio=0.05,
)
runner = dict(_delete_=True, type='ResumableIterRunner', max_iters=5000)
checkpoint_config = dict(interval=150, max_keep_ckpts=2, by_epoch=False)
log_config = dict(interval=25)
