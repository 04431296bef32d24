# The detector that ships (docs/results.md), continued on one GPU from the weights that
# epropnp_det_mobilenet_rich_cpu.py gave: more scenes, windows that show image-filling vehicles
# whole, batches that fill a GPU, and all of the backbone trained.
from epropnp_det.datasets import recipe

_base_ = './epropnp_det_mobilenet_rich_cpu.py'
# A fourth of the windows are whole images of 512 px, the others lie around objects.
train_steps = recipe.window_steps(
    size=(512, 288), zoom=(0.8, 2.0), class_weights=(1, 3, 3, 3, 3, 2, 2, 1, 1, 1)
)
train_pipeline = recipe.train_pipeline(train_steps, recipe.CLASSES, to_float32=True)
# As before, and the mirrored image is a second view.
test_steps = recipe.whole_steps(img_scale=(640, 4096), keep_ratio=True)
test_pipeline = recipe.test_pipeline(test_steps, recipe.CLASSES, flip=True)
data = dict(
    samples_per_gpu=64,
    workers_per_gpu=8,
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
model = dict(
    backbone=dict(frozen_stages=-1, init_cfg=None),
    bbox_head=dict(
        samples_per_img=16,
        # Velocities were off by more than 1 m/s, which the benchmark counts as nothing known.
        losses=dict(loss_velo=dict(loss_weight=0.2)),
        # As many and as large subsets as v2 has: with 16 of 8 points the start was luck.
        pnp_test=dict(init_solver=dict(num_points=16, num_proposals=64)),
    ),
    # Half of the 3D score is what the posterior says, a second box around the same pixels is not a
    # second object, one of another class is a rival, objects stand on the ground, and the direct
    # question for the heading counts (docs/results.md). Drawn vehicles are level, and most drawn
    # streets are.
    test_cfg=dict(
        nms_iou2d=0.6,
        nms_iou_bev=0.1,
        mc_score_ratio=0.5,
        class_rivalry=0.5,
        heading_weight=2.0,
        ground=dict(height_std=0.1, slope_std=0.01),
    ),
)
optimizer = dict(lr=2e-3)
lr_config = dict(warmup_iters=100)
runner = dict(max_iters=3000)
