# A quarter of the width, crops of 64 pixels: what the comparison of the losses in docs/6dof.md
# trains on a processor core, with --cfg-options model.losses.monte_carlo=0 and so on.
_base_ = ['./epropnp_6dof_r18_linemod_cat_cpu.py']
data_root = 'data/linemod_cat/'
prepared = 'data/linemod_cat_prepared/'
crop = dict(resolution=64, grid_size=16)
options = dict(
    type='ObjectPoseDataset',
    obj_ids=[6],
    models=data_root + 'models',
    jitter=dict(shift=0.2, zoom=0.25, max_angle=0.5),
    backgrounds=[prepared + 'backgrounds'],
    color=0.7,
    occlusion=0.3,
    **crop,
)

model = dict(
    backbone=dict(base_channels=16, stem_channels=16),
    head=dict(in_channels=128, channels=(64, 48, 32), lateral_channels=(64, 32, 16)),
    # Errors of metres at the start would drown the coordinates.
    losses=dict(coordinate=2.0, monte_carlo=0.1, translation=0.3, rotation=0.3),
)

real = dict(
    split=data_root + 'test',
    image_ids=(data_root + 'splits.json', 'train'),
    coordinate_maps=prepared + 'coordinate_maps',
    background_prob=0.5,
    repeat=22,
    **options,
)
views = dict(
    split=prepared + 'views',
    coordinate_maps=prepared + 'view_coordinate_maps',
    background_prob=1.0,
    keep=650,
    every=4,
    repeat=4,
    **options,
)
test = dict(test_crops=1, **crop)
data = dict(
    samples_per_gpu=32,
    train=[real, views],
    val=test,
    test=test,
)

optimizer = dict(lr=2e-3)
total_iters = 2000
runner = dict(max_iters=total_iters)
lr_config = dict(warmup_iters=50)
checkpoint_config = dict(interval=100)
evaluation = dict(interval=2000)
