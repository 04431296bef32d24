# EPro-PnP v2 with few numbers, as tools/compare_detectors.py trains it beside FCOS3D: all classes,
# a backbone that starts from ImageNet (tools/convert_mobilenet.py), and no LiDAR, which FCOS3D
# cannot use. Training sees windows around objects, each pixel as it was rendered, since FCOS3D
# knows no zoom; the test sees whole images.
from epropnp_det.datasets import recipe
from epropnp_det.models import blocks

_base_ = '../epropnp_det/epropnp_det_r18_synthetic_cpu.py'
data_root = 'work_dirs/proof/train/'
data = recipe.mono3d_data(data_root, samples_per_gpu=8, workers_per_gpu=1)
# Vehicles of the rare kinds are looked at twice as often as the others.
train_steps = recipe.window_steps(
    size=(192, 128), zoom=(1.0, 1.0), class_weights=(1, 2, 2, 2, 2, 2, 2, 1, 1, 1)
)
data['train']['pipeline'] = recipe.train_pipeline(train_steps, recipe.CLASSES, to_float32=True)
model = dict(
    **blocks.mobilenet_v2(),
    bbox_head=dict(
        samples_per_img=8,
        # Nothing is solved from the 2D box: the branch is for pictures only.
        detector=dict(with_bbox=False),
        correspondence=dict(initial_scale=4.0, reference_spread=10.0, embedding_gain=1.0),
    ),
    test_cfg=dict(score_thr=0.02, max_per_img=100),
)
optimizer = dict(lr=2e-3, paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.25)}))
lr_config = dict(warmup_iters=150)
runner = dict(_delete_=True, type='ResumableIterRunner', max_iters=2400)
checkpoint_config = dict(_delete_=True, interval=100, max_keep_ckpts=1, by_epoch=False)
log_config = dict(interval=25)
