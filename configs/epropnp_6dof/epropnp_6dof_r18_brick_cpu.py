# A made-up brick that a half turn leaves as it is, learned from renderings on one processor core;
# docs/6dof.md, "A symmetric object", says how the data are made and what it reaches.
_base_ = ['./epropnp_6dof_r18_linemod_cat_cpu.py']
data_root = 'data/synthetic_brick/'
obj_ids = [4]
half_turn = (-1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
identity = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
objects = {
    '_delete_': True,
    4: dict(diameter=140.0, half_extents=(60.0, 30.0, 20.0), symmetries=(identity, half_turn)),
}
crop = dict(resolution=64, grid_size=16)

model = dict(
    backbone=dict(base_channels=16, stem_channels=16),
    head=dict(in_channels=128, channels=(64, 48, 32), lateral_channels=(64, 32, 16)),
    # Errors of metres at the start would drown the coordinates.
    losses=dict(coordinate=2.0, monte_carlo=0.1, translation=1.0, rotation=0.5),
)

train = dict(
    type='ObjectPoseDataset',
    split=data_root + 'train',
    obj_ids=obj_ids,
    models=data_root + 'models',
    coordinate_maps=data_root + 'prepared/coordinate_maps',
    symmetric=True,
    keep=1200,
    jitter=dict(shift=0.15, zoom=0.2, max_angle=0.2),
    color=0.5,
    occlusion=0.1,
    **crop,
)
test = dict(
    type='ObjectPoseDataset',
    split=data_root + 'test',
    obj_ids=obj_ids,
    models=data_root + 'models',
    box_jitter=0.1,
    test_mode=True,
    **crop,
)
data = dict(
    _delete_=True,
    samples_per_gpu=32,
    workers_per_gpu=0,
    persistent_workers=False,
    train=train,
    val=test,
    test=test,
    val_dataloader=dict(samples_per_gpu=50, workers_per_gpu=0),
    test_dataloader=dict(samples_per_gpu=50, workers_per_gpu=0),
)

optimizer = dict(lr=2e-3)
total_iters = 7000
runner = dict(max_iters=total_iters)
lr_config = dict(warmup_iters=50)
checkpoint_config = dict(interval=100)
evaluation = dict(interval=7000)
